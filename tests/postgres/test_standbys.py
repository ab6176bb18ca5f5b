"""Several servers, of which one writes: it is found, and followed when it changes; those that follow it are read from."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from tests.postgres.servers import until
from tests.postgres.standbys import Group, group

from refold import AsyncStore, NewEvent, Projection, Recorded, Statement, Store, StoreUnreachable, sql
from refold.backends.postgres import schema
from refold.backends.postgres.location import PostgresLocation
from refold.backends.postgres.session import Steady
from refold.messages import RawEvent

if os.environ.get("REFOLD_TEST_POSTGRES"):
    pytest.skip("the server of REFOLD_TEST_POSTGRES is not ours to copy and to stop", allow_module_level=True)


@pytest.fixture(scope="module")
def servers() -> Iterator[Group]:
    """One that writes, and two that follow it."""
    with group(2) as servers:
        yield servers


@pytest.fixture
def name(servers: Group) -> str:
    """The name of an empty database, which those that follow have, too."""
    url = servers.primary.new_database()
    name = urlsplit(url).path[1:]
    for standby in servers.standbys:
        standby.go_on()
        until("the database is there", lambda one=standby: one.has(name))
    return name


def event(number: int, type: str = "X") -> NewEvent[RawEvent]:
    """An event that says its number."""
    return NewEvent(RawEvent(type, {"n": number}))


def where(store: Store) -> object:
    """Whether the server that a store is connected to follows another one. As users ask it: lost connections are made again."""
    ((follows,),) = store.query("select pg_is_in_recovery()")
    return follows


def test_of_several_servers_the_one_that_writes_is_found(servers: Group, name: str) -> None:
    with Store.open(servers.url(name), events=[RawEvent]) as store:
        assert store.append("a-1", [event(1)]).position == 1
        assert where(store) is False


def test_what_only_reads_reads_from_a_server_that_follows(servers: Group, name: str) -> None:
    Store.open(servers.primary.url(name)).close()
    with Store.open(servers.primary.url(name), events=[RawEvent]) as store, reading(servers, name) as reader:
        assert where(reader) is True
        for standby in servers.standbys:
            standby.hold_back()
        store.append("a-1", [event(1)])
        assert (store.head(), reader.head(), list(reader.read())) == (1, 0, [])
        for standby in servers.standbys:
            standby.go_on()
        with reader.subscribe(after=0) as events:
            assert next(iter(events)).data.data == {"n": 1}


async def test_what_only_reads_reads_from_a_server_that_follows_awaiting(servers: Group, name: str) -> None:
    Store.open(servers.primary.url(name)).close()
    reading(servers, name).close()
    async with (
        await AsyncStore.open(servers.primary.url(name), events=[RawEvent]) as store,
        await AsyncStore.open(servers.url(name, mode="ro"), events=[RawEvent]) as reader,
    ):
        await store.append("a-1", [event(1)])
        async with reader.subscribe(after=0) as events:
            assert (await anext(aiter(events))).data.data == {"n": 1}


def test_what_one_server_has_told_no_other_takes_back(servers: Group, name: str) -> None:
    assert read_from_one_and_the_other(servers, name) == list(range(1, 11))


def test_that_another_server_takes_it_back_would_be_found(
    servers: Group, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("refold.backends.postgres.backend.reads", lambda session, location: Steady(session, 30))
    assert read_from_one_and_the_other(servers, name) == list(range(1, 9))


def read_from_one_and_the_other(servers: Group, name: str) -> list[int]:
    """Ask one server how far the log goes, and another one, which has not got as far, for the events up to there."""
    first, second = servers.standbys
    with Store.open(servers.primary.url(name), events=[RawEvent]) as store:
        store.append("a-1", [event(n) for n in range(8)])
        until("the other has these", lambda: second.has_store(name) and len(events_on(second.host, name)) == 8)
        with reading(servers, name) as reader:
            second.hold_back()
            store.append("a-1", [event(n) for n in range(8, 10)])
            until("the one has all", lambda: reader.head() == 10)
            first.stop()
            try:
                found: list[int] = []
                asking = threading.Thread(target=lambda: found.extend(int(e.position) for e in reader.read()))
                asking.start()
                until("it has asked the other", lambda: connected(second.host, name) or not asking.is_alive())
                asking.join(0.2)
                second.go_on()
                asking.join(30)
                return found
            finally:
                first.start()


def events_on(host: str, name: str) -> list[int]:
    """The positions of the events that a server has."""
    with psycopg.connect(host=host, user="postgres", dbname=name) as connection:
        return [n for (n,) in connection.execute("select position from refold.events order by position")]


def connected(host: str, name: str) -> bool:
    """Whether a reader is connected to a server."""
    with psycopg.connect(host=host, user="postgres", dbname="postgres") as connection:
        text = "select count(*) from pg_stat_activity where datname = %s and application_name = 'refold'"
        row = connection.execute(text, (name,)).fetchone()
        return bool(row and row[0])


def reading(servers: Group, name: str, **settings: object) -> Store:
    """The store, read from a server that follows, when those have it."""
    for standby in servers.standbys:
        until("the store is there", lambda one=standby: one.has_store(name))
    return Store.open(servers.url(name, mode="ro", **settings), events=[RawEvent])


def test_a_store_that_was_made_just_now_is_read_from_a_server_that_has_not_heard_of_it_yet(
    servers: Group, name: str
) -> None:
    for standby in servers.standbys:
        standby.hold_back()
    with Store.open(servers.primary.url(name), events=[RawEvent]) as store, ThreadPoolExecutor() as threads:
        store.append("a-1", [event(1)])
        opened = threads.submit(Store.open, servers.url(name, mode="ro"), events=[RawEvent])
        until("it has asked", lambda: asked(servers, name) or opened.done())
        for standby in servers.standbys:
            standby.go_on()
        with opened.result(30) as reader:
            until("it has all", lambda: reader.head() == 1)
            assert where(reader) is True


def asked(servers: Group, name: str) -> bool:
    """Whether somebody has asked a server that follows for the store."""
    sql = f"select count(*) from pg_stat_activity where datname = '{name}' and query like '%pg_namespace%'"  # noqa: S608 - a name of ours
    return any(standby.tell(sql) for standby in servers.standbys)


def test_a_store_that_no_server_has_is_told_soon(servers: Group, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "CATCHES_UP", 0.2)
    with pytest.raises(StoreUnreachable, match="there is no store of this format in schema 'refold'"):
        Store.open(servers.url(name, mode="ro"), events=[RawEvent])


def test_a_server_that_stays_behind_is_told(servers: Group, name: str) -> None:
    Store.open(servers.primary.url(name)).close()
    with reading(servers, name, busy_timeout=0.3) as reader:
        reader._engine._backend._steady._told = 5  # type: ignore[union-attr] # pyright: ignore[reportAttributeAccessIssue]
        with pytest.raises(StoreUnreachable, match="has events up to 0, another one had 5"):
            list(reader.read())


def noting() -> Projection:
    """Notes the position of each event."""
    projection = Projection("noted", schema="create table noted (position bigint primary key)")

    @projection.on(RawEvent)
    def note(recorded: Recorded[RawEvent]) -> Iterator[Statement]:
        yield sql("insert into noted (position) values (:p)", p=int(recorded.position))

    return projection


@pytest.mark.guarantee("G15")
def test_a_projection_that_reads_from_a_server_that_follows_lags_and_skips_nothing(servers: Group, name: str) -> None:
    random, noted = Random(1), noting()  # noqa: S311 - the same each time
    with Store.open(servers.url(name), events=[RawEvent]) as store, reading(servers, name) as events:
        with events.run(noted, into=store):
            for _ in range(40):
                random.choice(servers.standbys).hold_back()
                store.append(f"a-{random.randrange(5)}", [event(n) for n in range(random.randrange(1, 20))])
                for standby in servers.standbys:
                    standby.go_on()
            store.wait_for("noted", store.head(), timeout=30)
        there = [(int(e.position),) for e in store.read()]
        assert store.query("select position from noted order by position") == there
        assert len(there) > 300


def test_when_another_server_takes_over_a_store_goes_on() -> None:
    with group(1) as servers:
        name = urlsplit(servers.primary.new_database()).path[1:]
        until("the database is there", lambda: servers.standbys[0].has(name))
        with Store.open(servers.url(name), events=[RawEvent]) as store:
            store.append("a-1", [event(1)])
            until(
                "the other has it",
                lambda: servers.standbys[0].has_store(name) and events_on(servers.standbys[0].host, name),
            )
            servers.stop_primary()
            receipts: list[int] = []
            writing = threading.Thread(target=lambda: receipts.append(int(store.append("a-1", [event(2)]).position)))
            writing.start()
            servers.standbys[0].tell("select pg_promote()")
            writing.join(30)
            assert receipts == [2]
            assert where(store) is False


@pytest.mark.parametrize("confirms", [True, False])
def test_a_repeat_is_acknowledged_when_the_quorum_has_what_it_repeats(confirms: bool) -> None:
    """It may be found before those that follow have it: whoever wrote it waits for them, or is gone."""
    with group(1, "*") as servers:
        name = urlsplit(servers.primary.new_database()).path[1:]
        with Store.open(servers.primary.url(name), events=[RawEvent]) as store:
            assert store.durability == "quorum-disk"
            if not confirms:
                store._engine._backend._appends.confirms = False  # type: ignore[union-attr] # pyright: ignore[reportAttributeAccessIssue]
            one = NewEvent(RawEvent("X", {}), id=UUID(int=1))
            first = store.append("a-1", [one])
            servers.standbys[0].stop()
            repeated: list[object] = []
            repeating = threading.Thread(target=lambda: repeated.append(store.append("a-1", [one]).positions))
            repeating.start()
            until("it waits, or is answered", lambda: bool(repeated) or waits_for_the_quorum(servers.primary.url(name)))
            assert bool(repeated) is not confirms
            servers.standbys[0].start()
            repeating.join(30)
            assert repeated == [first.positions]


def waits_for_the_quorum(url: str) -> bool:
    """Whether a commit of the store waits for those that follow."""
    with psycopg.connect(url) as connection:
        return connection.execute("select from pg_stat_activity where wait_event = 'SyncRep'").rowcount > 0


@pytest.mark.parametrize(
    ("url", "sessions", "seconds", "several"),
    [
        ("postgresql://u@h1:5432,h2:5433,h3/shop", "read-write", 60.0, True),
        ("postgresql://u:p%2Cq@h1,h2/shop?mode=ro", "prefer-standby", 60.0, True),
        ("postgresql:///shop?host=h1,h2&target_session_attrs=primary", "primary", 60.0, True),
        ("postgresql:///shop?hostaddr=10.0.0.1,10.0.0.2&busy_timeout=5", "read-write", 5.0, True),
        ("postgresql://u:p,q@h1/shop?mode=ro", None, 30.0, False),
    ],
)
def test_of_several_servers_a_url_asks_for_the_right_one(
    url: str, sessions: str | None, seconds: float, several: bool
) -> None:
    location = PostgresLocation.parse(url)
    asked = conninfo_to_dict(location.url)
    assert (asked.get("target_session_attrs"), location.busy_timeout, location.several) == (sessions, seconds, several)
