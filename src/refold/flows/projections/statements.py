"""Rows of tables as SQL: what makes, changes and finds them, under the names of one build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from refold.columns import Column, SqlValue
from refold.errors import UsageError
from refold.projection import Statement
from refold.tables import Change, Delete, Patch, Place, Put, Table


def create(table: Table[Any], database: str, suffix: str) -> str:
    """The statement that makes a table.

    Raises:
        UsageError: the database is none whose types are known.
    """
    if database not in {"sqlite", "postgresql"}:
        raise UsageError(f"tables of rows are made in SQLite and PostgreSQL, not in {database}.")
    columns = ", ".join(_declared(column, database) for column in table.columns.values())
    return f'create table "{table.name}{suffix}" ({columns}, primary key ({_listed(table.key)}))'


def _declared(column: Column, database: str) -> str:
    kind = column.sqlite if database == "sqlite" else column.postgres
    return f'"{column.name}" {kind}' + ("" if column.nullable else " not null")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def statement_of(change: Change, suffix: str) -> Statement:
    """The statement that does a change."""
    table = change.table
    match change:
        case Put(_, _, row):
            return Statement(_upsert(table, suffix), table.values(row))
        case Patch(_, place, fields):
            values = {name: table.columns[name].value(value) for name, value in fields.items()}
            return Statement(_update(table, suffix, tuple(fields)), {**values, **_keyed(table, place)})
        case Delete(_, place):
            return Statement(_delete(table, suffix), _keyed(table, place))


def _keyed(table: Table[Any], place: Place) -> Mapping[str, SqlValue]:
    return dict(zip(table.key, place, strict=True))


@lru_cache(maxsize=1_024)
def _upsert(table: Table[Any], suffix: str) -> str:
    names = tuple(table.columns)
    values = ", ".join(f":{name}" for name in names)
    rest = ", ".join(f'"{name}" = excluded."{name}"' for name in names if name not in table.key)
    update = f"update set {rest}" if rest else "nothing"
    into = f'"{table.name}{suffix}" ({_listed(names)})'
    return f"insert into {into} values ({values}) on conflict ({_listed(table.key)}) do {update}"  # noqa: S608 - names of ours


@lru_cache(maxsize=1_024)
def _update(table: Table[Any], suffix: str, fields: tuple[str, ...]) -> str:
    sets = ", ".join(f'"{name}" = :{name}' for name in fields)
    return f'update "{table.name}{suffix}" set {sets} where {_where(table)}'  # noqa: S608 - names of ours


@lru_cache(maxsize=1_024)
def _delete(table: Table[Any], suffix: str) -> str:
    return f'delete from "{table.name}{suffix}" where {_where(table)}'  # noqa: S608 - names of ours


def _where(table: Table[Any]) -> str:
    return " and ".join(f'"{name}" = :{name}' for name in table.key)


CHUNK = 400
"""How many rows one statement looks up at most."""


def lookups(table: Table[Any], places: Sequence[Place], suffix: str) -> Sequence[Statement]:
    """Statements that find the rows at these places, in parts."""
    return [_lookup(table, places[start : start + CHUNK], suffix) for start in range(0, len(places), CHUNK)]


def _lookup(table: Table[Any], places: Sequence[Place], suffix: str) -> Statement:
    size = 1 << (len(places) - 1).bit_length()  # few different texts, for which the database is prepared
    filled = [*places, *[places[-1]] * (size - len(places))]
    params = {f"k{i}_{j}": value for i, place in enumerate(filled) for j, value in enumerate(place)}
    return Statement(_find(table, suffix, size), params)


@lru_cache(maxsize=1_024)
def _find(table: Table[Any], suffix: str, size: int) -> str:
    shown = ", ".join(_shown(column) for column in table.columns.values())
    return f'select {shown} from "{table.name}{suffix}" where {_among(table.key, size)}'  # noqa: S608 - names of ours


def _among(key: Sequence[str], size: int) -> str:
    """The row is one of so many. A list of values alone lets PostgreSQL know their type by the column's."""
    if len(key) == 1:
        return f'"{key[0]}" in ({", ".join(f":k{i}_0" for i in range(size))})'
    return " or ".join("(" + " and ".join(f'"{n}" = :k{i}_{j}' for j, n in enumerate(key)) + ")" for i in range(size))


def _shown(column: Column) -> str:
    return f'cast("{column.name}" as text)' if column.is_json else f'"{column.name}"'


def everything(table: Table[Any], suffix: str) -> Statement:
    """The statement that gives every row, by key."""
    shown = ", ".join(_shown(column) for column in table.columns.values())
    return Statement(f'select {shown} from "{table.name}{suffix}" order by {_listed(table.key)}')  # noqa: S608 - names of ours
