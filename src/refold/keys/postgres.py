"""Keys in a table of a PostgreSQL database: one of its own, or at least with backups of its own."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from threading import RLock
from time import monotonic
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from refold.errors import StoreError, StoreUnreachable
from refold.keys.sealing import SECRET_SIZE, Key, Recent

_SCHEMA: Final = """
select pg_advisory_xact_lock(1380338521);
create table if not exists refold_keys (
    id           bytea       primary key check (length(id) = 16),
    subject      text        not null,
    secret       bytea       check (length(secret) = 64),
    made_at      timestamptz not null default clock_timestamp(),
    destroyed_at timestamptz,
    check ((secret is null) = (destroyed_at is not null))
);
create index if not exists refold_keys_subject on refold_keys (subject, made_at);
create unique index if not exists refold_keys_current on refold_keys (subject) where secret is not null;
"""
"""Of two who make it at once, one waits: `if not exists` alone lets both try. The number is `RFKY`."""
_THERE: Final = "select to_regclass('refold_keys') is not null"
REMEMBERED: Final = 5.0
"""Seconds for which this process uses a key without asking again: so long after `forget` others may still read."""


class KeyTable:
    """Keys in a table, which is made with the first of them, over one connection, which is made anew when it breaks."""

    def __init__(self, url: str) -> None:
        parts = conninfo_to_dict(url)
        self.place = f"the keys of database {parts.get('dbname')!r} on {parts.get('host') or 'this machine'}"
        self._url, self._lock, self._seen = url, RLock(), Recent[bytes | str, tuple[float, Key]]()
        self._db = self._connected()

    def _connected(self) -> psycopg.Connection[Any]:
        try:
            return psycopg.connect(self._url, autocommit=True)
        except psycopg.Error as error:
            raise StoreUnreachable(f"{self.place} cannot be reached: {error}") from error

    def of(self, subject: str) -> Sequence[Key]:
        rows = self._run("select id, subject, secret from refold_keys where subject = %s order by made_at", (subject,))
        return [Key(*row) for row in rows]

    def find(self, id: bytes) -> Key | None:
        """From memory, if it was asked for a moment ago."""
        return self._remembered(id) or self._found(id)

    def _found(self, id: bytes) -> Key | None:
        with self._lock:  # or it would be kept after it was destroyed
            rows = self._run("select id, subject, secret from refold_keys where id = %s", (id,))
            return self._remember(id, Key(*rows[0])) if rows else None

    def current(self, subject: str) -> Key:
        """From memory, as well."""
        if (key := self._remembered(subject)) is None:
            with self._lock:
                key = self._remember(subject, self._made(subject))
        return key

    def is_left(self, subject: str) -> bool:
        return self._remembered(subject) is not None

    def _remembered(self, by: bytes | str) -> Key | None:
        until, key = self._seen.get(by, (0.0, None))
        return key if until > monotonic() else None

    def _remember(self, by: bytes | str, key: Key) -> Key:
        return self._seen.keep(by, (monotonic() + REMEMBERED, key))[1]

    def _made(self, subject: str) -> Key:
        for key in self.of(subject):
            if key.secret:
                return key
        if not self._run(_THERE, ())[0][0]:
            self._run(_SCHEMA, None)
        self._run(
            "insert into refold_keys (id, subject, secret) values (%s, %s, %s)"
            " on conflict (subject) where secret is not null do nothing",
            (secrets.token_bytes(16), subject, secrets.token_bytes(SECRET_SIZE)),
        )
        return next(key for key in self.of(subject) if key.secret)

    def destroy(self, subject: str, now: int) -> None:
        """The old bytes stay in the table's file until the vacuum that follows, and in the server's log for longer."""
        self._run(
            "update refold_keys set secret = null, destroyed_at = to_timestamp(%s / 1000000.0)"
            " where subject = %s and secret is not null",
            (now, subject),
        )
        self._run("vacuum refold_keys", None)
        self.look_again()

    def look_again(self) -> None:
        with self._lock:
            self._seen.clear()

    def close(self) -> None:
        self._db.close()

    def _run(self, text: str, values: tuple[Any, ...] | None) -> Sequence[tuple[Any, ...]]:
        with self._lock:
            for attempt in (1, 2):
                try:
                    cursor = self._db.execute(text.encode(), values)
                    return cursor.fetchall() if cursor.description else ()
                except psycopg.errors.UndefinedTable:  # and so nothing in it
                    return ()
                except psycopg.OperationalError as error:
                    if attempt == 2 or not self._db.closed:  # noqa: PLR2004 - the second fails for good
                        raise StoreUnreachable(f"{self.place} cannot be reached: {error}") from error
                    self._db = self._connected()
                except psycopg.Error as error:
                    raise StoreError(f"{self.place} cannot be used: {error}") from error
            raise AssertionError
