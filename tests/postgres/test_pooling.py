"""Behind a pooler in transaction mode: nothing of a session is used, neither prepared statements nor settings.

There is no PgBouncer among Python's packages, so none stands in these tests. What it does is done here by a pooler of our
own (each transaction on whichever server connection comes next); and the server is asked what is left in its sessions.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from tests.postgres.pooler import pooled
from tests.postgres.servers import TcpServer

from refold import AsyncStore, Conflict, Store
from refold.messages import RawEvent
from refold.projection import Projection, sql
from refold.testing.contract.sample import EVENTS, Deposit, Deposited, accounts

deposits = Projection("deposits", schema="create table deposits (amount integer)")


@deposits.on(Deposited)
def _(event: Any) -> Any:
    yield sql("insert into deposits values (:amount)", amount=event.data.amount)


def everything_once(store: Store) -> None:
    """Every kind of statement that a store makes."""
    for n in range(12):
        store.append(f"a-{n}", [RawEvent("X", {"n": n})], expected=0)
    with pytest.raises(Conflict):
        store.append("a-0", [RawEvent("X", {})], expected=0)
    store.bind(accounts).handle("1", Deposit(5), idempotency_key="k")
    assert store.bind(accounts).handle("1", Deposit(5), idempotency_key="k").repeated
    assert store.catch_up(deposits) == 1
    assert store.query("select amount from deposits where amount > :least", least=1) == [(5,)]
    assert len(list(store.read())) == 13
    assert len(list(store.streams())) == 13
    assert store.stats().events == 13
    assert (store.wait(0, timeout=5), store.wait(13, timeout=0.01)) == (13, 13)
    assert [damages for _, damages in store.verify() if damages] == []


def pooled_url(url: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}pooler=transaction"


def test_with_a_pooler_no_session_holds_anything_afterwards(url: str) -> None:
    with Store.open(pooled_url(url), events=EVENTS) as store:
        everything_once(store)
        everything_once_more = store.tenant("acme")
        everything_once(everything_once_more)
        pool = store._engine._backend._session._pool  # type: ignore[union-attr] # pyright: ignore[reportAttributeAccessIssue]
        connections = [pool.getconn() for _ in range(pool.get_stats()["pool_size"])]
        for connection in connections:
            assert connection.execute("select count(*) from pg_prepared_statements").fetchone() == (0,)
            changed = (
                "select name, setting from pg_settings where source = 'session'"
                " and name <> 'application_name' and name not like 'transaction_%'"  # those are of the transaction that asks
            )
            assert connection.execute(changed).fetchall() == []
            assert connection.execute("show search_path").fetchone() == ('"$user", public',)
            pool.putconn(connection)


def test_without_a_pooler_statements_are_prepared_so_the_test_before_can_fail(url: str) -> None:
    with Store.open(url, events=EVENTS) as store:
        everything_once(store)
        with store._engine._backend._session._pool.connection() as connection:  # type: ignore[union-attr] # pyright: ignore[reportAttributeAccessIssue]
            (count,) = connection.execute("select count(*) from pg_prepared_statements").fetchone()
    assert count > 3


@pytest.fixture
def place(tcp: TcpServer) -> Iterator[str]:
    url = tcp.new_database()
    yield url
    tcp.drop(url)


def test_a_store_works_where_each_transaction_meets_another_session(place: str) -> None:
    with pooled(place) as (through, used):
        with Store.open(pooled_url(through), events=EVENTS) as store:
            everything_once(store)
            everything_once(store.tenant("acme"))
            threads = [threading.Thread(target=lambda: store.append("b-1", [RawEvent("Y", {})])) for _ in range(20)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert [event.version for event in store.read("b-1")] == list(range(1, 21))

        async def awaiting() -> None:
            async with await AsyncStore.open(pooled_url(through), events=EVENTS) as store:
                await asyncio.gather(*(store.append("c-1", [RawEvent("Y", {})]) for _ in range(20)))

        asyncio.run(awaiting())
    assert min(used) > 10, used
    print(f"\ntransactions by server connection behind the pooler: {list(used)}")


def test_prepared_statements_do_not_work_there_so_the_test_before_can_fail(place: str) -> None:
    with pooled(place) as (through, _), psycopg.connect(through, autocommit=True, prepare_threshold=0) as connection:
        met: set[str] = set()
        for _ in range(8):
            try:
                connection.execute("select %s::integer", (1,))
            except psycopg.errors.InvalidSqlStatementName as error:
                met.add(type(error).__name__)
        assert met == {"InvalidSqlStatementName"}
