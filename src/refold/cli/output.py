"""Lists and single values on stdout, in the format that was asked for. Lists are written as they come."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

import msgspec

from refold.cli.saying import say, write
from refold.cli.values import as_text, for_people, indented, on_one_line, places
from refold.eventlogs.exporter import csv_row
from refold.forms import as_number, encode

T = TypeVar("T")

TABLE_PAGE = 1_000
"""Rows of which the columns' widths are found together."""


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column of a table, and one cell of a plain line. The last one is cut where the terminal ends."""

    name: str
    value: Callable[[T], object]
    style: str = ""


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """How items of one kind are listed: in columns, as a JSON object, as a row of CSV (the columns, if not given)."""

    columns: Sequence[Column[T]]
    form: Callable[[T], object]
    csv: tuple[Sequence[str], Callable[[T], Sequence[str]]] | None = None

    @property
    def csv_header(self) -> Sequence[str]:
        """The first line of CSV."""
        return self.csv[0] if self.csv else [column.name.replace(" ", "_") for column in self.columns]

    def csv_row(self, item: T) -> Sequence[str]:
        """The line of CSV of an item."""
        return self.csv[1](item) if self.csv else self.cells(item)

    def cells(self, item: T) -> Sequence[str]:
        """The values in the columns, for other programs."""
        return [as_text(column.value(item)) for column in self.columns]

    def shown(self, item: T) -> Sequence[tuple[object, str, str]]:
        """The values in the columns, their text for people, and their style."""
        return [(value := column.value(item), for_people(value), column.style) for column in self.columns]


def chosen(output: str) -> str:
    """The format that `auto` means here."""
    return output if output != "auto" else "table" if sys.stdout.isatty() else "plain"


def print_list(
    listing: Listing[T], items: Iterable[T], output: str, after: Callable[[], object] = lambda: None, empty: str = ""
) -> None:
    """Print the items; `after` gives the cursor from which to go on, asked when all were printed."""
    match chosen(output):
        case "json":
            _print_json(listing, items, after)
        case "table":
            _print_table(listing, items, empty)
        case "csv":
            write(csv_row(listing.csv_header))
            for item in items:
                write(csv_row(listing.csv_row(item)))
        case "jsonl":
            _print_lines(encode(listing.form(item)).decode() for item in items)
        case _:
            _print_lines(_plain(listing.cells(item)) for item in items)


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        write(line + "\n")


def _plain(cells: Iterable[str]) -> str:
    return "\t".join(map(on_one_line, cells))


def _print_json(listing: Listing[T], items: Iterable[T], after: Callable[[], object]) -> None:
    write('{"schema":1,"data":[')
    separator = ""
    for item in items:
        write(separator + encode(listing.form(item)).decode())
        separator = ","
    write(f'],"next":{encode(after()).decode()}}}\n')


def _print_table(listing: Listing[T], items: Iterable[T], empty: str) -> None:
    from refold.cli.tables import print_table  # noqa: PLC0415 - rich is loaded when it is needed

    names = [column.name for column in listing.columns]
    rest = iter(items)
    page = list(islice(rest, TABLE_PAGE))
    if not page and empty:
        say(empty, err=True)
    while page:
        print_table(names, [listing.shown(item) for item in page])
        page = list(islice(rest, TABLE_PAGE))


def print_object(form: dict[str, Any], output: str, table: Callable[[], None]) -> None:
    """Print one JSON object: `table` for people, plain and CSV one value a line with its JSON pointer (RFC 6901)."""
    match chosen(output):
        case "table":
            table()
        case "json":
            _print_lines([indented(form)])
        case "jsonl":
            _print_lines([encode(form).decode()])
        case "csv":
            for row in (("pointer", "value"), *_pairs(form)):
                write(csv_row(row))
        case _:
            _print_lines(_plain(pair) for pair in _pairs(form))


def _pairs(form: dict[str, Any]) -> Iterator[tuple[str, str]]:
    builtin: Any = msgspec.to_builtins(form, enc_hook=as_number)
    return ((pointer, "null" if value is None else as_text(value)) for pointer, value in places(builtin))
