"""A signal is a wish that comes at any moment, also while the wish itself is being waited for, or something is being told."""

from __future__ import annotations

import subprocess
import sys

from refold.cli.stopping import Wish

ROUNDS = 300
PROGRAM = f"""
import os, signal, threading, time
from refold.cli.stopping import stopping

for round in range({ROUNDS}):
    with stopping() as wish:
        threading.Timer(0.001, os.kill, (os.getpid(), signal.SIGTERM)).start()
        while not wish.wait(0):
            pass
print("stopped each time")
"""


def test_a_signal_that_comes_while_it_is_waited_for_is_not_waited_for_by_its_own_handler() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("stopped each time\n", "")


def test_a_signal_that_is_sent_twice_at_once_as_timeout_does_is_one_wish() -> None:
    program = """
import os, signal
from refold.cli.stopping import stopping

with stopping(lambda: print("told")) as wish:
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGINT)
    print(wish.wait())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "told\nTrue\n", "")


def test_what_cannot_be_told_while_something_else_is_written_is_told_by_who_looks_next() -> None:
    tried: list[str] = []

    def told() -> None:
        tried.append("once more")
        if len(tried) == 1:
            raise RuntimeError("reentrant call inside <_io.BufferedWriter name='<stderr>'>")

    wish = Wish(told)
    assert (wish.is_set(), wish.wait(0), tried) == (False, False, [])
    wish.come()
    assert tried == ["once more"]
    assert (wish.is_set(), wish.wait(), tried) == (True, True, ["once more", "once more"])
