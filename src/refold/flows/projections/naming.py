"""Naming: which tables a projection's SQL is about, and the same SQL about those of one build."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from refold.errors import UsageError
from refold.projection import Projection, Statement
from refold.sqltext import columns, created, folded, named, named_but_for_indexes, renamed
from refold.tables import Table


def renamed_statement(statement: Statement, projection: Projection, suffix: str) -> Statement:
    """The statement, about the tables of a build with that suffix.

    Raises:
        UsageError: a name in it may be a table's or a column's.
    """
    if not suffix:
        return statement
    return type(statement)(_renamed(statement.text, projection.schema, projection.tables, suffix), statement.params)


@lru_cache(maxsize=1_024)
def _renamed(text: str, schema: str, tables: tuple[Table[Any], ...], suffix: str) -> str:
    for table, name in _both(schema, tables):
        if {table, name} <= named(text):
            raise UsageError(
                f"a new version is built under other names, but in this SQL {name!r} may be the projection's table or the column "
                f"of {table!r}: {text.strip()}. Give one of them another name, or change rows by what the Table's put, patch "
                "and delete give."
            )
    return renamed(text, _own_names(schema, tables), suffix)


@lru_cache(maxsize=256)
def _own_names(schema: str, tables: tuple[Table[Any], ...]) -> tuple[str, ...]:
    """The names of what a projection's schema creates, and of its tables."""
    return (*created(schema), *(table.name for table in tables))


@lru_cache(maxsize=256)
def _both(schema: str, tables: tuple[Table[Any], ...]) -> tuple[tuple[str, str], ...]:
    """The own names that are those of columns, too, each with the table that has the column; in small letters."""
    own = {folded(name) for name in _own_names(schema, tables)}
    found = *columns(schema), *((table.name, column) for table in tables for column in table.columns)
    return tuple((folded(table), folded(column)) for table, column in found if folded(column) in own)


@lru_cache(maxsize=256)
def near(schema: str, tables: tuple[Table[Any], ...]) -> frozenset[str]:
    """The names by which SQL may be about rows of the tables, in small letters.

    Where the schema says something of a table, more than that it has an index, what it creates may lead there: a view, or
    what has a trigger or a reference.
    """
    names = frozenset(table.name for table in tables)
    leads = tables and not names.isdisjoint(named_but_for_indexes(schema))
    return names.union(map(folded, created(schema))) if leads else names
