"""What the demo prints: what was stored, one order then and now, the read model, and what to try next."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from refold import Durability, Loaded, Store
from refold.demo.day import DAY, FEATURED
from refold.demo.orders import Order, orders
from refold.demo.sales import by_product, by_status

EARLIER: Final = DAY + timedelta(hours=11)
"""The time to which the demo goes back: Ada is still filling her order."""

_WIDTH: Final = 100
_CHANGED: Final = "bold yellow"
_SURVIVES: Final[dict[Durability, str]] = {
    "disk": "each waits until its events are on disk",
    "best-effort": "the newest may be lost in a power cut",
    "quorum-disk": "each waits until a majority of nodes has its events on disk",
    "quorum-memory": "each waits until a majority of nodes has its events",
}


@dataclass(frozen=True, slots=True)
class Played:
    """How the day went."""

    handled: int
    refused: int
    seconds: float


def report(store: Store, played: Played, file: Path, *, replaced: bool) -> None:
    """Print all of it on stdout; to a pipe, plain."""
    out = Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    out.print(_title(file, replaced=replaced))
    _section(out, "Stored", "", _stored(store, played))
    out.print(_by_category(store))
    _section(out, f"Order {FEATURED.order}", f"as the store knew it at {EARLIER:%H:%M}, and now", _then_and_now(store))
    _section(out, "Read model", "kept by a projection, in tables beside the events", _read_model(store))
    _section(out, "Next", f"all of these work on the {file} that is left")
    for command in next_commands(store, file):
        out.print(Text(command, "green"), soft_wrap=True)
    _section(out, "Studio", "the same store in a browser; it needs pip install 'refold[studio]'")
    out.print(Text(studio_command(file), "green"), soft_wrap=True)
    _section(out, "Live", "a shop that stays open: customers, workers and the Studio, until Ctrl-C")
    out.print(Text(f"{_program()} demo --live", "green"), soft_wrap=True)


def _title(file: Path, *, replaced: bool) -> Text:
    fate = f"The {file} of an earlier demo was deleted, this is a new one." if replaced else f"All of it is in {file}."
    return Text.assemble(
        ("A small shop on Refold. ", "bold"),
        f"One day of trade, {DAY:%A} {DAY.day} {DAY:%B %Y}, by a clock that the demo brings along: "
        f"a day of minutes passes in seconds, with the same times in each run. {fate}",
    )


def _section(out: Console, title: str, rest: str, content: RenderableType | None = None) -> None:
    out.print(Text.assemble("\n", (title, "bold cyan"), "  ", (rest, "dim")))
    if content is not None:
        out.print(content)


def _table(*columns: str, right: Iterable[str] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="dim", show_edge=False, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left")
    return table


# Stored -----------------------------------------------------------------------


def _stored(store: Store, played: Played) -> str:
    stats = store.stats()
    return (
        f"{stats.events:,} events in {stats.streams:,} streams, {stats.bytes / 1e6:.1f} MB. "
        f"{played.handled:,} commands came to them in {played.seconds:.1f} s; {played.refused:,} more were refused by a rule.\n"
        f"Durability {store.durability!r}: {_SURVIVES[store.durability]}.\n"
    )


def _by_category(store: Store) -> Table:
    stats = store.stats()
    streams = Counter(info.stream.partition("-")[0] for info in store.streams())
    table = _table("category", "streams", "events", "of which", right=("streams", "events"))
    for category, events in sorted(stats.categories.items()):
        table.add_row(category, f"{streams[category]:,}", f"{events:,}", _types(category, stats.types.items()))
    return table


def _types(category: str, types: Iterable[tuple[str, int]]) -> Text:
    kind = f"{category.partition('.')[0]}."  # a process has a category of its own: $process.fulfilment
    mine = sorted((name.removeprefix(kind), count) for name, count in types if name.startswith(kind))
    pieces = [((f"{name} ", "dim"), f"{count:,}  ") for name, count in mine]
    return Text.assemble(*(piece for pair in pieces for piece in pair))


# One order --------------------------------------------------------------------


def _then_and_now(store: Store) -> Table:
    order = store.bind(orders)
    then, now = order.load(FEATURED.order, as_of=EARLIER), order.load(FEATURED.order)
    table = _table("", f"at {EARLIER:%H:%M}, version {then.version}", "", f"now, version {now.version}")
    for name, before, after in _rows(then, now):
        arrow, style = ("", "") if before == after else ("→", _CHANGED)
        table.add_row(Text(name, "dim"), before, Text(arrow, style), Text(after, style))
    return table


def _rows(then: Loaded[Order], now: Loaded[Order]) -> Iterable[tuple[str, str, str]]:
    before, after = _facts(then.state), _facts(now.state)
    return [(name, before.get(name, "-"), after.get(name, "-")) for name in dict.fromkeys((*before, *after))]


def _facts(order: Order) -> dict[str, str]:
    lines = {line.sku: f"{line.qty} at {_money(line.cents)}" for line in order.lines}
    parcel = {"parcel": order.parcel} if order.parcel else {}
    head = {"status": order.status, "customer": order.customer}
    return head | lines | {"discount": f"{order.discount} %", "total": _money(order.cents)} | parcel


def _money(cents: int) -> str:
    return f"{cents // 100:,}.{cents % 100:02}"


# Read model -------------------------------------------------------------------


def _read_model(store: Store) -> Table:
    heads = ("product", "orders", "pieces", "sold for", "   ", "status", "orders ", "worth")
    table = _table(*heads, right=("orders", "pieces", "sold for", "orders ", "worth"))
    products = [(p.sku, str(p.orders), str(p.pieces), _money(p.cents)) for p in by_product(store)]
    statuses = [(s.status, str(s.orders), _money(s.cents) if s.cents else "") for s in by_status(store)]
    for left, right in zip_longest(products, statuses):
        table.add_row(*(left or ("", "", "", "")), "", *(right or ("", "", "")))
    return table


# Next -------------------------------------------------------------------------


def next_commands(store: Store, file: Path) -> Sequence[str]:
    """Commands that look into the file, as a shell takes them, from the working directory."""
    name = str(orders.stream(FEATURED.order))
    opened = next(store.read(name, limit=1))
    earlier, app = f"{EARLIER:%Y-%m-%dT%H:%M}", "--app refold.demo.app:app"
    asked = (
        "streams 'stock-*'",
        f"show {name}",
        f"state {name} --at {earlier} {app}",
        f"diff {name} {earlier} {store.bind(orders).load(FEATURED.order).version} {app}",
        f"trace {opened.metadata.correlation_id}",
        f"processes show fulfilment {FEATURED.order} {app}",
        "stats",
        "verify",
    )
    return [f"{_program()} {rest} --store {shlex.quote(str(file))}" for rest in asked]


def studio_command(file: Path) -> str:
    """The command that shows the file in a browser, until it is told to stop."""
    return f"{_program()} studio --app refold.demo.app:app --store {shlex.quote(str(file))}"


def _program() -> str:
    """The `refold` beside this Python, as seen from the working directory."""
    program = Path(sys.executable).with_name("refold")
    if shutil.which("refold") == str(program):
        return "refold"
    near = program.is_relative_to(Path.cwd())
    return shlex.quote(os.path.relpath(program) if near else str(program))
