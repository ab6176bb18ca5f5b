"""Copies killed in the middle: the next run goes on, copies nothing twice, and ends with what one run would have made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tests.faults.processes import Process, tell, until

from refold import RawEvent, Store, StoredEvent, StreamName
from refold.testing.postgres import PostgresServer

EVENTS = 12_000
PAGES = EVENTS // 1_000


def split(event: StoredEvent) -> Iterable[StoredEvent]:
    """A third is left out, a third stays, of a third two are made."""
    n = event.data["n"]
    if n % 3:
        yield event
    if n % 3 == 2:
        yield replace(event, stream=StreamName("half", event.stream.id))


def copy(source: str, target: str, transformed: bool) -> None:
    """Copy, and tell of each page."""
    with Store.open(source, events=[RawEvent]) as old, Store.open(target, events=[RawEvent]) as new:
        old.copy_to(new, transform=split if transformed else None, tell=lambda copied: tell("page", copied.position))
    tell("done")


def has_told(process: Process, lines: int) -> bool:
    return len(process.told) >= lines


@pytest.mark.parametrize("transformed", [False, True], ids=["as it is", "transformed"])
@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_a_copy_that_is_killed_again_and_again_becomes_what_it_should_be(
    tmp_path: Path, postgres: PostgresServer, backend: str, transformed: bool
) -> None:
    source = f"sqlite:///{tmp_path}/source.db?durability=best-effort"
    target = f"sqlite:///{tmp_path}/target.db" if backend == "sqlite" else postgres.new_database()
    with Store.open(source, events=[RawEvent]) as old:
        for page in range(PAGES):
            old.append("a-1", [RawEvent("t", {"n": page * 1_000 + n}) for n in range(1_000)])
        kills = 0
        for pages in (1, 2, 3):
            with Process(copy, source=source, target=target, transformed=transformed) as process:
                until("it copies", partial(has_told, process, pages))
                kills += not process.has_told("done")
        with Process(copy, source=source, target=target, transformed=transformed) as last:
            until("the rest is copied", lambda: last.has_told("done"))
        with Store.open(target, events=[RawEvent]) as new:
            report = old.check_copy(new, transform=split if transformed else None)
            assert (report.is_equal, report.target.events, kills > 0) == (True, EVENTS, True)
            assert old.copy_to(new, transform=split if transformed else None).written == 0
    if backend == "postgresql":
        postgres.drop(target)
