"""Opening, and numbers and names at their edges: what one caller asks never hurts another."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import ExitStack
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest

from refold import (
    AppendCondition,
    AsyncStore,
    Conflict,
    IdReused,
    NewEvent,
    NotAStore,
    Query,
    Store,
    StoreUnreachable,
    UsageError,
)
from refold.backends.postgres.location import PostgresLocation
from refold.flows.append import Receipt
from refold.messages import RawEvent
from refold.testing.postgres import PostgresServer

HUGE = 10**30


def test_of_many_who_open_a_new_store_at_once_all_can(url: str) -> None:
    barrier, opened = threading.Barrier(8), list[object]()

    def open_one(number: int) -> None:
        barrier.wait(10)
        try:
            with Store.open(url, events=[RawEvent]) as store:
                opened.append(store.append(f"a-{number}", [RawEvent("X", {})]))
        except Exception as error:
            opened.append(error)

    threads = [threading.Thread(target=open_one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {type(one) for one in opened} == {Receipt}, opened


def test_a_schema_of_somebody_elses_is_left_alone(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("create schema refold create table things (id integer)")
    with pytest.raises(NotAStore, match=r"\?schema=NAME"):
        Store.open(url)


def test_a_database_that_does_not_hold_every_text_is_refused(url: str, postgres: PostgresServer) -> None:
    latin = f"{urlsplit(url).path[1:]}_latin"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            f"create database {latin} encoding 'LATIN1' template template0 lc_collate 'C' lc_ctype 'C'".encode()
        )
    with pytest.raises(UsageError, match="encoding LATIN1"):
        Store.open(postgres.url(latin))
    postgres.drop(postgres.url(latin))


def test_a_client_encoding_of_the_database_changes_no_text(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"alter database {urlsplit(url).path[1:]} set client_encoding = 'LATIN1'".encode())
    with Store.open(url, events=[RawEvent]) as store:
        store.append("a-ä", [RawEvent("X", {"text": "ä € 😀"})])
        assert [(str(event.stream), event.data.data) for event in store.read()] == [("a-ä", {"text": "ä € 😀"})]


def test_what_the_url_asks_of_the_session_holds(url: str) -> None:
    asked = f"{url}{'&' if '?' in url else '?'}application_name=shop&options=-c%20statement_timeout%3D12345"
    with Store.open(asked) as store, store._engine._backend._session._pool.connection() as connection:  # type: ignore[union-attr] # pyright: ignore[reportAttributeAccessIssue]
        told = [connection.execute(f"show {name}").fetchone() for name in ("statement_timeout", "application_name")]
    assert told == [("12345ms",), ("shop",)]


def test_a_url_that_libpq_does_not_take_is_refused_at_once(url: str) -> None:
    with pytest.raises(UsageError, match="nonsense"):
        Store.open(f"{url}{'&' if '?' in url else '?'}nonsense=1")


def test_writers_come_through_whatever_isolation_level_the_database_prefers(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            f"alter database {urlsplit(url).path[1:]} set default_transaction_isolation = serializable".encode()
        )
    with ExitStack() as opened:
        stores = [opened.enter_context(Store.open(url, events=[RawEvent])) for _ in range(4)]
        told: list[object] = []

        def write(store: Store) -> None:
            told.extend(store.append("a-1", [RawEvent("X", {})]).position for _ in range(10))

        threads = [threading.Thread(target=write, args=(store,)) for store in stores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(map(str, told)) == sorted(map(str, range(1, 41)))


def test_numbers_beyond_what_can_be_stored_are_judged_like_any_other(url: str) -> None:
    with Store.open(url, events=[RawEvent]) as store:
        with pytest.raises(Conflict, match=f"version 0, not {HUGE}"):
            store.append("a-1", [RawEvent("X", {})], expected=HUGE)
        assert store.append("a-1", [RawEvent("X", {})], condition=AppendCondition(Query.all(), HUGE)).version == 1
        assert list(store.read(after=HUGE)) == []
        assert len(list(store.read(after=HUGE, direction="backward"))) == 1


async def test_what_is_wrong_with_one_append_is_not_told_to_the_others_of_its_group(url: str) -> None:
    async with await AsyncStore.open(url, events=[RawEvent]) as store:

        async def append(stream: str, id: int, **options: int) -> object:
            return await store.append(
                stream, [NewEvent(RawEvent("X", {}), id=UUID(int=id))], expected=options.get("expected", 0)
            )

        told = await asyncio.wait_for(
            asyncio.gather(
                append("a-1", 1), append("b-1", 2), append("c-1", 2), append("d-1", 3), append("e-1", 4, expected=HUGE),
                append("f-1", 5), append("f-1", 6),
                return_exceptions=True,
            ),
            10,
        )  # fmt: skip
    assert [type(one) for one in told] == [Receipt, Receipt, IdReused, Receipt, Conflict, Receipt, Conflict]


def test_schemas_of_tenants_are_apart_however_they_are_named() -> None:
    store = PostgresLocation("postgresql:///app")
    x, y, z = "x" * 30, "y" * 30, "z" * 30
    paths = [
        ("a",),
        ("a__b",),
        ("a", "b"),
        ("a_", "b"),
        ("a", "_b"),
        ("a___b",),
        ("A",),
        ("Ä",),
        ("a b",),
        ("b", "a"),
        ("a", "a"),
    ]
    paths += [(x,), (x + x,), (x + x + "x",), (x, y), (x, y, "z"), (x, y, z), (y, x, z)]
    named = {path: schema_of(store, path) for path in paths}
    assert len(set(named.values())) == len(named)
    assert max(len(schema) for schema in named.values()) <= 63
    assert named["a",] == "refold__a"


def schema_of(store: PostgresLocation, path: tuple[str, ...]) -> str:
    for name in path:
        store = store.tenant(name)
    return store.schema


def test_a_server_that_is_not_there_is_told_at_once_with_the_reason() -> None:
    started = time.monotonic()
    with pytest.raises(StoreUnreachable, match="refused"):
        Store.open("postgresql://nobody@127.0.0.1:1/nothing")
    assert time.monotonic() - started < 15


async def test_a_database_that_is_not_there_is_told_at_once_with_the_reason(postgres: PostgresServer) -> None:
    url = postgres.url("no_such_database")
    with pytest.raises(StoreUnreachable, match='"no_such_database" does not exist'):
        Store.open(url)
    with pytest.raises(StoreUnreachable, match='"no_such_database" does not exist'):
        await AsyncStore.open(url)
