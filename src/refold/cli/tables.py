"""What people see on a terminal: tables, trees and coloured JSON. The one room of Rich, beside the progress bars."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, cast

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.live import Live
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from refold.cli.saying import harmless
from refold.cli.values import as_text, for_people, indented, on_one_line, visible

Cell = tuple[object, str, str]
"""A value, its text for people, and its style."""

_WIDEST, _NARROWEST, _REST = 34, 4, 20
"""Characters of any column beside one that takes the rest; of any column; and of the one that takes the rest."""
_BETWEEN = 3


class _Terminal(Console):
    """That nobody reads any more ends the command, and not, as Rich has it, the process."""

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 - Rich calls it where it has caught that


def console() -> Console:
    """The terminal. NO_COLOR is heeded."""
    return _Terminal(file=sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=False)


def print_table(names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Rows under each other; the last column takes what is left of the line."""
    console().print(table_of(names, rows))


def table_of(names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Table:
    """The same, not printed yet."""
    wide = bool(rows) and isinstance(rows[0][-1][0], Mapping)
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False, expand=wide)
    for index, width in enumerate(_widths(names, rows, console().width, wide=wide)):
        right = all(isinstance(row[index][0], int) for row in rows)
        table.add_column(
            Text(names[index]), justify="right" if right else "left", no_wrap=True, overflow="ellipsis",
            width=width, ratio=1 if width is None else None,
        )  # fmt: skip
    for row in rows:
        table.add_row(*(_cell(cell) for cell in row))
    return table


def _widths(names: Sequence[str], rows: Sequence[Sequence[Cell]], line: int, *, wide: bool) -> list[int | None]:
    """How wide each column is; None for the one that takes the rest. Where all are too wide, the widest give way."""
    texts = list(zip(names, *[[cell[1] for cell in row] for row in rows], strict=True))
    widths = [max(map(cell_len, column)) for column in (texts[:-1] if wide else texts)]
    room = line - _BETWEEN * (len(names) - 1) - (_REST if wide else 0)
    cap = _WIDEST if wide else max(widths, default=0)
    while cap > _NARROWEST and sum(min(width, cap) for width in widths) > room:
        cap -= 1
    return [*(min(width, cap) for width in widths), *([None] if wide else [])]


def _cell(cell: Cell) -> Text:
    value, text, style = cell
    return (
        Text.assemble(*fields(cast("Mapping[str, object]", value))) if isinstance(value, Mapping) else Text(text, style)
    )


def fields(data: Mapping[str, object]) -> list[tuple[str, str]]:
    """The data of an event on one line, in pieces with their styles: `sku=b-1 qty=2`."""
    pieces: list[tuple[str, str]] = []
    for key, value in data.items():
        text = "null" if value is None else for_people(value)
        pieces += [(f"{' ' if pieces else ''}{on_one_line(key)}=", "dim"), (text, "")]
    return pieces


def json_text(value: object) -> Text:
    """JSON on many lines, in colours."""
    return JSONHighlighter()(Text(harmless(indented(value))))


def print_json(value: object) -> None:
    """JSON on many lines, in colours."""
    console().print(json_text(value))


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """What is known of one thing, a line each."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(Text(on_one_line(name)), value if isinstance(value, Text) else Text(on_one_line(as_text(value))))
    console().print(table)


class Branch(Protocol):
    """A node that a tree is drawn from."""

    @property
    def children(self) -> Sequence[Any]: ...


def print_trees(roots: Iterable[Branch], line: Callable[[Any], Sequence[tuple[str, str]]]) -> None:
    """Trees, each node as a line of pieces with their styles."""
    out = console()
    for root in roots:
        tree = Tree(_on_a_line(line(root)), guide_style="dim")
        _grow(tree, root, line)
        out.print(tree, no_wrap=True, overflow="ellipsis", crop=True)


def _grow(tree: Tree, node: Branch, line: Callable[[Any], Sequence[tuple[str, str]]]) -> None:
    for child in node.children:
        _grow(tree.add(_on_a_line(line(child))), child, line)


def print_line(*pieces: tuple[str, str]) -> None:
    """One line of pieces with their styles, cut where the terminal ends."""
    console().print(_on_a_line(pieces), no_wrap=True, overflow="ellipsis", crop=True)


def _on_a_line(pieces: Iterable[tuple[str, str]]) -> Text:
    return Text.assemble(*((visible(text), style) for text, style in pieces))


@contextmanager
def live_table() -> Generator[Callable[[Sequence[str], Sequence[Sequence[Cell]]], None]]:
    """A table that takes the place of the one before, for as long as the block lasts. The last one stays."""
    with Live(console=console(), auto_refresh=False) as live:
        yield lambda names, rows: live.update(table_of(names, rows), refresh=True)
