"""Copies killed in the middle: the next run goes on, copies nothing twice, and ends with what one run would have made."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.contract.test_nats import placed
from tests.copying.places import held
from tests.faults.processes import Process, tell, until

from refold import RawEvent, Store, StoredEvent, StreamName
from refold.backends.nats.stored import BATCH, COMMIT
from refold.backends.nats.wire import Wire
from refold.eventlogs.importer import checked_log
from refold.eventlogs.mapping import LogMapping
from refold.limits import Limits
from refold.testing.postgres import PostgresServer

DATA = Path(os.environ.get("REFOLD_DATA") or Path(__file__).parents[3] / "shared" / "data")

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


# On JetStream a page is several batches ------------------------------------------


def copy_and_die(source: str, target: str, transformed: bool, batch: int, whole: bool) -> None:
    """Copy, and be killed when the server has all of a batch but its end, or `whole`, before the answer is heard."""
    publish, begun = Wire._publish, set[str]()

    async def dying(
        self: Wire, subject: str, body: bytes, number: str | None, headers: dict[str, str] | None = None
    ) -> None:
        begun.update({(headers or {}).get(BATCH, "")} - {""})
        dies = len(begun) == batch and COMMIT in (headers or {})
        if whole or not dies:
            await publish(self, subject, body, number, headers)
        if dies:
            await self.api("INFO", {})  # answered after all that was sent
            tell("dies")
            os.kill(os.getpid(), signal.SIGKILL)

    planted: Any = Wire
    planted._publish = dying
    copy(source, target, transformed)


@pytest.fixture
def stream(nats: str) -> Iterator[str]:
    with contextmanager(placed)(nats.removeprefix("nats://")) as place:
        yield place.url


DEATHS = ((2, False), (2, True), (1, False), (3, True), (1, True))
"""In which batch of a run, and whether after the whole of it."""


def killed_on_the_way(source: str, target: str, transformed: bool) -> list[int]:
    """Copy as often as it is killed; how many events the target held each time."""
    counts: list[int] = []
    for batch, whole in DEATHS:
        with Process(
            copy_and_die, source=source, target=target, transformed=transformed, batch=batch, whole=whole
        ) as one:
            until("it is dead", lambda: not one.is_alive())
            assert one.told[-1] == "dies"
        with Store.open(target, events=[RawEvent]) as new:
            counts.append(new.stats().events)
    return counts


@pytest.mark.parametrize("transformed", [False, True], ids=["as it is", "transformed"])
def test_a_copy_to_jetstream_that_is_killed_in_the_middle_of_pages_goes_on(
    tmp_path: Path, stream: str, transformed: bool
) -> None:
    transform, events = (split, 3_999) if transformed else (None, 4_000)
    source = f"sqlite:///{tmp_path}/source.db?durability=best-effort"
    with Store.open(source, events=[RawEvent]) as old:
        for page in range(4):  # of one time each, so of one time are events of several batches
            old.append("a-1", [RawEvent("t", {"n": page * 1_000 + n}) for n in range(1_000)])
        counts = killed_on_the_way(source, stream, transformed)
        assert counts == sorted(counts)
        assert any(count % 1_000 for count in counts)
        with Store.open(stream, events=[RawEvent]) as new:
            assert (
                old.copy_to(new, transform=transform).written <= events - counts[-1]
            )  # the last batch may have been under way
            report = old.check_copy(new, transform=transform)
            assert (report.is_equal, report.target.events) == (True, events)


def test_the_receipt_log_goes_to_postgresql_to_jetstream_and_back_though_killed_on_the_way(
    tmp_path: Path, postgres: PostgresServer, stream: str
) -> None:
    path = DATA / "receipt.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there: set REFOLD_DATA to the directory of receipt.csv")
    database = postgres.new_database()
    with (
        Store.open(f"sqlite:///{tmp_path}/first.db?durability=best-effort", events=[RawEvent]) as first,
        Store.open(database, events=[RawEvent]) as second,
        Store.open(f"sqlite:///{tmp_path}/last.db?durability=best-effort", events=[RawEvent]) as last,
    ):
        with checked_log(path, LogMapping(), Limits(), lambda *_: None) as log:
            log.write(first)
        first.copy_to(second)
        killed_on_the_way(database, stream, transformed=False)
        with Store.open(stream, events=[RawEvent]) as third:
            second.copy_to(third)
            third.copy_to(last)
            reports = [
                first.check_copy(second),
                second.check_copy(third),
                third.check_copy(last),
                last.check_copy(first),
            ]
        assert [(report.is_equal, report.target) for report in reports] == [(True, reports[0].source)] * 4
        assert (reports[0].source.events, reports[0].source.streams) == (8_577, 1_434)
        assert held(last) == held(first)
    postgres.drop(database)
