"""A running application moves: the copy follows while it writes, and what was acknowledged is in the new place, once."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager

import pytest
from tests.copying.places import Places
from tests.faults.processes import until

from refold import RawEvent, Store

PAUSE = 0.05
"""Seconds between two appends of a writer: a copy that follows is level only if it is faster than all of them."""


class Writers:
    """Threads that append, each to a stream of its own, and expect it to be as they left it."""

    def __init__(self, *names: str) -> None:
        self.acknowledged: dict[str, list[int]] = {name: [] for name in names}

    @contextmanager
    def at(self, url: str) -> Generator[None]:
        """They write there, and stop when each has the answer to its last append."""
        stop = threading.Event()
        with Store.open(url, events=[RawEvent]) as store:
            threads = [threading.Thread(target=self._write, args=(store, name, stop)) for name in self.acknowledged]
            for thread in threads:
                thread.start()
            try:
                yield
            finally:
                stop.set()
                for thread in threads:
                    thread.join()

    def _write(self, store: Store, name: str, stop: threading.Event) -> None:
        numbers = self.acknowledged[name]
        while not stop.is_set():
            store.append(name, [RawEvent("noted", {"n": len(numbers)})], expected=len(numbers))
            numbers.append(len(numbers))
            stop.wait(PAUSE)

    def wait_for(self, more: int) -> None:
        """Until each has written so many more."""
        goals = {name: len(numbers) + more for name, numbers in self.acknowledged.items()}
        until("they write", lambda: all(len(self.acknowledged[name]) >= goal for name, goal in goals.items()), 60)


@contextmanager
def following(source: str, target: str, writers: Writers) -> Generator[subprocess.Popen[str]]:
    """A copy that follows writers, who have stopped by now."""
    command = [sys.executable, "-m", "refold", "copy", "--from", source, "--to", target, "--follow"]
    with ExitStack() as stack:
        with writers.at(source):
            writers.wait_for(20)
            copying = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            stack.callback(copying.kill)
            assert copying.stderr is not None
            assert "following until Ctrl-C" in copying.stderr.readline()  # it is level
            writers.wait_for(20)
        yield copying


def numbers(store: Store, names: Sequence[str]) -> dict[str, list[int]]:
    return {name: [e.data.data["n"] for e in store.read(name)] for name in names}


@pytest.mark.parametrize(("old", "new"), [("sqlite", "postgresql"), ("postgresql", "nats"), ("nats", "sqlite")])
def test_an_application_moves_while_it_writes_and_nothing_is_lost_or_doubled(
    places: Places, old: str, new: str
) -> None:
    source, target = places.url(old), places.url(new)
    writers = Writers("a-1", "a-2", "b-1")
    with following(source, target, writers) as copying:
        copying.send_signal(signal.SIGINT)
        out, err = copying.communicate(timeout=60)

    with writers.at(target):
        writers.wait_for(5)

    assert (copying.returncode, err) == (0, "refold: copying what is left, then comparing.\n")
    assert "the copy is equal to its source" in out
    with Store.open(target, events=[RawEvent]) as store:
        assert numbers(store, [*writers.acknowledged]) == writers.acknowledged
        assert store.stats().events == sum(map(len, writers.acknowledged.values()))
