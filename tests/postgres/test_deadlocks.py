"""Two transactions that wait for each other: the server undoes one, and it is begun anew."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
import pytest

from refold import Effect, NewEvent, Process, RawEvent, Recorded, Store, StoreBusy, event, sql
from refold._bridge.stepping import run_sync
from refold.backends.postgres import backend as postgres
from refold.flows.processes import reindexing
from refold.flows.processes.consuming import consumer
from refold.flows.projections.builds import active_build
from refold.flows.projections.splitting import repartition
from refold.flows.projections.work import step, take_up
from refold.ports import Backend, Unclaimed


@pytest.fixture
def rows(url: str) -> str:
    """A store with two rows of the application's, to be locked in one order and in the other."""
    with Store.open(url) as store, psycopg.connect(url, autocommit=True) as connection:
        del store
        connection.execute("create table two (id integer primary key, times integer not null)")
        connection.execute("insert into two values (1, 0), (2, 0)")
    return url


_WAITING = "select 1 from pg_locks l where %s = any(pg_blocking_pids(l.pid))"
_TURN = "update two set times = times + 1 where id = %s"


def crossed(url: str) -> None:
    """Lock 2, let the store lock 1 and wait for 2, and then wait for 1: whoever is undone, it is a deadlock."""
    with Store.open(url) as store, psycopg.connect(url) as other:
        other.execute("set deadlock_timeout = '10s'")  # so that it is the store's transaction that is undone
        other.execute(_TURN, (2,))
        with crossing(url, other, _TURN, (1,)):
            steps = [sql("update two set times = times + 1 where id = :id", id=each) for each in (1, 2)]
            run_sync(store._engine.view.work([steps[0], sql("select 1"), steps[1]]))


@contextmanager
def crossing(url: str, other: psycopg.Connection, text: LiteralString, values: tuple[int, ...] = ()) -> Generator[None]:
    """As soon as somebody in the block waits for `other`, have it wait for them, by this statement; then let go."""

    def cross() -> None:
        with psycopg.connect(url, autocommit=True) as looking:
            while not looking.execute(_WAITING, (other.info.backend_pid,)).fetchone():
                pass
        other.execute(text, values)
        other.commit()

    waiting = threading.Thread(target=cross)
    waiting.start()
    try:
        yield
    finally:
        waiting.join()


def times(url: str) -> list[tuple[int, ...]]:
    """How often each row was changed."""
    with psycopg.connect(url) as connection:
        return connection.execute("select times from two order by id").fetchall()


def test_the_transaction_that_the_server_undid_is_begun_anew(rows: str) -> None:
    crossed(rows)
    assert times(rows) == [(2,), (2,)]


def test_without_another_try_it_would_be_told(rows: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "DEADLOCKS", 1)
    with pytest.raises(StoreBusy, match="deadlock detected"):
        crossed(rows)
    assert times(rows) == [(1,), (1,)]


def test_an_append_that_the_server_undid_is_made_again(url: str) -> None:
    """The application has locked the tags, and then wants the lock of the appends, which has come as far as the tags."""
    with Store.open(url) as store, psycopg.connect(url) as other:
        other.execute("set deadlock_timeout = '10s'")
        other.execute("lock table refold.event_tags in share mode")
        with crossing(url, other, "select pg_advisory_xact_lock(hashtextextended('refold refold', 0))"):
            store.append("bill-1", [NewEvent(RawEvent("Paid", {"amount": 5}), tags=frozenset({"customer:1"}))])
        assert store.head() == 1


@event("bill.sent")
class Sent: ...


def nothing(_: Recorded[Sent], __: int) -> Iterator[Effect]:
    return iter(())


def test_two_workers_on_a_copy_that_make_its_rows_anew_do_not_wait_for_each_other(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "DEADLOCKS", 1)
    meeting, whole = threading.Barrier(2, timeout=60), reindexing._reindexed
    process = Process[Any, int]("counting", int, nothing, lambda count, _: count + 1, events=(Sent,))

    async def reindexed(*given: Any) -> int:
        meeting.wait()
        return await whole(*given)

    with Store.open("sqlite:///:memory:", events=[Sent]) as old, Store.open(url, events=[Sent]) as new:
        old.append("bill-1", [Sent()])
        old.process(process).catch_up()
        old.copy_to(new)
        runtime, projection = new._runtime, consumer(new._runtime, process)

        async def worked(backend: Backend, first: int) -> None:
            work = await take_up(backend, projection, await active_build(backend, runtime.clock, projection), first)
            while work is not None and await step(backend, backend, runtime, work):
                pass

        def to_the_end(first: int) -> None:
            try:
                new._engine.outside(lambda b: worked(b, first))
            except Unclaimed:  # the rows were made anew
                to_the_end(first)

        parts = new._engine.outside(lambda b: repartition(b, b, runtime, projection, 2))
        monkeypatch.setattr(reindexing, "_reindexed", reindexed)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(to_the_end, [part.first for part in parts]))
        assert [(each.id, each.inputs) for each in new.process(process).list()] == [("1", 1)]
