"""Tables of events in the databases of other event stores: those of `eventsourcing`, and of message-db."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple
from uuid import UUID

from refold.errors import EventLogError, MissingExtra, UsageError
from refold.eventlogs import eventsourcing, messagedb
from refold.eventlogs.rows import BadRow, LogRow, Row
from refold.secrecy import check_written, shown

if TYPE_CHECKING:
    import psycopg

_PAGE: Final = 1_000
_SNAPSHOTS: Final = "snapshots"
_STATE: Final = "state"
_PLACES: Final = ("global_position", "notification_id", "rowid")
"""Columns that order all events, if a table has one; a row is known by what stands there."""


class TableName(NamedTuple):
    """A table with its schema, if its database has schemas."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        return self.name if self.schema is None else f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> str:
        """As SQL has it."""
        return ".".join('"' + part.replace('"', '""') + '"' for part in self if part is not None)


class DatabaseLog:
    """The rows of a table, to be iterated once."""

    stage: ClassVar[Literal["check", "read"]] = "read"

    def __init__(self, columns: tuple[str, ...], size: int, rows: Iterable[Sequence[Any]]) -> None:
        self.columns, self.size = columns, size
        self.done = 0
        self._rows = rows

    def __iter__(self) -> Iterator[Row]:
        place = next((name for name in _PLACES if name in self.columns), None)
        for values in self._rows:
            self.done += 1
            named = dict(zip(self.columns, values, strict=True))
            line = self.done if place is None else int(named[place])
            yield _row(line, named)


def _row(line: int, named: Mapping[str, Any]) -> Row:
    try:
        return LogRow(line, {name: _json(value) for name, value in named.items() if value is not None})
    except UnicodeDecodeError:
        return BadRow(line, _STATE, "it is not JSON: what is compressed or encrypted cannot be read")


def _json(value: Any) -> Any:  # noqa: ANN401 - what a driver gives
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


@contextmanager
def open_sqlite(path: Path, wanted: str | None) -> Generator[DatabaseLog]:
    """The table of events in a SQLite file, which is only read.

    Raises:
        UsageError: it has none, or several and none is wanted by its name.
        EventLogError: it cannot be read. Iterating may raise it too.
    """
    naming = partial(_naming, sqlite3.Error, str(path))
    with ExitStack() as stack:
        with naming():
            database = stack.enter_context(closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)))
            columns = _columns_of_sqlite(database)
            table = _chosen(columns, wanted)
            ((size,),) = database.execute(f"select count(*) from {table.quoted}")  # noqa: S608 - quoted
            rows = database.execute(_select(table, columns[table]))
        yield DatabaseLog(tuple(columns[table]), size, _named(naming, rows))


def _columns_of_sqlite(database: sqlite3.Connection) -> Mapping[TableName, Sequence[str]]:
    found: dict[TableName, list[str]] = {}
    for name, without_rowid in list(database.execute("select name, wr from pragma_table_list where type = 'table'")):
        columns = [column for (column,) in database.execute("select name from pragma_table_info(?)", (name,))]
        found[TableName(None, name)] = columns if without_rowid else ["rowid", *columns]
    return found


@contextmanager
def open_postgres(url: str, wanted: str | None) -> Generator[DatabaseLog]:
    """The table of events in a PostgreSQL database, as it is at one instant; it is only read.

    Raises:
        UsageError: it has none, or several and none is wanted by its name.
        EventLogError: it cannot be read. Iterating may raise it too.
    """
    try:
        import psycopg  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise MissingExtra("psycopg", "postgres") from error
    check_written(url)
    naming = partial(_naming, psycopg.Error, shown(url))
    with ExitStack() as stack:
        if not _is_taken(url):
            raise EventLogError("is a URL that libpq does not take", path=shown(url))
        with naming():
            connection = stack.enter_context(psycopg.connect(url))
            connection.execute("set transaction isolation level repeatable read, read only")
            columns = _columns_of_postgres(connection)
            table = _chosen(columns, wanted)
            ((size,),) = connection.execute(f"select count(*) from {table.quoted}".encode())  # noqa: S608 - quoted
            cursor = stack.enter_context(connection.cursor("refold_import"))  # on the server, so that it gives pages
            cursor.itersize = _PAGE
            cursor.execute(_select(table, columns[table]).encode())
        yield DatabaseLog(tuple(columns[table]), size, _named(naming, cursor))


def _is_taken(url: str) -> bool:
    """Whether libpq can read a URL. What it says of one that it cannot may quote a password."""
    from psycopg import ProgrammingError  # noqa: PLC0415 - an optional dependency
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    with suppress(ProgrammingError, UnicodeError):
        conninfo_to_dict(url)
        return True
    return False


@contextmanager
def _naming(errors: type[Exception], place: str) -> Generator[None]:
    try:
        yield
    except errors as error:
        raise EventLogError(f"cannot be read: {error}", path=place) from error


def _named(
    naming: Callable[[], AbstractContextManager[None]], rows: Iterable[Sequence[Any]]
) -> Iterator[Sequence[Any]]:
    with naming():
        yield from rows


def _columns_of_postgres(connection: psycopg.Connection) -> Mapping[TableName, Sequence[str]]:
    found: dict[TableName, list[str]] = {}
    for schema, name, column in connection.execute(
        "select table_schema, table_name, column_name from information_schema.columns order by ordinal_position"
    ):
        found.setdefault(TableName(schema, name), []).append(column)
    return found


def _chosen(tables: Mapping[TableName, Sequence[str]], wanted: str | None) -> TableName:
    """The table that is wanted, or the only one that is known by its columns."""
    known = [table for table, columns in tables.items() if _is_known(table, columns)]
    if wanted is not None:
        known = [table for table in known if wanted in {str(table), table.name}]
    if len(known) == 1:
        return known[0]
    if known:
        raise UsageError(
            f"there are several tables of events: name one with --table, {', '.join(sorted(map(str, known)))}."
        )
    raise UsageError(
        f"there is no table {'of events' if wanted is None else repr(wanted)} such as stored_events of eventsourcing "
        "(originator_id, originator_version, topic, state) or messages of message-db "
        "(id, stream_name, type, position, global_position). A store of Refold's own is taken by refold copy."
    )


def _is_known(table: TableName, columns: Iterable[str]) -> bool:
    known = any(telling.issubset(columns) for telling in (eventsourcing.TELLING, messagedb.TELLING))
    return known and not table.name.endswith(_SNAPSHOTS)


def _select(table: TableName, columns: Sequence[str]) -> str:
    place = next((name for name in _PLACES if name in columns), None)
    order = "originator_id, originator_version" if place is None else place
    names = ", ".join('"' + name.replace('"', '""') + '"' for name in columns)
    return f"select {names} from {table.quoted} order by {order}"  # noqa: S608 - quoted
