"""Steps: statements of Refold's and of the application's, one after another on a connection of an ORM's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeGuard, cast

from refold.columns import SqlValue
from refold.errors import UsageError
from refold.integrations.bookkeeping import Database, owned
from refold.integrations.troubles import failed, refused
from refold.ports import Own, Rows, Unclaimed
from refold.projection import Statement, neighbours
from refold.sqltext import touches_transaction


class Connection(Protocol):
    """A connection of an ORM's, with a transaction open on it. SQL is written with `:name`."""

    @property
    def database(self) -> Database:
        """What it leads to."""
        ...

    @property
    def errors(self) -> type[Exception]:
        """What the ORM raises if the database does."""
        ...

    def cause(self, error: Exception) -> BaseException | None:
        """The driver's own error, of which the ORM has made this one."""
        ...

    def run(self, text: str, params: Mapping[str, SqlValue]) -> Rows:
        """Run one statement, or without parameters several, and give the rows of the last."""
        ...

    def run_many(self, text: str, rows: Sequence[Mapping[str, SqlValue]]) -> None:
        """Run one statement for each of so many sets of values."""
        ...


def run_all(connection: Connection, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
    """As `Target.work`."""
    return [rows for group in neighbours(steps) for rows in _group(connection, group)]


def run_one(connection: Connection, step: Own | Statement) -> Rows:
    """As `Target.query`, except that it does not refuse to write."""
    return _own(connection, step) if isinstance(step, Own) else _theirs(connection, [step])[0]


def _group(connection: Connection, group: Sequence[Own | Statement]) -> Sequence[Rows]:
    if _is_theirs(group):
        return _theirs(connection, group)
    return [run_one(connection, step) for step in group]


def _is_theirs(group: Sequence[Own | Statement]) -> TypeGuard[Sequence[Statement]]:
    return isinstance(group[0], Statement)


def _own(connection: Connection, own: Own) -> Rows:
    try:
        rows = connection.run(owned(own.text, connection.database), own.params)
    except connection.errors as error:
        raise failed(connection.cause(error)) from error
    if own.must and not rows:
        raise Unclaimed
    return rows


def _theirs(connection: Connection, group: Sequence[Statement]) -> Sequence[Rows]:
    text = group[0].text
    if touches_transaction(text):
        raise UsageError(f"this SQL may change its own tables only, and no transaction: {text.strip()}")
    try:
        if len(group) == 1:
            return [connection.run(text, group[0].params)]
        connection.run_many(text, [statement.params for statement in group])
    except connection.errors as error:
        raise refused(connection.cause(error), text) from error
    return [()] * len(group)


def plain(value: Any) -> SqlValue:  # noqa: ANN401 - whatever a driver gives
    """A value as a driver of ours would give it."""
    return bytes(cast("memoryview", value)) if isinstance(value, memoryview) else value
