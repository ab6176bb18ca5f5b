"""Troubles: which of a database driver's errors mean that the database cannot do it now, whatever was asked."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

from refold.errors import (
    OutcomeUnknown,
    RefoldError,
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnreachable,
    UsageError,
)

_SQLITE: Final[Mapping[int, type[StoreError]]] = {
    sqlite3.SQLITE_PERM: StoreReadOnly,
    sqlite3.SQLITE_BUSY: StoreBusy,
    sqlite3.SQLITE_LOCKED: StoreBusy,
    sqlite3.SQLITE_READONLY: StoreReadOnly,
    sqlite3.SQLITE_IOERR: StoreError,
    sqlite3.SQLITE_CORRUPT: StoreCorrupt,
    sqlite3.SQLITE_FULL: StoreFull,
    sqlite3.SQLITE_CANTOPEN: StoreUnreachable,
    sqlite3.SQLITE_NOTADB: StoreCorrupt,
}
_POSTGRES: Final[Mapping[str, type[StoreError]]] = {
    "40001": StoreBusy,  # serialization failure
    "40P01": StoreBusy,  # deadlock
    "55P03": StoreBusy,  # lock not available
    "57014": StoreBusy,  # query cancelled
    "53100": StoreFull,
}
_AWAY: Final = "08", "53", "57P"
_ABORTED: Final = "25P02"


def trouble(error: BaseException | None) -> StoreError | None:
    """The error of ours that a driver's means, if it may go away by itself; `None` if what was asked for is wrong."""
    if error is None:
        return None
    kind = _sqlite(error) if isinstance(error, sqlite3.Error) else _postgres(error)
    why = f"the database of the read model cannot do it now ({said(error)}). Nothing was written."
    return None if kind is None else kind(why)


def refused(error: BaseException | None, text: str) -> RefoldError:
    """Of a statement of the application's, by the database of its read model."""
    return trouble(error) or UsageError(f"the database cannot run this ({said(error)}): {text.strip()}")


def failed(error: BaseException | None) -> RefoldError:
    """Of a statement of ours."""
    if _state(error) == _ABORTED:
        return swallowed()
    return trouble(error) or StoreError(f"the tables of Refold cannot be used ({said(error)}). Nothing was written.")


def swallowed() -> UsageError:
    """Of a transaction that an error has ended for the database, but not for the handler."""
    return UsageError(
        "a handler caught an error of the database, and went on in a transaction that can only be undone: let what may fail have "
        "a savepoint of its own, session.begin_nested() or transaction.atomic(). Nothing was written."
    )


def uncommitted(error: BaseException | None) -> RefoldError:
    """Of a commit. What is checked only there, such as foreign keys, the application got wrong."""
    kind = trouble(error)
    if isinstance(kind, StoreUnreachable) or type(kind) is StoreError:  # it may have come through before that
        return OutcomeUnknown(said(error))
    return kind or UsageError(f"the database does not take what the handlers did ({said(error)}). Nothing was written.")


def said(error: BaseException | None) -> str:
    """The first line of what it says."""
    return (str(error).strip() or type(error).__name__).split("\n")[0]


def _sqlite(error: sqlite3.Error) -> type[StoreError] | None:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else _SQLITE.get(code & 0xFF)


def _postgres(error: BaseException) -> type[StoreError] | None:
    """By SQLSTATE; a connection that went has none."""
    state = _state(error)
    if state is None:
        names = {cls.__name__ for cls in type(error).__mro__}
        return StoreUnreachable if names & {"OperationalError", "InterfaceError"} else None
    return _POSTGRES.get(state) or (StoreUnreachable if state.startswith(_AWAY) else None)


def _state(error: BaseException | None) -> str | None:
    """What psycopg and psycopg2 keep under two names."""
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
