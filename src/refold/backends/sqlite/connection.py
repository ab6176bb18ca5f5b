"""One connection to the file: opened, recognised, made if new, and its errors turned into ours."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Final

import apsw

from refold.backends.sqlite.location import Location
from refold.errors import (
    NewerFormat,
    NotAStore,
    RefoldError,
    StoreBusy,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnreachable,
)
from refold.migration import Migration

MIGRATIONS: Final = (
    "0001_events.sql",
    "0002_read_models.sql",
    "0003_snapshots.sql",
    "0004_archive.sql",
    "0005_processes.sql",
    "0006_elsewhere.sql",
    "0007_digests.sql",
)
"""Each brings a store from the format before it to the next, inside one transaction."""
FORMAT: Final = len(MIGRATIONS)
APPLICATION_ID: Final = int.from_bytes(b"RFLD", "big")
"""Stands in the file's header (offset 68), so that `file` and other tools can tell a Refold store."""
LOG: Final = 64 << 20
"""Bytes that the write-ahead log keeps for itself: what it grew by beside a long reader goes back to the disk after that."""


_STAMP: Final = """
select (select application_id from pragma_application_id), (select user_version from pragma_user_version),
       exists (select 1 from sqlite_master)"""
"""One statement, so one snapshot: another process may be making the store at this very moment."""


def connected(location: Location) -> apsw.Connection:
    """A connection to the store at a location, which is made if the file is new or empty.

    Raises:
        StoreUnreachable, NotAStore, NewerFormat, StoreBusy, StoreReadOnly, StoreFull, StoreCorrupt
    """
    with Translation(location):
        missing = _missing_beside(location)
        db = _opened(location)
        try:
            db.set_busy_handler(patience(location.busy_timeout))
            if _format(db, location) < FORMAT:
                _migrate(db, location)
            _prepare(db, location)
        except BaseException as error:
            db.close()
            if isinstance(error, apsw.NotADBError):  # it may look like one, and who only reads leaves what it made
                for file in missing:
                    file.unlink(missing_ok=True)
            raise
        return db


def _missing_beside(location: Location) -> list[Path]:
    """What SQLite makes beside a database, and is not there yet."""
    files = [] if location.in_memory else [Path(f"{location.path}{suffix}") for suffix in ("-wal", "-shm")]
    return [file for file in files if not file.exists()]


def _opened(location: Location) -> apsw.Connection:
    if location.in_memory:
        return apsw.Connection(":memory:")
    path = Path(location.path)
    if location.mode == "ro" and not path.exists():
        raise StoreUnreachable(
            f"there is no store at {location.path!r}: check the path. `refold migrate --store` makes one, or whoever appends."
        )
    if not path.parent.is_dir():
        raise StoreUnreachable(f"there is no directory {str(path.parent)!r} for the store: make it first.")
    if path.is_dir():
        raise StoreUnreachable(
            f"{location.path!r} is a directory: name a file in it, as in {str(path / 'store.db')!r}."
        )
    flags = apsw.SQLITE_OPEN_READONLY if location.mode == "ro" else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    return apsw.Connection(location.path, flags=flags)


def _format(db: apsw.Connection, location: Location) -> int:
    """The format of the store; 0 for a file that is still empty."""
    stamp, format, holds_something = db.execute(_STAMP).get
    if stamp == APPLICATION_ID:
        if format > FORMAT:
            raise NewerFormat(location.path, format, FORMAT)
        return int(format)
    if stamp or holds_something:
        raise NotAStore(
            f"{location.path!r} is a SQLite database, but not a Refold store: choose another file. Nothing was changed."
        )
    return 0


def _migrate(db: apsw.Connection, location: Location) -> None:
    if location.mode == "ro":
        raise StoreReadOnly(
            f"{location.path!r} is empty or of an older format, and was opened with mode=ro: open it once for writing."
        )
    _write_ahead(db, location.busy_timeout)
    db.execute("begin immediate")
    try:
        migrate(db, _format(db, location))  # asked again: another process may have been quicker
        db.execute(f"pragma application_id = {APPLICATION_ID}")
        db.execute(f"pragma user_version = {FORMAT}")
        db.execute("commit")
    except BaseException:
        if db.in_transaction:
            db.execute("rollback")
        raise


def migrate(db: apsw.Connection, format: int = 0) -> None:
    """Bring the tables and triggers from a format to the newest, in the caller's transaction."""
    for migration in MIGRATIONS[format:]:
        db.execute(files("refold.backends.sqlite").joinpath("migrations", migration).read_text("utf-8"))


