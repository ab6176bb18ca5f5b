"""The limit on SQLite: the plain driver, one table with the same facts, nothing checked."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import apsw
import msgspec

from benchmarks.measuring import Clock, Place, judge
from benchmarks.subject import DATA, Deposited

_SCHEMA = """
create table events (position integer primary key, stream text not null, version integer not null, type text not null,
  id blob not null, data blob not null, metadata blob not null, recorded_at integer not null, unique (stream, version)) strict"""
_STREAM = "select version, data from events where stream = ? order by version"
_DATA = "select data from events where stream = ? order by version"
_PAGE = "select position, stream, version, type, id, data, metadata, recorded_at from events where position > ? order by position limit ?"
_ADD = "insert into sums values (?, ?) on conflict (account) do update set amount = amount + excluded.amount"
_INSERT = "insert into events (stream, version, type, id, data, metadata, recorded_at) values (?, ?, ?, ?, ?, ?, ?)"


def _opened(url: str) -> apsw.Connection:
    db = apsw.Connection(url.removeprefix("sqlite:///") + ".raw")
    for text in ("pragma journal_mode = wal", "pragma synchronous = full", _SCHEMA):
        db.execute(text)
    return db


def _row(stream: str, version: int) -> tuple[object, ...]:
    return stream, version, "deposited", os.urandom(16), DATA, b"{}", time.time_ns() // 1_000


def _stored(db: apsw.Connection) -> Iterator[Place]:
    for position, stream, version in db.execute("select position, stream, version from events order by position"):
        yield int(position), str(stream), int(version)
    db.close()


def _page(db: apsw.Connection, after: int, limit: int = 1_000) -> list[Any]:
    return db.execute(_PAGE, (after, limit)).fetchall()


def _filled(url: str, accounts: int, events: int) -> apsw.Connection:
    db = _opened(url)
    db.execute("begin")
    for index in range(accounts):
        db.executemany(_INSERT, [_row(f"account-{index}", version) for version in range(1, events + 1)])
    db.execute("commit")
    return db


def one_by_one(url: str, clock: Clock, count: int) -> int:
    """One event a commit."""
    db = _opened(url)
    with clock.running():
        for index in range(count):
            start = clock.now()
            db.execute("begin immediate")
            db.execute(_INSERT, _row(f"account-{index}", 1))
            db.execute("commit")
            clock.lap(start)
    judge([(f"account-{index}", 1) for index in range(count)], _stored(db))
    return count


def hundreds(url: str, clock: Clock, count: int) -> int:
    """A hundred events a commit."""
    db = _opened(url)
    with clock.running():
        for index in range(count):
            start = clock.now()
            db.execute("begin immediate")
            db.executemany(_INSERT, [_row(f"account-{index}", version) for version in range(1, 101)])
            db.execute("commit")
            clock.lap(start)
    judge([(f"account-{index}", version) for index in range(count) for version in range(1, 101)], _stored(db))
    return count * 100


def load(url: str, clock: Clock, count: int) -> int:
    """The JSON of a stream of 1,000 events into objects."""
    db = _filled(url, 1, 1_000)
    decode = msgspec.json.Decoder(Deposited).decode
    with clock.running():
        for _ in range(count):
            rows: list[Any] = db.execute(_DATA, ("account-0",)).fetchall()
            assert sum(decode(data).amount for (data,) in rows) == 1_000
    db.close()
    return count


def read(url: str, clock: Clock, count: int) -> int:
    """Every event in pages, its JSON into an object."""
    db = _filled(url, count // 100, 100)
    decode, last, total = msgspec.json.Decoder(Deposited).decode, 0, 0
    with clock.running():
        while rows := _page(db, last):
            for _, _, _, _, _, data, _, _ in rows:
                total += decode(data).amount
            last = rows[-1][0]
    assert total == count // 100 * 100
    db.close()
    return total


def project(url: str, clock: Clock, count: int) -> int:
    """Every event into a table, 500 a commit, each with the checkpoint."""
    db = _filled(url, count // 100, 100)
    db.execute(
        "create table sums (account text primary key, amount integer) strict; create table reached (position integer)"
    )
    db.execute("insert into reached values (0)")
    decode, last = msgspec.json.Decoder(Deposited).decode, 0
    with clock.running():
        while rows := _page(db, last, 500):
            last = rows[-1][0]
            db.execute("begin immediate")
            db.executemany(_ADD, [(stream, decode(data).amount) for _, stream, _, _, _, data, _, _ in rows])
            db.execute("update reached set position = ?", (last,))
            db.execute("commit")
    total: int = db.execute("select sum(amount) from sums").get
    assert total == count // 100 * 100
    db.close()
    return total


def commands(url: str, clock: Clock, count: int) -> int:
    """Read a stream of about 20 events, decide, append, a commit each."""
    db = _filled(url, 50, 20)
    decode, told = msgspec.json.Decoder(Deposited).decode, list[tuple[str, int]]()
    with clock.running():
        for index in range(count):
            start, stream = clock.now(), f"account-{index % 50}"
            db.execute("begin immediate")
            rows: list[Any] = db.execute(_STREAM, (stream,)).fetchall()
            assert sum(decode(data).amount for _, data in rows) >= 20
            db.execute(_INSERT, _row(stream, int(rows[-1][0]) + 1))
            db.execute("commit")
            clock.lap(start)
            told.append((stream, int(rows[-1][0]) + 1))
    judge(told, _stored(db))
    return count
