"""What keeps the order on PostgreSQL: long transactions, those that roll back, and queries read as of one moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import psycopg
import pytest
from psycopg import IsolationLevel
from tests.postgres.traffic import QUERY

from refold import NewEvent, Query, Store
from refold.messages import RawEvent
from refold.testing.postgres import PostgresServer

pytestmark = [pytest.mark.guarantee("G6")]


def test_a_long_transaction_elsewhere_stalls_neither_readers_nor_writers(url: str, postgres: PostgresServer) -> None:
    other = postgres.new_database()
    with ExitStack() as opened, Store.open(url, events=[RawEvent]) as store:
        levels = IsolationLevel.READ_COMMITTED, IsolationLevel.SERIALIZABLE, IsolationLevel.REPEATABLE_READ
        for place, level in zip((url, url, other), levels, strict=True):
            connection = opened.enter_context(psycopg.connect(place))
            connection.isolation_level = level
            connection.execute(f"create table elsewhere_{level.value} (n integer)".encode())
            connection.execute("select pg_current_xact_id()")  # it has a transaction id, and a snapshot
        seen = []
        for n in range(20):
            store.append("a-1", [RawEvent("X", {"n": n}), RawEvent("Y", {})], expected=2 * n)
            seen += [event.position for event in store.read(after=2 * n)]
        assert seen == list(range(1, 41))
        assert [event.position for event in store.read(query=QUERY)] == seen
    postgres.drop(other)


def test_a_slow_transaction_that_appends_holds_back_writers_and_never_readers(url: str) -> None:
    with Store.open(url, events=[RawEvent]) as store, psycopg.connect(url) as slow:
        store.append("a-1", [RawEvent("X", {})])
        store.join(slow).append("a-1", [RawEvent("Y", {})])
        waiting = threading.Thread(target=lambda: store.append("b-1", [RawEvent("Z", {})]))
        waiting.start()
        waiting.join(0.2)

        assert waiting.is_alive()
        assert [(event.position, event.type) for event in store.read()] == [(1, "X")]

        slow.commit()
        waiting.join(10)
        assert [(event.position, event.type) for event in store.read()] == [(1, "X"), (2, "Y"), (3, "Z")]


def test_what_a_rolled_back_transaction_took_is_given_again(url: str) -> None:
    with Store.open(url, events=[RawEvent]) as store, psycopg.connect(url) as connection:
        store.append("a-1", [RawEvent("X", {})])
        assert store.join(connection).append("a-1", [RawEvent("Y", {})] * 5).positions == (2, 3, 4, 5, 6)
        connection.rollback()
        assert store.append("a-1", [RawEvent("Z", {})]).positions == (2,)


def test_a_query_of_several_items_is_read_as_of_one_moment(url: str) -> None:
    """What is appended between two items' turns is for the next read: who saw the later of two would never see the other."""
    with Store.open(url, events=[RawEvent]) as store, Store.open(url) as other:
        by_turns = iter(_twins(other))
        session = store._engine._backend._session  # type: ignore[union-attr] # pyright: ignore[reportAttributeAccessIssue]
        fetch = session.fetch

        async def between(text: str, values: object = (), **how: object) -> object:
            with suppress(StopIteration):
                next(by_turns)
            return await fetch(text, values, **how)

        session.fetch = between
        query = Query.of(types=["A"]) | Query.of(types=["B"]) | Query.of(types=["C"])
        seen: list[int] = []
        while len(seen) < 60:
            page = [event.position for event in store.read(query=query, after=seen[-1] if seen else 0)]
            seen += page
            if not page and next(by_turns, None) is None:
                break
        assert seen == list(range(1, 61))


def _twins(store: Store) -> Iterator[None]:
    for _ in range(20):
        store.append("a-1", [NewEvent(RawEvent(type, {})) for type in "ABC"])
        yield
