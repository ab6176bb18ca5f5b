"""Sessions: one transaction of SQLAlchemy's, with the session in it, on a connection of either colour."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

from refold.columns import SqlValue
from refold.errors import MissingExtra, StoreUnreachable, UsageError
from refold.integrations.bookkeeping import FOUND, LOCK, Database, database_of, formatted, making, single
from refold.integrations.steps import plain, run_all
from refold.integrations.troubles import failed, refused, trouble, uncommitted
from refold.ports import Own, Rows
from refold.projection import ForTarget, Statement
from refold.sqltext import touches_transaction

try:
    from sqlalchemy import Connection, CursorResult
    from sqlalchemy.exc import DBAPIError, InvalidRequestError, SQLAlchemyError
    from sqlalchemy.exc import TimeoutError as NoConnection
    from sqlalchemy.orm import Session, sessionmaker
    from sqlalchemy.sql.elements import TextClause
    from sqlalchemy.sql.expression import Executable
except ImportError as error:
    raise MissingExtra("sqlalchemy", "sqlalchemy") from error

_NO_VALUES: Final = {"no_parameters": True}


class Step:
    """One transaction; its session can neither commit nor outlive it."""

    def __init__(self, connection: Connection, sessions: sessionmaker[Any]) -> None:
        self._raw = Raw(connection)
        self._transaction = connection.begin()
        if self._raw.database == "sqlite":
            _lock(connection)
        self._session: Session = sessions(bind=connection, join_transaction_mode="rollback_only")

    def work(self, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
        """Run statements, after all that the session has not written yet."""
        self._flush()
        return run_all(self._raw, steps)

    def perform(self, effect: ForTarget) -> object:
        """Execute a statement of SQLAlchemy's and give its rows, or give the session to a function, and its result back."""
        try:
            if isinstance(effect, Executable):
                return self._executed(effect)
            if callable(effect):
                return effect(self._session)
        except DBAPIError as error:
            if away := trouble(error.orig):
                raise away from error
            raise
        raise UsageError(
            f"a handler yielded {effect!r}, which no session can execute: yield insert(...), update(...), select(...), sql(...), "
            "or a function that takes the session."
        )

    def _executed(self, statement: Executable) -> Sequence[Any]:
        if isinstance(statement, TextClause) and touches_transaction(statement.text):
            raise UsageError(f"this SQL may change its own tables only, and no transaction: {statement.text.strip()}")
        result = self._session.execute(statement)
        return () if isinstance(result, CursorResult) and not result.returns_rows else result.all()

    def commit(self) -> None:
        """Make it durable."""
        self._flush()
        self._session.close()
        try:
            self._transaction.commit()
        except DBAPIError as error:
            raise uncommitted(error.orig) from error

    def end(self) -> None:
        """Undo what was not committed."""
        self._session.close()
        self._transaction.close()

    def _flush(self) -> None:
        if not self._transaction.is_active:
            raise UsageError(
                "a handler rolled back the transaction, which is that of the step: let it raise instead. Nothing was written."
            )
        try:
            self._session.flush()
        except SQLAlchemyError as error:
            raise refused(_driver_error(error), "what handlers left in the session") from error


def _lock(connection: Connection) -> None:
    connection.exec_driver_sql(LOCK)
    if not cast("Any", connection.connection.dbapi_connection).in_transaction:
        raise UsageError(
            "the engine commits each statement by itself: make it without isolation_level='AUTOCOMMIT'. Nothing was written."
        )


class Raw:
    """A connection, for statements with `:name`."""

    errors: type[Exception] = SQLAlchemyError

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.database: Database = database_of(connection.dialect.name)

    def cause(self, error: Exception) -> BaseException | None:
        """The driver's own error."""
        return _driver_error(error)

    def run(self, text: str, params: Mapping[str, SqlValue]) -> Rows:
        """Run one statement, or without parameters several, and give the rows of the last."""
        if params:
            return _rows(self._connection.exec_driver_sql(self._written(text), dict(params)))
        if self.database == "postgresql":
            return _rows(self._connection.exec_driver_sql(text, execution_options=_NO_VALUES))
        return [_rows(self._connection.exec_driver_sql(each)) for each in single(text)][-1]

    def run_many(self, text: str, rows: Sequence[Mapping[str, SqlValue]]) -> None:
        """Run one statement for each of so many sets of values."""
        self._connection.exec_driver_sql(self._written(text), [dict(row) for row in rows])

    def _written(self, text: str) -> str:
        return text if self.database == "sqlite" else formatted(text)


def _rows(result: CursorResult[Any]) -> Rows:
    return [tuple(map(plain, row)) for row in result] if result.returns_rows else []


def _driver_error(error: Exception) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error


def prepared(connection: Connection) -> Connection:
    """The connection, such that a step sees on PostgreSQL what it waited for, whatever the engine's usual level."""
    if connection.dialect.name == "postgresql":
        connection.execution_options(isolation_level="READ COMMITTED")
    return connection


def make_tables(connection: Connection) -> None:
    """Make Refold's tables where they are not there."""
    database = database_of(connection.dialect.name)
    try:
        with connection.begin():
            found = connection.exec_driver_sql(FOUND[database]).all()
        if not found:
            with connection.begin():  # it begins by writing: SQLite lets nobody write who has read before another wrote
                for statement in making(database):
                    connection.exec_driver_sql(statement)
    except DBAPIError as error:
        raise failed(error.orig) from error


@contextmanager
def translated() -> Generator[None]:
    """Turns into ours what is raised when there is no connection, or no transaction can begin."""
    try:
        yield
    except DBAPIError as error:
        raise failed(error.orig) from error
    except NoConnection as error:
        raise StoreUnreachable(f"the engine has no connection to give ({error}).") from error
    except InvalidRequestError as error:
        raise UsageError(f"the session cannot be used so: {error}") from error
