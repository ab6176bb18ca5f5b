"""The limit on PostgreSQL: the plain driver, one table with the same facts, nothing checked."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString, TypeAlias

import msgspec
import psycopg

from benchmarks.measuring import Clock, Place, Run, judge
from benchmarks.subject import DATA, Deposited

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

_SCHEMA: LiteralString = """
create table raw (position bigint generated always as identity primary key, stream text not null, version bigint not null,
  type text not null, id uuid not null, data json not null, metadata json not null, recorded_at bigint not null,
  unique (stream, version))"""
_PAGE: LiteralString = (
    "select position, stream, version, type, id, data::text, metadata::text, recorded_at from raw where position > %s"
    " order by position limit 1000"
)
_HALF: LiteralString = (
    "select position, stream, version, type, id, data::text, metadata::text, recorded_at from raw where position > %s"
    " order by position limit 500"
)
_STREAM: LiteralString = "select version, data::text from raw where stream = %s order by version"
_ADD: LiteralString = (
    "insert into sums values (%s, %s) on conflict (account) do update set amount = sums.amount + excluded.amount"
)
_COLUMNS: LiteralString = "raw (stream, version, type, id, data, metadata, recorded_at)"
_INSERT: LiteralString = f"insert into {_COLUMNS} values (%s, %s, %s, %s, %s, %s, %s)"  # noqa: S608 - as are all of these
_UNNEST: LiteralString = f"insert into {_COLUMNS} select * from unnest(%s::text[], %s::bigint[], %s::text[], %s::uuid[], %s::json[], %s::json[], %s::bigint[])"  # noqa: S608


def _opened(url: str) -> Connection:
    connection = psycopg.connect(url, autocommit=True)
    connection.execute(_SCHEMA)
    return connection


def _row(stream: str, version: int) -> tuple[object, ...]:
    return stream, version, "deposited", uuid.uuid4(), DATA.decode(), "{}", time.time_ns() // 1_000


def _stored(connection: Connection) -> Iterator[Place]:
    for position, stream, version in connection.execute("select position, stream, version from raw order by position"):
        yield int(position), str(stream), int(version)
    connection.close()


def _filled(url: str, accounts: int, events: int) -> Connection:
    connection = _opened(url)
    with connection.cursor() as cursor, cursor.copy(f"copy {_COLUMNS} from stdin") as copy:
        for index in range(accounts):
            for version in range(1, events + 1):
                copy.write_row(_row(f"account-{index}", version))
    return connection


def one_by_one(url: str, clock: Clock, count: int) -> int:
    """One event a commit."""
    connection = _opened(url)
    with clock.running():
        for index in range(count):
            start = clock.now()
            connection.execute(_INSERT, _row(f"account-{index}", 1))
            clock.lap(start)
    judge([(f"account-{index}", 1) for index in range(count)], _stored(connection))
    return count


def by_threads(threads: int) -> Run:
    """The same, from threads with a connection each."""

    def run(url: str, clock: Clock, count: int) -> int:
        connection, told = _opened(url), list[tuple[str, int]]()
        own = [psycopg.connect(url, autocommit=True) for _ in range(threads)]

        def work(thread: int) -> None:
            for index in range(count // threads):
                start = clock.now()
                own[thread].execute(_INSERT, _row(f"account-{thread}x{index}", 1))
                clock.lap(start)
                told.append((f"account-{thread}x{index}", 1))

        with ThreadPoolExecutor(threads) as pool, clock.running():
            list(pool.map(work, range(threads)))
        for each in own:
            each.close()
        judge(told, _stored(connection))
        return len(told)

    return run


def hundreds(url: str, clock: Clock, count: int) -> int:
    """A hundred events a commit, in one statement that takes arrays."""
    connection = _opened(url)
    with clock.running():
        for index in range(count):
            start = clock.now()
            rows = [_row(f"account-{index}", version) for version in range(1, 101)]
            connection.execute(_UNNEST, [list(column) for column in zip(*rows, strict=True)])
            clock.lap(start)
    judge([(f"account-{index}", version) for index in range(count) for version in range(1, 101)], _stored(connection))
    return count * 100


def load(url: str, clock: Clock, count: int) -> int:
    """The JSON of a stream of 1,000 events into objects."""
    connection = _filled(url, 1, 1_000)
    decode = msgspec.json.Decoder(Deposited).decode
    with clock.running():
        for _ in range(count):
            rows = connection.execute(_STREAM, ("account-0",), binary=True, prepare=True).fetchall()
            assert sum(decode(data).amount for _, data in rows) == 1_000
    connection.close()
    return count


def read(url: str, clock: Clock, count: int) -> int:
    """Every event in pages, its JSON into an object."""
    connection = _filled(url, count // 100, 100)
    decode, last, total = msgspec.json.Decoder(Deposited).decode, 0, 0
    with clock.running():
        while rows := connection.execute(_PAGE, (last,), binary=True).fetchall():
            for _, _, _, _, _, data, _, _ in rows:
                total += decode(data).amount
            last = rows[-1][0]
    assert total == count // 100 * 100
    connection.close()
    return total


def project(url: str, clock: Clock, count: int) -> int:
    """Every event into a table, 500 a commit, each with the checkpoint."""
    connection = _filled(url, count // 100, 100)
    connection.execute("create table sums (account text primary key, amount bigint)")
    connection.execute("create table reached as select 0::bigint as position")
    decode, last = msgspec.json.Decoder(Deposited).decode, 0
    with clock.running():
        while rows := connection.execute(_HALF, (last,), binary=True).fetchall():
            last = rows[-1][0]
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(_ADD, [(stream, decode(data).amount) for _, stream, _, _, _, data, _, _ in rows])
                cursor.execute("update reached set position = %s", (last,))
    found = connection.execute("select sum(amount)::bigint from sums").fetchone()
    assert found == (count // 100 * 100,)
    connection.close()
    return count // 100 * 100


def commands(url: str, clock: Clock, count: int) -> int:
    """Read a stream of about 20 events, decide, append: two round trips, and a version that nobody else may have written."""
    connection, told = _filled(url, 50, 20), list[tuple[str, int]]()
    decode = msgspec.json.Decoder(Deposited).decode
    with clock.running():
        for index in range(count):
            start, stream = clock.now(), f"account-{index % 50}"
            rows = connection.execute(_STREAM, (stream,), binary=True, prepare=True).fetchall()
            assert sum(decode(data).amount for _, data in rows) >= 20
            connection.execute(_INSERT, _row(stream, int(rows[-1][0]) + 1))
            clock.lap(start)
            told.append((stream, int(rows[-1][0]) + 1))
    judge(told, _stored(connection))
    return count
