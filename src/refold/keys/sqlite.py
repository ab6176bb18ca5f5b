"""Keys in a SQLite file of their own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock, RLock
from time import monotonic
from typing import Any, Final

import apsw

from refold.errors import NotAStore, StoreError, StoreUnreachable, UsageError
from refold.keys.sealing import SECRET_SIZE, Key, Recent
from refold.secrecy import shown

_SCHEMA: Final = """
create table if not exists refold_keys (
    id           blob    primary key check (length(id) = 16),
    subject      text    not null,
    secret       blob    check (length(secret) = 64),
    made_at      integer not null default (cast(unixepoch('subsec') * 1000000 as integer)),
    destroyed_at integer,
    check ((secret is null) = (destroyed_at is not null))
) strict, without rowid;
create index if not exists refold_keys_subject on refold_keys (subject, made_at);
create unique index if not exists refold_keys_current on refold_keys (subject) where secret is not null;
"""
"""A destroyed key leaves its id behind: what is sealed by it is known to be forgotten, and not taken for a mistake."""
_ID: Final = int.from_bytes(b"RFKY", "big")
_BUSY: Final = 5_000
REMEMBERED: Final = 0.05
"""Seconds for which this process takes a key to be there without looking: so long after `forget` others may still read."""


class KeyFile:
    """Keys in a file, which is made with the first of them. What is deleted is overwritten with zeros."""

    def __init__(self, url: str) -> None:
        path = url.removeprefix("sqlite:///")
        if not path or "?" in path:
            raise UsageError(f"keys={shown(url)} names no file: write keys=sqlite:///shop-keys.db.")
        self.place = f"the keys of {path!r}"
        self._lock, self._version, self._until = RLock(), -1, 0.0
        self._seen, self._current = Recent[bytes, Key](), Recent[str, Key]()
        if path != ":memory:" and not Path(path).parent.is_dir():
            raise StoreUnreachable(f"there is no directory {str(Path(path).parent)!r} for the keys: make it first.")
        self._path, self._db = path, self._opened(path) if Path(path).exists() else None

    def _opened(self, path: str) -> apsw.Connection:
        try:
            if path != ":memory:":
                _make(path)
            db = apsw.Connection(path)
            db.set_busy_timeout(_BUSY)
            is_used = db.execute("select exists (select 1 from sqlite_master)").get
            stamp = db.execute("pragma application_id").get  # after it: who makes the keys just now writes both at once
            if stamp != _ID and (stamp or is_used):
                db.close()
                raise NotAStore(f"{path!r} is a SQLite database, but holds no keys: choose another file for keys=.")
            db.execute("pragma journal_mode = truncate; pragma synchronous = extra; pragma secure_delete = on")
            if stamp != _ID:
                db.execute(f"begin immediate; {_SCHEMA}; pragma application_id = {_ID}; commit")
        except (apsw.Error, OSError) as error:
            raise StoreUnreachable(f"the keys in {path!r} cannot be opened: {error}.") from error
        return db

    def of(self, subject: str) -> Sequence[Key]:
        rows = self._run("select id, subject, secret from refold_keys where subject = ? order by made_at", (subject,))
        return [Key(*row) for row in rows]

    def find(self, id: bytes) -> Key | None:
        """From memory, if no other process has changed the file."""
        self._forget_what_is_old()
        return self._seen.get(id) or self._found(id)

    def _found(self, id: bytes) -> Key | None:
        with self._lock:  # or it would be kept after it was destroyed
            rows = self._run("select id, subject, secret from refold_keys where id = ?", (id,))
            return self._seen.keep(id, Key(*rows[0])) if rows else None

    def current(self, subject: str) -> Key:
        """From memory, as well."""
        self._forget_what_is_old()
        if (key := self._current.get(subject)) is None:
            with self._lock:
                key = self._current.keep(subject, self._made(subject))
        return key

    def is_left(self, subject: str) -> bool:
        self._forget_what_is_old()
        return subject in self._current

    def _made(self, subject: str) -> Key:
        for key in self.of(subject):
            if key.secret:
                return key
        new = (secrets.token_bytes(16), subject, secrets.token_bytes(SECRET_SIZE))
        self._run(
            "insert into refold_keys (id, subject, secret) values (?, ?, ?)"
            " on conflict (subject) where secret is not null do nothing",
            new,
            makes=True,
        )
        return next(key for key in self.of(subject) if key.secret)

    def destroy(self, subject: str, now: int) -> None:
        self._run(
            "update refold_keys set secret = null, destroyed_at = ? where subject = ? and secret is not null",
            (now, subject),
        )
        self.look_again()

    def look_again(self) -> None:
        with self._lock:
            self._seen.clear()
            self._current.clear()

    def _forget_what_is_old(self) -> None:
        """See whether another process has changed the file, unless that was asked a moment ago: it takes as long as the rest."""
        if monotonic() < self._until:
            return
        self._until = monotonic() + REMEMBERED
        found = self._run("pragma data_version", ())
        if found and found[0][0] != self._version:
            self._version = found[0][0]
            self.look_again()

    def close(self) -> None:
        if self._db is not None:
            self._db.close()

    def _run(self, text: str, values: tuple[Any, ...], *, makes: bool = False) -> Sequence[tuple[Any, ...]]:
        """Where there is no file, there is nothing in it."""
        try:
            with self._lock:
                if self._db is None:
                    if not makes and not Path(self._path).exists():
                        return ()
                    self._db = self._opened(self._path)
                return self._db.execute(text, values).fetchall()
        except apsw.Error as error:
            raise StoreError(f"{self.place} cannot be used: {error}.") from error


_making = Lock()


def _make(path: str) -> None:
    """A new file for its user alone. SQLite takes an empty file for a new database, and gives its journal the same mode.

    One at a time: to close a file lets go of the locks that this process has on it, and another thread may be at it already.
    """
    with _making, suppress(FileExistsError):
        os.close(os.open(os.path.realpath(path), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
