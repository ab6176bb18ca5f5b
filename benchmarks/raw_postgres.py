"""The limit on PostgreSQL: the plain driver, one table with the same facts, nothing checked."""

from __future__ import annotations

import time
import uuid
from typing import Any, LiteralString

import msgspec
import psycopg

from benchmarks.measuring import Clock
from benchmarks.subject import DATA, Deposited

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
_ADD: LiteralString = (
    "insert into sums values (%s, %s) on conflict (account) do update set amount = sums.amount + excluded.amount"
)
_INSERT: LiteralString = (
    "insert into raw (stream, version, type, id, data, metadata, recorded_at) values (%s, %s, %s, %s, %s, %s, %s)"
)


def _opened(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    connection = psycopg.connect(url, autocommit=True)
    connection.execute(_SCHEMA)
    return connection


def _row(stream: str, version: int) -> tuple[object, ...]:
    return stream, version, "deposited", uuid.uuid4(), DATA.decode(), "{}", time.time_ns() // 1_000


def _count(connection: psycopg.Connection[tuple[Any, ...]]) -> int:
    found = connection.execute("select count(*) from raw").fetchone()
    connection.close()
    return int(found[0]) if found else 0


def one_by_one(url: str, clock: Clock, count: int = 2_000) -> int:
    """One event a commit."""
    connection = _opened(url)
    with clock.running():
        for index in range(count):
            connection.execute(_INSERT, _row(f"account-{index}", 1))
    return _count(connection)


def hundreds(url: str, clock: Clock, count: int = 100) -> int:
    """A hundred events a commit."""
    connection = _opened(url)
    with clock.running():
        for index in range(count):
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(_INSERT, [_row(f"account-{index}", version) for version in range(1, 101)])
    return _count(connection)


def read_all(url: str, clock: Clock, count: int = 1_000) -> int:
    """Every event in pages, its JSON into an object."""
    connection = _opened(url)
    with connection.transaction(), connection.cursor() as cursor:
        for index in range(count):
            cursor.executemany(_INSERT, [_row(f"account-{index}", version) for version in range(1, 101)])
    decode, last, total = msgspec.json.Decoder(Deposited).decode, 0, 0
    with clock.running():
        while rows := connection.execute(_PAGE, (last,), binary=True).fetchall():
            for _, _, _, _, _, data, _, _ in rows:
                total += decode(data).amount
            last = rows[-1][0]
    assert total == count * 100
    return _count(connection)


def project(url: str, clock: Clock, count: int = 1_000) -> int:
    """Every event into a table, 500 a commit, each with the checkpoint."""
    connection = _opened(url)
    with connection.transaction(), connection.cursor() as cursor:
        for index in range(count):
            cursor.executemany(_INSERT, [_row(f"account-{index}", version) for version in range(1, 101)])
    connection.execute("create table sums (account text primary key, amount bigint)")
    connection.execute("create table reached as select 0::bigint as position")
    decode, last = msgspec.json.Decoder(Deposited).decode, 0
    with clock.running():
        while rows := connection.execute(_HALF, (last,), binary=True).fetchall():
            last = rows[-1][0]
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(_ADD, [(stream, decode(data).amount) for _, stream, _, _, _, data, _, _ in rows])
                cursor.execute("update reached set position = %s", (last,))
    assert connection.execute("select sum(amount)::bigint from sums").fetchone() == (count * 100,)
    return _count(connection)