def _write_ahead(db: apsw.Connection, timeout: float) -> None:
    """Switch to WAL, for which SQLite asks no busy handler when another process does the same."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            db.execute("pragma journal_mode = wal")
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


def migration_of(location: Location) -> Migration:
    """What it takes to bring the store at a location to the newest format; a file that is not there is not made."""
    found = 0
    if not location.in_memory and Path(location.path).exists():
        with Translation(location):
            db = _opened(replace(location, mode="ro"))
            try:
                found = _format(db, location)
            finally:
                db.close()
    folder = files("refold.backends.sqlite").joinpath("migrations")
    sql = tuple(folder.joinpath(name).read_text("utf-8") for name in MIGRATIONS[found:])
    return Migration(location.path, found, FORMAT, sql)


def _prepare(db: apsw.Connection, location: Location) -> None:
    db.config(
        apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1
    )  # else new values make SQLite compile each statement anew: 20 µs a call
    level = "full" if location.durability == "disk" else "normal"
    db.execute(f"pragma synchronous = {level}")
    db.execute("pragma fullfsync = on")  # macOS: fsync alone leaves the data in the drive's cache
    db.execute("pragma recursive_triggers = on")
    db.execute("pragma trusted_schema = off")
    db.execute("pragma temp_store = memory")
    db.execute("pragma cache_size = -16000")
    db.execute(f"pragma journal_size_limit = {LOG}")


def patience(seconds: float) -> Callable[[int], bool]:
    """A busy handler that asks again after short, uneven waits, so that no process starves."""
    deadline = 0.0

    def ask_again(times: int) -> bool:
        nonlocal deadline
        if times == 0:
            deadline = time.monotonic() + seconds
        if time.monotonic() > deadline:
            return False
        time.sleep(random.uniform(0, min(0.0005 * (times + 1), 0.01)))  # noqa: S311 - jitter is no secret
        return True

    return ask_again


class Translation:
    """`with` it, the engine's errors become ours. It has no state, so one serves a connection for ever."""

    def __init__(self, location: Location) -> None:
        self._location = location

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, apsw.Error):
            raise as_ours(error, self._location) from error
        if isinstance(error, UnicodeDecodeError):
            raise StoreCorrupt(
                f"{self._location.path!r} is damaged: it holds text that is not UTF-8 ({error.reason}). Restore a backup. "
                "`refold verify` looks for more."
            ) from error


def _is_shut_in(file: Path) -> bool:
    """Whether a file may be read, and its folder not be written."""
    return os.access(file, os.R_OK) and not os.access(file.absolute().parent, os.W_OK)


def as_ours(error: apsw.Error, location: Location) -> RefoldError:  # noqa: PLR0911 - a table, one line an error
    """The error of ours that says what the engine's means for the user."""
    where = location.path
    match error:
        case apsw.BusyError() | apsw.LockedError():
            return StoreBusy(
                f"{where!r} is locked by another process for longer than {location.busy_timeout:g} s. Nothing was written: "
                "try again, or open it with ?busy_timeout=SECONDS."
            )
        case apsw.ReadOnlyError() | apsw.PermissionsError():
            return StoreReadOnly(f"{where!r} may not be written ({error}). Nothing was written.")
        case apsw.FullError():
            return StoreFull(
                f"no space is left for {where!r}. Nothing was written; reads go on, appends do when there is space."
            )
        case apsw.NotADBError():
            return NotAStore(f"{where!r} is not a SQLite database: choose another file. Nothing was changed.")
        case apsw.CorruptError():
            return StoreCorrupt(f"{where!r} is damaged ({error}): restore a backup. `refold verify` says where.")
        case apsw.CantOpenError() if location.mode == "ro" and _is_shut_in(Path(where)):
            return StoreUnreachable(
                f"{where!r} cannot be read where it is: its folder may not be written, and SQLite reads only where it can make "
                f"'{where}-shm' beside. Copy the file, with its -wal if there is one, to another folder, and open it there."
            )
        case apsw.CantOpenError():
            return StoreUnreachable(f"{where!r} cannot be opened ({error}): check the path and its permissions.")
        case apsw.ConnectionClosedError():
            return StoreClosed()
        case _:
            return StoreError(f"{where!r}: SQLite says {type(error).__name__}: {error}.")
