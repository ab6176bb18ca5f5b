"""G3 and G25, where the disk of a PostgreSQL server fails under it: it refuses, or dies and recovers, in mid-append.

Its calls fail below it, in the C library: those that write and sync its log, and those that extend its tables. Writers ask
again for what they were not told; then nothing that was acknowledged is lost, and nothing is there twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from errno import EIO, ENOSPC
from itertools import cycle, islice
from random import Random
from typing import Final, NamedTuple, TypeAlias

import psycopg
import pytest
from tests.faults.disktrouble import Call, Trouble, trouble
from tests.faults.folders import quick_folder
from tests.faults.load import Load, Report, as_drawn
from tests.faults.power import OnDisk, postgres_on
from tests.guarantees.seeding import seeded
from tests.guarantees.telling import tell
from tests.postgres.failover import judged
from tests.postgres.histories import ANYTHING, Body
from tests.postgres.mutants import ids_that_nobody_looks_at
from tests.postgres.servers import until

from refold import OutcomeUnknown, Store, StoreError
from refold.messages import RawEvent

pytestmark = [pytest.mark.guarantee("G3"), pytest.mark.guarantee("G25")]


Changed: TypeAlias = Callable[[Random, Body], Body]


class Plan(NamedTuple):
    """Which call fails, with what, of which files; `within`: at which it may, at the latest; `asked`: for it to come to that."""

    call: Call
    errno: int
    part: str
    within: int
    forever: bool = False
    half: bool = False
    asked: str = ""


PLANS: Final = (
    Plan("sync", EIO, "/pg_wal/", 8),
    Plan("write", EIO, "/pg_wal/", 8),
    Plan("write", ENOSPC, "/pg_wal/", 8, forever=True, half=True),
    Plan("write", ENOSPC, "/base/", 1),  # a table that is to grow, and the server lives on
    Plan("sync", EIO, "/base/", 1, asked="checkpoint"),
    Plan("open", EIO, "pg_wal/", 1, asked="select pg_switch_wal()"),
)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # it tells of every connection that is lost


@contextmanager
def server_in_trouble() -> Generator[tuple[OnDisk, Trouble]]:
    with trouble() as planned, quick_folder() as folder:
        folder.chmod(0o755)  # the server runs as somebody else
        with postgres_on(folder, environment=planned.environment) as server:
            Store.open(server.url).close()
            yield server, planned


def rounds(server: OnDisk, planned: Trouble, seed: int, plans: Sequence[Plan], changed: Changed = as_drawn) -> Report:
    """One after another they come true under load, and the disk works again each time."""
    random = Random(seed)  # noqa: S311 - the same each time for a seed
    with Load(server.url.replace("busy_timeout=1", "busy_timeout=0.2"), seed, 2, changed) as load:
        for plan in plans:
            load.answered(10)
            n = random.randrange(1, plan.within + 1)
            planned.plan(plan.call, n, plan.errno, plan.part, forever=plan.forever, half=plan.half)
            ask(server, plan.asked)
            until(f"the disk fails: {plan}", lambda least=2 if plan.forever else 1: planned.failed >= least)
            planned.end()
            if plan.forever:  # it may have given up, or wait for ever for what failed while it recovered
                server.kill()
                server.start()
        load.answered(20)
    return judged(server.url, load, [])


def ask(server: OnDisk, statement: str) -> None:
    """The answer is for nobody: the server may die of it."""
    with suppress(psycopg.Error), psycopg.connect(server.url.partition("&")[0], autocommit=True) as connection:
        connection.execute(statement.encode() or b"select 1")


def survived(count: int) -> None:
    """All of the plans, over and over, until it was so many."""
    seed = seeded()
    with server_in_trouble() as (server, planned):
        report = rounds(server, planned, seed, list(islice(cycle(PLANS), count)))
    tell("G3", "postgresql", disk_failed=count, **report.figures(), seed=seed)
    assert report.wrong == [], f"seed {seed}"
    assert report.acknowledged >= 10 * count


def test_a_postgresql_server_whose_disk_fails_loses_nothing_it_acknowledged_and_doubles_nothing() -> None:
    survived(len(PLANS))


@pytest.mark.long
def test_a_postgresql_server_whose_disk_fails_hundreds_of_times_loses_nothing() -> None:
    survived(500)


@pytest.mark.parametrize("errno", [EIO, ENOSPC])
def test_what_a_postgresql_server_could_not_sync_is_not_told_as_refused(errno: int) -> None:
    """Its last word before it ends is an error as others are; but the event is there when it is back."""
    with server_in_trouble() as (server, planned), Store.open(server.url, events=[RawEvent]) as store:
        store.append("order-1", [RawEvent("Placed", {})])
        planned.plan("sync", 1, errno, "/pg_wal/")
        with suppress(OutcomeUnknown):
            assert store.append("order-1", [RawEvent("Paid", {})]).version == 2
        planned.end()
        until("the server is back with it", lambda: types_in(store) == ["Placed", "Paid"])


def types_in(store: Store) -> list[str]:
    """None, as long as nobody answers."""
    with suppress(StoreError):
        return [event.type for event in store.read()]
    return []


def unconditional(_: Random, body: Body) -> Body:
    """The same events, whatever is there."""
    return Body(tuple((stream, ANYTHING, facts) for stream, _, facts in body.writes))


def test_a_repeat_that_a_postgresql_server_takes_for_new_is_found_when_its_disk_fails() -> None:
    with server_in_trouble() as (server, planned):
        ids_that_nobody_looks_at(server.url.partition("&")[0])
        report = rounds(server, planned, seeded(), PLANS[:1] * 4, unconditional)  # what it cannot sync is there
    assert any("twice" in wrong or "half" in wrong or "holes" in wrong for wrong in report.wrong), report.wrong
