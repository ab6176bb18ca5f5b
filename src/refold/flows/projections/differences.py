"""Differences: the rows that two builds of a read model do not agree on, found by one statement a table.

One statement sees one moment: it also tells where both builds stood, so nothing need stand still for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, zip_longest
from typing import Any, Final, NamedTuple

from msgspec import Struct

from refold.columns import SqlValue
from refold.flows.projections.builds import Build
from refold.messages import Position
from refold.ports import Backend, Own, Rows


class Touch(Struct, frozen=True):
    """An event by which a row was changed."""

    position: Position
    stream: str
    type: str


class RowDifference(Struct, frozen=True):
    """A row that two builds do not agree on: `None` in the one that has no such row.

    `key` are the columns of the primary key, without one all. `events`: the newest of those that changed it, by position,
    as far as the key's values stand in what they caused.
    """

    table: str
    key: Mapping[str, SqlValue]
    old: Mapping[str, SqlValue] | None
    new: Mapping[str, SqlValue] | None
    events: tuple[Touch, ...] = ()

    @property
    def changes(self) -> Mapping[str, tuple[SqlValue, SqlValue]]:
        """The columns that differ, with their old and their new value."""
        old, new = self.old or {}, self.new or {}
        names = dict.fromkeys([*old, *new])
        return {name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)}


class TableDifference(Struct, frozen=True):
    """What differs in one table: how many rows, of the columns that both builds have, and which columns one of them has not.

    `is_gone`: the new build has no such table. `is_fresh`: the old one had none.
    """

    table: str
    rows: int = 0
    gone: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    is_gone: bool = False
    is_fresh: bool = False


class Comparison(Struct, frozen=True):
    """A read model as people read it (`old`, a build's number), and made anew beside it (`new`), both at one position.

    `tables` has those that differ; `rows` the first rows that do, up to a limit, by table and key.
    """

    projection: str
    old: int
    old_version: int
    new: int
    new_version: int
    position: Position
    tables: tuple[TableDifference, ...]
    rows: tuple[RowDifference, ...]

    @property
    def is_equal(self) -> bool:
        """Whether both hold the same."""
        return not self.tables

    @property
    def differing(self) -> int:
        """How many rows differ."""
        return sum(table.rows for table in self.tables)


async def compared(target: Backend, old: Build, new: Build, limit: int) -> Comparison | None:
    """What differs; `None` if the builds did not stand at one position all the while, or one of them is not what it was."""
    tables: list[TableDifference] = []
    rows: list[RowDifference] = []
    position = 0
    names = [{name for kind, name in build.objects if kind == "table"} for build in (old, new)]
    for name in sorted(names[0] | names[1]):
        if not (name in names[0] and name in names[1]):
            tables.append(TableDifference(name, is_gone=name in names[0], is_fresh=name in names[1]))
            continue
        shape = await _shape(target, name, old, new)
        low, high, count, found = await _differing(target, old, new, shape, limit - len(rows))
        if low is None or low != high:
            return None
        position = low
        rows += found
        if count or shape.gone or shape.fresh:
            tables.append(TableDifference(name, count, shape.gone, shape.fresh))
    return Comparison(
        old.projection, old.number, old.version, new.number, new.version, Position(position), tuple(tables), tuple(rows)
    )


# The shape of a table ---------------------------------------------------------


class _Column(NamedTuple):
    name: str
    kind: str
    is_key: bool


class _Shape(NamedTuple):
    """A table in two builds: the SQL of each column that both have, and the names of the others."""

    name: str
    columns: Mapping[str, str]
    key: Sequence[str]
    gone: tuple[str, ...]
    fresh: tuple[str, ...]


_SQLITE: Final = "select name, type, pk from pragma_table_info(:name)"
_POSTGRES: Final = """
select a.attname::text, format_type(a.atttypid, null), coalesce(a.attnum = any(i.indkey), false)
from pg_attribute a left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
where a.attrelid = to_regclass(:name) and a.attnum > 0 and not a.attisdropped order by a.attnum"""
_PLAIN: Final = frozenset((
    "boolean", "smallint", "integer", "bigint", "real", "double precision", "numeric", "text", "character varying", "date",
    "timestamp with time zone", "timestamp without time zone", "uuid", "bytea",
))  # fmt: skip
"""Types of PostgreSQL that are compared as they are; others, which may have no equality, as text."""
_TIMES: Final = "(rows)"
"""Without a primary key, how often a row is there counts like a column of this name."""


async def _shape(target: Backend, name: str, old: Build, new: Build) -> _Shape:
    before, after = [await _columns(target, name + build.suffix) for build in (old, new)]
    both = [column.name for column in after if column.name in {each.name for each in before}]
    kinds = [{column.name: column.kind for column in columns} for columns in (before, after)]
    keys = [[column.name for column in columns if column.is_key] for columns in (before, after)]
    key = keys[1] if keys[1] and sorted(keys[0]) == sorted(keys[1]) else both
    if target.capabilities.name == "sqlite":
        columns = {each: f"{_quoted(each)} collate binary" for each in both}
    else:
        columns = {each: _in_postgres(each, kinds[0][each], kinds[1][each]) for each in both}
    if key is both:
        columns[_TIMES] = "count(*)"
    gone = tuple(column.name for column in before if column.name not in both)
    return _Shape(name, columns, key, gone, tuple(column.name for column in after if column.name not in both))


async def _columns(target: Backend, table: str) -> Sequence[_Column]:
    if target.capabilities.name == "sqlite":
        rows: Any = await _looked(target, Own(_SQLITE, {"name": table}))
    else:
        rows = await _looked(target, Own(_POSTGRES, {"name": _quoted(table)}))
    return [_Column(name, kind, bool(is_key)) for name, kind, is_key in rows]


def _in_postgres(name: str, before: str, after: str) -> str:
    plain = before == after and before in _PLAIN
    return _quoted(name) if plain else f"cast({_quoted(name)} as text)"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def _looked(target: Backend, own: Own) -> Rows:
    """The rows. In PostgreSQL the schema in which a read model's tables are is set for a transaction."""
    if target.capabilities.name == "sqlite":
        return await target.query(own)
    return (await target.work([own]))[0]


# Rows -------------------------------------------------------------------------


async def _differing(
    target: Backend, old: Build, new: Build, shape: _Shape, limit: int
) -> tuple[int | None, int, int, Sequence[RowDifference]]:
    """The lowest and the highest position of both builds, how many rows differ, and the first of them."""
    names = tuple(f"c{i}" for i in range(len(shape.columns)))
    key = [names[i] for i, name in enumerate(shape.columns) if name in shape.key]
    text = _statement(shape, names, key, shape.name + old.suffix, shape.name + new.suffix)
    values = {**old.key, "new": new.number, "limit": max(limit, 0)}
    rows: Any = await _looked(target, Own(text, values))
    low, high, count = rows[0][:3]
    found = [row for row in rows if row[3] is not None]
    return low, high, count or 0, list(_paired(shape, found))


def _statement(shape: _Shape, names: Sequence[str], key: Sequence[str], old: str, new: str) -> str:
    chosen = ", ".join(f"{text} as {name}" for text, name in zip(shape.columns.values(), names, strict=True))
    grouped = f" group by {', '.join(str(i) for i in range(1, len(names)))}" if _TIMES in shape.columns else ""
    one, other = (f"select {chosen} from {_quoted(table)}{grouped}" for table in (old, new))  # noqa: S608 - as below
    return f"""
with refold_sides as (
  select 0 as side, only_old.* from ({one} except {other}) only_old
  union all
  select 1 as side, only_new.* from ({other} except {one}) only_new),
refold_places as (select dense_rank() over (order by {", ".join(key)}) as place, side, {", ".join(names)} from refold_sides)
select low, high, (select max(place) from refold_places), place, side, {", ".join(names)}
from (
  select min(position) as low, max(position) as high from {{refold}}partitions
  where projection = :projection and build in (:build, :new) and exists (
    select 1 from {{refold}}builds where projection = :projection and build = :build and role = 'active')) stand
left join refold_places on place <= :limit
order by place, side"""  # noqa: S608 - names from the database, in quotes


def _paired(shape: _Shape, rows: Sequence[Sequence[Any]]) -> Iterator[RowDifference]:
    for _, group in groupby(rows, lambda row: row[3]):
        both = list(group)
        olds, news = (
            [dict(zip(shape.columns, row[5:], strict=True)) for row in both if row[4] == side] for side in (0, 1)
        )
        for before, after in zip_longest(olds, news):
            key = {name: (before or after or {})[name] for name in shape.key}
            yield RowDifference(shape.name, key, before, after)
