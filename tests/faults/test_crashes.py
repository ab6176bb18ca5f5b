"""A log that was torn off, and many processes: nothing is there by half, no update is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from refold import RawEvent, Store
from refold.testing.contract.sample import EVENTS, Deposit, accounts

DEPOSITOR = """
import sys
from refold import *
from refold.testing.contract.sample import *
with Store.open(sys.argv[1], events=EVENTS) as store:
    for i in range(int(sys.argv[2])):
        store.bind(accounts).handle("1", Deposit(1))
"""


@pytest.mark.guarantee("G1")
def test_a_log_that_was_torn_off_at_any_place_leaves_whole_appends(tmp_path: Path) -> None:
    """What is left of the write-ahead log when its last writes did not reach the disk: a beginning of the history."""
    path = tmp_path / "store.db"
    with Store.open(f"sqlite:///{path}", events=EVENTS) as store:
        for n in range(12):
            store.append(f"w-{n % 4}", [RawEvent("X", {"batch": str(n), "part": part}) for part in range(3)])
        main, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    seen: set[int] = set()
    torn = tmp_path / "torn.db"
    for end in range(len(log), 0, -(len(log) // 60)):
        torn.write_bytes(main)
        Path(f"{torn}-wal").write_bytes(log[:end] + os.urandom(100))
        with Store.open(f"sqlite:///{torn}", events=EVENTS) as store:
            batches = [event.data.data["batch"] for event in store.read()]
            assert batches == [str(n) for n in range(len(batches) // 3) for _ in range(3)]
            assert [list(damages) for _, damages in store.verify()] == [[]]
            seen.add(len(batches) // 3)
        for each in tmp_path.glob("torn.db*"):
            each.unlink()
    assert {0, 12} < seen | {0}
    assert len(seen) > 5


@pytest.mark.guarantee("G5")
def test_processes_that_append_at_once_lose_no_update(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    writers = [subprocess.Popen([sys.executable, "-c", DEPOSITOR, url, "40"]) for _ in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    with Store.open(url, events=EVENTS) as store:
        assert store.bind(accounts).state("1") == 160
        assert [event.version for event in store.read("account-1")] == list(range(1, 161))
        assert [list(damages) for _, damages in store.verify()] == [[]]
        assert store.bind(accounts).handle("1", Deposit(1)).state == 161
