"""A comparison of two builds, as it is told: the rows that differ, with the events that changed them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from refold.cli.consent import counted
from refold.cli.output import Column, Listing, chosen, print_list
from refold.cli.saying import say
from refold.cli.values import for_people
from refold.flows.projections.differences import Comparison, RowDifference, TableDifference

_ROWS: Listing[RowDifference] = Listing(
    (
        Column("table", lambda row: row.table),
        Column("key", lambda row: row.key),
        Column("old", lambda row: row.old),
        Column("new", lambda row: row.new),
        Column("events", lambda row: [int(touch.position) for touch in row.events]),
    ),
    lambda row: row,
)


def print_comparison(comparison: Comparison, output: str) -> None:
    """The rows on stdout, and what is to be said of all of them on stderr."""
    if chosen(output) == "table":
        _print_table(comparison)
    else:
        print_list(_ROWS, comparison.rows, output)
    sys.stdout.flush()
    for line in _summary(comparison):
        say(line, err=True)


def _print_table(comparison: Comparison) -> None:
    from refold.cli.tables import print_line  # noqa: PLC0415 - rich is loaded when it is needed

    for row in comparison.rows:
        print_line((f"{row.table}  ", "cyan"), (f"{_fields(row.key)}  ", "bold"), *_changes(row))
        for touch in row.events:
            print_line((f"    #{touch.position}  {touch.stream}  {touch.type}", "dim"))


def _changes(row: RowDifference) -> Iterator[tuple[str, str]]:
    if row.old is None or row.new is None:
        yield ("only in the new build  ", "green") if row.old is None else ("not in the new build  ", "red")
        yield _fields(row.new or row.old or {}), ""
        return
    for name, (old, new) in row.changes.items():
        yield f"{name} ", ""
        yield _shown(old), "red"
        yield " -> ", "dim"
        yield f"{_shown(new)}  ", "green"


def _fields(values: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={_shown(value)}" for name, value in values.items())


def _shown(value: object) -> str:
    return "null" if value is None else for_people(value)


def _summary(comparison: Comparison) -> Iterator[str]:
    builds = (
        f"build {comparison.new} (version {comparison.new_version}) and build {comparison.old} "
        f"(version {comparison.old_version}) of {comparison.projection}"
    )
    if comparison.is_equal:
        yield f"{builds} hold the same at position {comparison.position}."
        return
    yield f"{builds} differ at position {comparison.position}:"
    for table in comparison.tables:
        yield f"  {table.table}: {', '.join(_told(table))}"
    if comparison.differing > len(comparison.rows):
        yield f"  {counted(len(comparison.rows), 'row')} of {comparison.differing:,} were shown: --limit shows more."


def _told(table: TableDifference) -> Iterator[str]:
    if table.is_fresh or table.is_gone:
        yield "only the new build has this table" if table.is_fresh else "the new build has no such table"
    if table.rows:
        yield f"{counted(table.rows, 'row')} differ{'s' if table.rows == 1 else ''}"
    for names, what in ((table.fresh, "only the new build has"), (table.gone, "the new build has no")):
        if names:
            yield f"{what} {', '.join(names)}"
