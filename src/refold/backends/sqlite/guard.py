"""What SQL of the application may do in a store's database: anything to its own tables, nothing to ours."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

import apsw

from refold.errors import UsageError

_READING = {apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE}
_NEVER = {apsw.SQLITE_TRANSACTION, apsw.SQLITE_SAVEPOINT, apsw.SQLITE_ATTACH, apsw.SQLITE_DETACH, apsw.SQLITE_PRAGMA}
_OURS = {"events", "event_tags"}
_OUR_PREFIX = "refold_"


class Guard:
    """SQLite's authorizer, asked while a statement is compiled."""

    def __init__(self) -> None:
        self._mode: Literal["ours", "read", "write"] = "ours"

    def __call__(self, action: int, one: str | None, two: str | None, database: str | None, trigger: str | None) -> int:
        if self._mode == "ours" or action in _READING:
            return apsw.SQLITE_OK
        names = (one,) if action == apsw.SQLITE_UPDATE else (one, two)  # an update names a column, too
        if self._mode == "read" or action in _NEVER or any(_is_ours(name) for name in names if name):
            return apsw.SQLITE_DENY
        return apsw.SQLITE_OK

    @contextmanager
    def allowing(self, mode: Literal["read", "write"], text: str) -> Generator[None, None, None]:
        """Run SQL of the application's.

        Raises:
            UsageError: it does what it may not, or SQLite cannot run it.
        """
        self._mode = mode
        try:
            yield
        except apsw.AuthError as error:
            may = (
                "may only read"
                if mode == "read"
                else "may change its own tables only, never the store's, and no transaction"
            )
            raise UsageError(f"this SQL {may}: {text.strip()}") from error
        except KeyError as error:
            raise UsageError(f"parameter :{error.args[0]} of this SQL is not given: {text.strip()}") from error
        except (
            apsw.SQLError,
            apsw.BindingsError,
            apsw.ConstraintError,
            apsw.MismatchError,
            apsw.ReadOnlyError,
            TypeError,
            OverflowError,
            UnicodeError,
        ) as error:
            raise UsageError(f"SQLite cannot run this ({error}): {text.strip()}") from error
        finally:
            self._mode = "ours"


def _is_ours(name: str) -> bool:
    return name.lower() in _OURS or name.lower().startswith(_OUR_PREFIX)
