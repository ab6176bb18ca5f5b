"""Archiving and restoring, killed at random moments: no event is lost or doubled, and the next run goes on."""

from __future__ import annotations

import os
import time
from collections import Counter
from functools import partial
from pathlib import Path
from random import Random

import pytest
from tests.archive.books import archived, opened, raw, restored, write_books
from tests.faults.processes import Process, tell, until

from refold.archive.files import Files
from refold.archive.threaded import stepped
from refold.flows import archiving
from refold.ports import Backend
from refold.testing.postgres import PostgresServer

KILLS = 25
THINGS = "abcdefgh"
YEARS = 6


def move(url: str, place: str) -> None:
    """Archive everything in many small steps."""
    archiving.EVENTS, archiving.AT_ONCE = 12, 4  # type: ignore[misc]
    archived(url, place, tell=lambda _: tell("step"))
    tell("done")


def bring(url: str, place: str) -> None:
    """Bring everything back."""
    restored(url, place, tell=lambda _: tell("step"))
    tell("done")


def damages(backend: Backend) -> list[object]:
    """What is wrong with the store."""
    return list(stepped(backend.verify(0, 10_000)))


def has_gone(process: Process, steps: int) -> bool:
    """Whether it has gone so many steps, or is done."""
    assert process.is_alive() or process.has_told("done"), f"{process.role} failed after {process.told}"
    return len(process.told) >= steps or process.has_told("done")


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_whenever_it_is_killed_every_event_is_there_once(tmp_path: Path, postgres: PostgresServer, engine: str) -> None:
    url = f"sqlite:///{tmp_path}/books.db?durability=best-effort" if engine == "sqlite" else postgres.new_database()
    place, random = tmp_path / "archive", Random(int(os.environ.get("REFOLD_SEED", "5")))  # noqa: S311 - the same each time
    write_books(url, YEARS, THINGS)
    with opened(url) as backend:
        before = raw(backend)
    kills = Counter[str]()
    while kills.total() < 2 * KILLS:
        role = move if kills["move"] <= kills["bring"] else bring
        with Process(role, url=url, place=str(place)) as process:
            steps = random.randrange(1, 7)
            until("it is at work", partial(has_gone, process, steps))
            time.sleep(random.uniform(0, 0.03))  # the moment of the kill is what is random here
            process.kill()
            kills[role.__name__] += not process.has_told("done")
        if process.has_told("done"):  # the other way, so that there is something left to do
            (restored if role is move else archived)(url, place)
        with opened(url, place) as backend:
            assert raw(backend) == before
            assert damages(backend) == []
            assert list(stepped(archiving.verify_archive(backend, Files(str(place))))) == []
    archived(url, place)
    restored(url, place)
    with opened(url) as backend:
        assert (raw(backend), damages(backend)) == (before, [])
    if engine == "postgresql":
        postgres.drop(url)
