"""Where logs come from: files, SQLite files of other programs, and PostgreSQL databases."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from os import PathLike, fspath
from pathlib import Path
from typing import Final

from refold.errors import UsageError
from refold.eventlogs.databases import open_postgres, open_sqlite
from refold.eventlogs.opening import open_log
from refold.eventlogs.rows import Log
from refold.secrecy import shown

_SQLITE: Final = b"SQLite format 3\0"
_POSTGRES: Final = ("postgresql", "postgres")


@contextmanager
def open_source(place: str | PathLike[str], table: str | None = None) -> Generator[Log]:
    """The log in a file, or the table of events in a database; `table` names it where there are several.

    Raises:
        UsageError: it cannot be told what it is, or which of several tables is meant.
        EventLogError: it cannot be opened, or read as what it is. Iterating may raise it too.
    """
    text = fspath(place)
    scheme = text.partition("://")[0] if "://" in text else ""
    opened: AbstractContextManager[Log]
    if scheme in _POSTGRES:
        opened = open_postgres(text, table)
    elif scheme:
        raise UsageError(
            f"{shown(text)!r} is no place that events can be imported from: give a file, or postgresql://..."
        )
    elif _is_sqlite(Path(text)):
        opened = open_sqlite(Path(text), table)
    elif table is not None:
        raise UsageError(f"{text!r} is no database, so it has no table {table!r}.")
    else:
        opened = open_log(place)
    with opened as log:
        yield log


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False  # whoever opens it says why
