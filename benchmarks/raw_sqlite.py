"""The limit on SQLite: the plain driver, one table with the same facts, nothing checked."""

from __future__ import annotations

import os
import time
from typing import Any

import apsw
import msgspec

from benchmarks.measuring import Clock
from benchmarks.subject import DATA, Deposited

_SCHEMA = """
create table events (position integer primary key, stream text not null, version integer not null, type text not null,
  id blob not null, data blob not null, metadata blob not null, recorded_at integer not null, unique (stream, version)) strict"""
_STREAM = "select version, data from events where stream = ? order by version"
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


def _count(db: apsw.Connection) -> int:
    found: int = db.execute("select count(*) from events").get
    db.close()
    return found


def _page(db: apsw.Connection, after: int, limit: int = 1_000) -> list[Any]:
    return db.execute(_PAGE, (after, limit)).fetchall()


def one_by_one(url: str, clock: Clock, count: int = 3_000) -> int:
    """One event a commit."""
    db = _opened(url)
    with clock.running():
        for index in range(count):
            db.execute("begin immediate")
            db.execute(_INSERT, _row(f"account-{index}", 1))
            db.execute("commit")
    return _count(db)


def hundreds(url: str, clock: Clock, count: int = 200) -> int:
    """A hundred events a commit."""
    db = _opened(url)
    with clock.running():
        for index in range(count):
            db.execute("begin immediate")
            db.executemany(_INSERT, [_row(f"account-{index}", version) for version in range(1, 101)])
            db.execute("commit")
    return _count(db)


def rehydrate(url: str, clock: Clock, count: int = 300) -> int:
    """The JSON of a stream of 1,000 events into objects."""
    db = _opened(url)
    db.execute("begin")
    db.executemany(_INSERT, [_row("account-1", version) for version in range(1, 1_001)])
    db.execute("commit")
    decode = msgspec.json.Decoder(Deposited).decode
    with clock.running():
        for _ in range(count):
            rows = db.execute("select data from events where stream = ? order by version", ("account-1",))
            assert sum(decode(data).amount for (data,) in rows) == 1_000
    db.close()
    return count


def read_all(url: str, clock: Clock, count: int = 1_000) -> int:
    """Every event in pages, its JSON into an object."""
    db = _opened(url)
    db.execute("begin")
    for index in range(count):
        db.executemany(_INSERT, [_row(f"account-{index}", version) for version in range(1, 101)])
    db.execute("commit")
    decode, last, total = msgspec.json.Decoder(Deposited).decode, 0, 0
    with clock.running():
        while rows := _page(db, last):
            for _, _, _, _, _, data, _, _ in rows:
                total += decode(data).amount
            last = rows[-1][0]
    assert total == count * 100
    return _count(db)


def project(url: str, clock: Clock, count: int = 1_000) -> int:
    """Every event into a table, 500 a commit, each with the checkpoint."""
    db = _opened(url)
    db.execute("begin")
    for index in range(count):
        db.executemany(_INSERT, [_row(f"account-{index}", version) for version in range(1, 101)])
    db.execute("commit")
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
    assert db.execute("select sum(amount) from sums").get == count * 100
    return _count(db)


def commands(url: str, clock: Clock, count: int = 2_000) -> int:
    """Read a stream of about 20 events, decide, append, a commit each."""
    db = _opened(url)
    db.executemany(_INSERT, [_row(f"account-{index}", version) for index in range(200) for version in range(1, 21)])
    decode = msgspec.json.Decoder(Deposited).decode
    with clock.running():
        for index in range(count):
            stream = f"account-{index % 200}"
            db.execute("begin immediate")
            rows: list[Any] = db.execute(_STREAM, (stream,)).fetchall()
            assert sum(decode(data).amount for _, data in rows) >= 20
            db.execute(_INSERT, _row(stream, int(rows[-1][0]) + 1))
            db.execute("commit")
    return _count(db) - 4_000
