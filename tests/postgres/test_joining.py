"""Appends inside the application's own transaction: they commit with its rows, or vanish with them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest
import sqlalchemy
from psycopg.rows import DictRow, dict_row
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session as OrmSession

from refold import (
    AppendCondition,
    AsyncStore,
    Conflict,
    IdReused,
    NewEvent,
    Query,
    Store,
    StoreBusy,
    StoreError,
    StoreUnreachable,
    Unsupported,
    UsageError,
)
from refold.messages import RawEvent
from refold.projection import Projection, sql
from refold.testing.contract.sample import EVENTS, Deposit, Deposited, accounts

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.guarantee("G1")

ORDERS = "create table orders (id integer primary key)"
INSERT = "insert into orders values (1)"


class Undone(Exception):
    """The application changes its mind."""


@pytest.fixture
def place(url: str) -> str:
    """A database with a table of the application's."""
    with psycopg.connect(url) as connection:
        connection.execute(ORDERS)
    return url


def alchemical(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def there(url: str) -> tuple[int, list[str]]:
    """How many orders there are, and the types of all events, as everybody else sees them."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("select count(*) from orders").fetchone()
        events = connection.execute("select type from refold.events order by position").fetchall()
    assert rows
    return int(rows[0]), [type for (type,) in events]


Run = Callable[[str], Any]


@contextmanager
def by_psycopg(url: str) -> Generator[tuple[object, Run]]:
    with psycopg.connect(url) as connection:
        yield connection, lambda text: connection.execute(text.encode())


@contextmanager
def by_psycopg_with_autocommit(url: str) -> Generator[tuple[object, Run]]:
    with psycopg.connect(url, autocommit=True) as connection, connection.transaction():
        yield connection, lambda text: connection.execute(text.encode())


@contextmanager
def by_psycopg_with_rows_as_dicts(url: str) -> Generator[tuple[object, Run]]:
    with psycopg.Connection[DictRow].connect(url, row_factory=dict_row) as connection:  # pyright: ignore[reportArgumentType] - its stubs want rows as tuples
        yield connection, lambda text: connection.execute(text.encode())


@contextmanager
def by_sqlalchemy(url: str) -> Generator[tuple[object, Run]]:
    engine = sqlalchemy.create_engine(alchemical(url))
    try:
        with engine.begin() as connection:
            yield connection, connection.exec_driver_sql
    finally:
        engine.dispose()


@contextmanager
def by_a_session_of_sqlalchemy(url: str) -> Generator[tuple[object, Run]]:
    engine = sqlalchemy.create_engine(alchemical(url))
    try:
        with OrmSession(engine) as session, session.begin():
            yield session.connection(), lambda text: session.execute(sqlalchemy.text(text))
    finally:
        engine.dispose()


WAYS = [
    by_psycopg,
    by_psycopg_with_autocommit,
    by_psycopg_with_rows_as_dicts,
    by_sqlalchemy,
    by_a_session_of_sqlalchemy,
]


def test_a_read_model_kept_inline_misses_nothing_after_a_transaction_that_was_undone(place: str) -> None:
    seen = Projection("seen", schema="create table seen (amount integer)")

    @seen.on(Deposited)
    def see(e: Any) -> Any:
        yield sql("insert into seen values (:amount)", amount=e.data.amount)

    with Store.open(place, events=EVENTS) as store:
        inline = store.inline(seen)
        with suppress(Undone), by_psycopg(place) as (connection, run):
            run(INSERT)
            inline.join(connection).append("account-1", [Deposited(1)])
            raise Undone
        inline.append("account-1", [Deposited(2)])
        assert store.query("select amount from seen") == [(2,)]


@pytest.mark.parametrize("way", WAYS)
def test_what_comes_first_in_a_transaction_vanishes_with_it_too(place: str, way: Any) -> None:
    projection = Projection("seen", schema="create table seen (position integer)")
    with Store.open(place, events=EVENTS) as store:
        inline = store.inline(projection)
        with suppress(Undone), way(place) as (connection, _):
            inline.join(connection).append("a-1", [RawEvent("X", {})])
            raise Undone
        assert there(place) == (0, [])


async def test_so_it_does_where_it_is_awaited(place: str) -> None:
    projection = Projection("seen", schema="create table seen (position integer)")
    async with await AsyncStore.open(place, events=EVENTS) as store:
        inline = await store.inline(projection)
        connection = await psycopg.AsyncConnection.connect(place)
        async with connection:
            await inline.join(connection).append("a-1", [RawEvent("X", {})])
            await connection.rollback()
    assert there(place) == (0, [])


def test_what_comes_first_on_a_connection_of_sqlalchemy_commits_with_it_each_time(place: str) -> None:
    engine = sqlalchemy.create_engine(alchemical(place))
    with Store.open(place, events=EVENTS) as store, engine.connect() as connection:
        joined = store.join(connection)
        joined.append("a-1", [RawEvent("X", {})])
        connection.commit()
        assert there(place) == (0, ["X"])
        joined.bind(accounts).handle("1", Deposit(5))
        connection.exec_driver_sql(INSERT)
        connection.commit()
        joined.append("a-1", [RawEvent("Y", {})])
        connection.rollback()
        assert there(place) == (1, ["X", "account.deposited"])
    engine.dispose()


@pytest.mark.parametrize("way", WAYS)
def test_what_is_appended_commits_with_the_applications_rows(place: str, way: Any) -> None:
    with Store.open(place, events=EVENTS) as store:
        with way(place) as (connection, run):
            run(INSERT)
            joined = store.join(connection)
            assert joined.append("a-1", [RawEvent("X", {}), RawEvent("Y", {})], expected=0).positions == (1, 2)
            assert joined.bind(accounts).handle("1", Deposit(5), idempotency_key="k").state == 5
            assert [event.position for event in joined.read()] == [1, 2, 3]
            assert (there(place), store.head()) == ((0, []), 0)
        assert there(place) == (1, ["X", "Y", "account.deposited"])
        assert store.bind(accounts).handle("1", Deposit(5), idempotency_key="k").repeated


@pytest.mark.parametrize("way", WAYS)
def test_what_is_appended_vanishes_with_the_applications_rows(place: str, way: Any) -> None:
    with Store.open(place, events=EVENTS) as store:
        with suppress(Undone), way(place) as (connection, run):
            run(INSERT)
            store.join(connection).append("a-1", [RawEvent("X", {})])
            store.join(connection).bind(accounts).handle("1", Deposit(5), idempotency_key="k")
            raise Undone
        assert there(place) == (0, [])
        assert not store.bind(accounts).handle("1", Deposit(5), idempotency_key="k").repeated
        assert there(place) == (0, ["account.deposited"])


@pytest.mark.parametrize("way", WAYS)
def test_after_a_refusal_the_transaction_goes_on(place: str, way: Any) -> None:
    known = NewEvent(RawEvent("X", {}), id=UUID(int=1), tags=frozenset({"t"}))
    with Store.open(place, events=EVENTS) as store:
        store.append("a-1", [known])
        with way(place) as (connection, run):
            run(INSERT)
            joined = store.join(connection)
            with pytest.raises(Conflict, match="version 1, not 7"):
                joined.append("a-1", [RawEvent("Y", {})], expected=7)
            with pytest.raises(Conflict, match="position 1"):
                joined.append("b-1", [RawEvent("Y", {})], condition=AppendCondition(Query.of(tags=["t"])))
            with pytest.raises(IdReused):
                joined.append("b-1", [known])
            assert joined.append("a-1", [known]).repeated
            joined.append("a-1", [RawEvent("Z", {})], expected=1)
        assert there(place) == (1, ["X", "Z"])


@pytest.mark.parametrize("commits", [True, False])
async def test_an_awaiting_store_joins_an_awaiting_connection(place: str, *, commits: bool) -> None:
    async with await AsyncStore.open(place, events=EVENTS) as store:
        async with await psycopg.AsyncConnection.connect(place) as connection:
            await connection.execute(INSERT)
            joined = store.join(connection)
            with pytest.raises(Conflict):
                await joined.append("a-1", [RawEvent("Y", {})], expected=7)
            await joined.append("a-1", [RawEvent("X", {})])
            assert (await joined.bind(accounts).handle("1", Deposit(5))).state == 5
            assert await store.head() == 0
            await (connection.commit() if commits else connection.rollback())
        assert there(place) == ((1, ["X", "account.deposited"]) if commits else (0, []))


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("session", [True, False], ids=["AsyncSession", "AsyncConnection"])
async def test_an_awaiting_store_joins_what_sqlalchemy_awaits(place: str, *, commits: bool, session: bool) -> None:
    engine = create_async_engine(alchemical(place))
    async with await AsyncStore.open(place, events=EVENTS) as store:
        try:
            await (_in_a_session if session else _in_a_connection)(engine, store, commits=commits)
        except Undone:
            pass
        finally:
            await engine.dispose()
        assert there(place) == ((1, ["X"]) if commits else (0, []))


async def _in_a_session(engine: AsyncEngine, store: AsyncStore, *, commits: bool) -> None:
    async with AsyncSession(engine) as session, session.begin():
        await session.execute(sqlalchemy.text(INSERT))
        raw = await (await session.connection()).get_raw_connection()
        await store.join(raw.driver_connection).append("a-1", [RawEvent("X", {})])
        if not commits:
            raise Undone


async def _in_a_connection(engine: AsyncEngine, store: AsyncStore, *, commits: bool) -> None:
    async with engine.begin() as connection:
        await connection.exec_driver_sql(INSERT)
        raw = await connection.get_raw_connection()
        await store.join(raw.driver_connection).append("a-1", [RawEvent("X", {})])
        if not commits:
            raise Undone


DJANGO = """
import sys
from urllib.parse import parse_qs, unquote, urlsplit
import django
from django.conf import settings
url = urlsplit(sys.argv[1])
settings.configure(DATABASES={"default": {
    "ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:], "USER": url.username or "", "PASSWORD": url.password or "",
    "HOST": url.hostname or parse_qs(url.query)["host"][0], "PORT": url.port or ""}})
django.setup()
from django.db import connection, transaction
from refold import Conflict, Store
from refold.messages import RawEvent

class Undone(Exception):
    pass

def order(number):
    with connection.cursor() as cursor:
        cursor.execute("insert into orders values (%s)", [number])

with Store.open(sys.argv[1], events=[RawEvent]) as store:
    with transaction.atomic():
        order(1)
        joined = store.join(connection)
        joined.append("a-1", [RawEvent("committed", {})])
        try:
            joined.append("a-1", [RawEvent("refused", {})], expected=7)
        except Conflict:
            order(2)
        try:
            with transaction.atomic():  # a savepoint
                order(3)
                store.join(connection).append("a-1", [RawEvent("undone", {})])
                raise Undone
        except Undone:
            pass
        store.join(connection).append("a-1", [RawEvent("committed, too", {})], expected=1)
    try:
        with transaction.atomic():
            order(4)
            store.join(connection).append("a-1", [RawEvent("undone", {})])
            raise Undone
    except Undone:
        pass
"""


def test_a_store_joins_the_transactions_of_django(place: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DJANGO, place], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert there(place) == (2, ["committed", "committed, too"])


# Traps ---------------------------------------------------------------------------------------------------------------


def test_a_transaction_that_looks_from_before_another_append_is_refused_at_once(place: str) -> None:
    """REPEATABLE READ: what it sees is no ground to append on. The key refuses it, and nothing is sent again and again."""
    with Store.open(place, events=EVENTS) as store, psycopg.connect(place) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("select count(*) from orders")
        store.append("a-1", [RawEvent("X", {})])
        with pytest.raises(StoreBusy, match="run the transaction again"):
            store.join(connection).append("b-1", [RawEvent("Y", {})])
        connection.rollback()
        assert store.join(connection).append("b-1", [RawEvent("Y", {})]).positions == (2,)


def test_a_lost_connection_is_told_at_once_since_its_transaction_is_gone(place: str) -> None:
    with Store.open(place, events=EVENTS) as store, psycopg.connect(place, autocommit=True) as admin:
        connection = psycopg.connect(place)
        connection.execute(INSERT)
        admin.execute("select pg_terminate_backend(%s)", (connection.info.backend_pid,))
        with pytest.raises(StoreUnreachable):
            store.join(connection).append("a-1", [RawEvent("X", {})])
        with pytest.raises(StoreError):
            list(store.join(connection).read())
        assert there(place) == (0, [])


def test_a_joined_read_model_of_a_tenant_leaves_the_search_path_alone(place: str) -> None:
    deposits = Projection("deposits", schema="create table deposits (amount integer)")

    @deposits.on(Deposited)
    def _(event: Any) -> Any:
        yield sql("insert into deposits values (:amount)", amount=event.data.amount)

    with Store.open(place, events=EVENTS) as store, psycopg.connect(place) as connection:
        connection.execute(INSERT)
        joined = store.tenant("acme").join(connection)
        joined.append("account-1", [Deposited(5)])
        assert joined.catch_up(deposits) == 1
        assert joined.query("select amount from deposits") == [(5,)]
        with pytest.raises(UsageError):
            joined.query("insert into deposits values (6)")
        path = connection.execute("show search_path").fetchone()
        assert path == ('"$user", public',)
        connection.execute("insert into orders values (2)")
        connection.commit()
        assert there(place)[0] == 2
        assert store.tenant("acme").query("select amount from deposits") == [(5,)]


def test_other_connections_and_other_backends_are_refused(place: str, tmp_path: Path) -> None:
    with Store.open(place) as store, pytest.raises(UsageError, match="psycopg 3 connection"):
        store.join(object())
    with Store.open(f"sqlite:///{tmp_path}/s.db") as store, pytest.raises(Unsupported, match="cannot join"):
        store.join(object())
    with Store.open("memory://") as store, pytest.raises(Unsupported, match="cannot join"):
        store.join(object())


def test_a_driver_of_another_kind_is_refused_by_name(place: str) -> None:
    assert urlsplit(place).scheme == "postgresql"
    engine = sqlalchemy.create_engine("sqlite://")
    with (
        Store.open(place) as store,
        engine.connect() as connection,
        pytest.raises(UsageError, match=r"postgresql\+psycopg"),
    ):
        store.join(connection)
    engine.dispose()
