"""Killed writers and many processes: what was acknowledged is there, nothing is there by half, no update is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from refold import RawEvent, Store
from refold.testing.contract.sample import EVENTS, Deposit, accounts

# Appends three events at a time to one of four streams and tells each acknowledged position.
WRITER = """
import sys
from refold import *
url, name = sys.argv[1:]
with Store.open(url, events=[RawEvent]) as store:
    n = 0
    while True:
        n += 1
        tags, batch = frozenset({f"b:{n}"}), f"{name}:{n}"
        events = [NewEvent(RawEvent("X", {"batch": batch, "part": part}), tags=tags) for part in range(3)]
        receipt = store.append(f"w-{n % 4}", events)
        print(f"{name}:{n}", *map(int, receipt.positions), flush=True)
"""

DEPOSITOR = """
import sys
from refold import *
from refold.testing.contract.sample import *
with Store.open(sys.argv[1], events=EVENTS) as store:
    for i in range(int(sys.argv[2])):
        store.bind(accounts).handle("1", Deposit(1))
"""


def killed_after(url: str, name: str, seconds: float) -> dict[str, list[int]]:
    """What a writer acknowledged before it was killed in the middle of its work."""
    with subprocess.Popen([sys.executable, "-c", WRITER, url, name], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline()]
        time.sleep(seconds)  # the moment of the kill is what is random here
        writer.send_signal(signal.SIGKILL)
        told += writer.stdout.readlines()
    lines = [line.split() for line in told if line.endswith("\n")]
    return {batch: list(map(int, positions)) for batch, *positions in lines}


def check(url: str, acknowledged: dict[str, list[int]]) -> int:
    """Everything acknowledged stands where it was told to, every batch is whole; how many batches there are."""
    with Store.open(url, events=EVENTS) as store:
        found: dict[str, list[int]] = {}
        versions: dict[str, int] = {}
        for event in store.read():
            found.setdefault(event.data.data["batch"], []).append(event.position)
            versions[str(event.stream)] = versions.get(str(event.stream), 0) + 1
            assert event.version == versions[str(event.stream)]
        assert {batch: found.get(batch) for batch in acknowledged} == acknowledged
        assert {len(positions) for positions in found.values()} == {3}
        assert [damage for _, damages in store.verify() for damage in damages] == []
    return len(found)


def kill_loop(tmp_path: Path, kills: int, level: str, *, every: int = 1) -> tuple[int, int]:
    """Kill a writer so many times, look at every so-manieth; how many batches were acknowledged, how many there are."""
    url = f"sqlite:///{tmp_path}/store.db?durability={level}"
    acknowledged: dict[str, list[int]] = {}
    there = 0
    for i in range(kills):
        acknowledged |= killed_after(url, str(i), random.uniform(0, 0.05))  # noqa: S311 - a moment
        if i % every == 0 or i == kills - 1:
            there = check(url, acknowledged)
    return len(acknowledged), there


@pytest.mark.guarantee("G1")
@pytest.mark.parametrize("level", ["disk", "best-effort"])
def test_a_killed_writer_leaves_whole_appends_and_all_that_it_acknowledged(tmp_path: Path, level: str) -> None:
    acknowledged, there = kill_loop(tmp_path, 10, level)
    assert acknowledged >= 10
    assert acknowledged <= there <= acknowledged + 10  # at most one a kill that was written and not told


@pytest.mark.long
@pytest.mark.guarantee("G1")
@pytest.mark.parametrize("level", ["disk", "best-effort"])
def test_hundreds_of_killed_writers_leave_whole_appends(tmp_path: Path, level: str) -> None:
    acknowledged, there = kill_loop(tmp_path, 400, level, every=20)
    print(f"{level}: 400 kills, {acknowledged} batches acknowledged, {there} found")
    assert acknowledged <= there <= acknowledged + 400


@pytest.mark.guarantee("G1")
def test_the_kill_loop_bites_if_an_acknowledged_append_is_not_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with Store.open(url) as store:
        store.append("w-1", [RawEvent("X", {"batch": "a", "part": part}) for part in range(3)])
    assert check(url, {"a": [1, 2, 3]}) == 1
    with pytest.raises(AssertionError):
        check(url, {"a": [1, 2, 3], "b": [4, 5, 6]})
    with Store.open(url) as store:
        store.append("w-1", [RawEvent("X", {"batch": "half", "part": 0})])
    with pytest.raises(AssertionError):
        check(url, {"a": [1, 2, 3]})


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
