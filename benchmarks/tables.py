"""The rows on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from rich.table import Table
from rich.text import Text

from benchmarks.marks import Figures, Row, shown


def tables_of(rows: Sequence[Row]) -> Iterator[Table]:
    """A table for each store. What is missing in a cell lost something or failed, and says so."""
    for store in dict.fromkeys(row.store for row in rows):
        yield _table(store, [row for row in rows if row.store == store])


def _table(store: str, rows: Sequence[Row]) -> Table:
    peers = list(dict.fromkeys(name for row in rows for name in row.peers))
    table = Table(box=None, padding=(0, 1), header_style="bold", title_justify="left", title=store.strip("-"))
    for name in ("work", "", "Refold", "raw", *peers, "of raw", "of best peer"):
        table.add_column(
            name.replace(", ", ",\n"), justify="left" if name in {"work", ""} else "right", no_wrap=name in {"work", ""}
        )
    table.add_column("mark", overflow="fold")
    last = ""
    for row in rows:
        table.add_row(
            "" if row.work == last else row.work, row.unit, _cell(row, "refold", row.refold), _cell(row, "raw", row.raw),
            *(_cell(row, peer, row.peers[peer]) if peer in row.peers else Text() for peer in peers),
            _ratio(row.of_raw), _ratio(row.of_best_peer), _mark(row),
        )  # fmt: skip
        last = row.work
    return table


def _cell(row: Row, name: str, figures: Figures) -> Text:
    if name in row.wrong:
        return Text(_in_short(row.wrong[name]), "red")
    if not figures:
        return Text()
    text = Text(shown(median(figures)), "bold" if name == "refold" else "")
    if len(figures) > 1:
        text.append(f" {shown(min(figures))}-{shown(max(figures))}", "dim")
    return text


def _in_short(wrong: str) -> str:
    """`LOST 2 of 400`, if it begins with how many; the sentence itself stands in the JSON and below the tables."""
    first, _, rest = wrong.partition(" of ")
    return f"LOST {first} of {rest.split()[0]}" if first.isdigit() else "FAILED"


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _mark(row: Row) -> Text:
    style, word = {True: ("green", "met"), False: ("red", "missed"), None: ("", "")}[row.met]
    return Text.assemble((f"{word} " if word else "", style), row.mark or "")


def legend(rows: Sequence[Row]) -> Sequence[str]:
    """What the works are, each once."""
    return [f"{work:16} {what}" for work, what in dict.fromkeys((row.work, row.what) for row in rows)]


def complaints(rows: Sequence[Row]) -> Sequence[str]:
    """What was lost, or failed, and by whom: each once."""
    found = [f"{row.work} on {row.store}: {name}: {what}" for row in rows for name, what in row.wrong.items()]
    return list(dict.fromkeys(found))
