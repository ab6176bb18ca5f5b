"""`refold stats`: how much the store holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click
import msgspec

from refold.cli.options import output_option, reading, store_option
from refold.cli.output import print_object
from refold.cli.values import for_people
from refold.ports import Stats
from refold.secrecy import shown

_SHOWN = 20
_MB = 1_000_000


@click.command(
    "stats",
    short_help="Count events, streams, types and categories.",
    help="""Count the events and streams of a store, by type and by category, with its times, size and durability.

    \b
    Examples:
      refold stats --store shop.db
      refold stats --store shop.db --output json
    """,
)
@store_option
@output_option()
def command(url: str, output: str) -> None:
    """See `help` above."""
    with reading(url) as store:
        stats, durability = store.stats(), store.durability
    stats = msgspec.structs.replace(stats, types=_by_count(stats.types), categories=_by_count(stats.categories))
    form: dict[str, Any] = {**msgspec.structs.asdict(stats), "durability": durability}
    print_object(form, output, lambda: _table(url, stats, durability))


def _by_count(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _table(url: str, stats: Stats, durability: str) -> None:
    from refold.cli.tables import print_facts, print_line, print_table  # noqa: PLC0415 - rich is loaded when it is needed

    print_facts((
        ("store", shown(url)),
        ("events", f"{stats.events:,} in {stats.streams:,} streams"),
        ("head", f"#{stats.head}"),
        ("recorded", f"{for_people(stats.first_recorded_at)} to {for_people(stats.last_recorded_at)}" if stats.events else "-"),
        ("size", _size(stats.bytes)),
        ("durability", durability),
    ))  # fmt: skip
    for name, counts in (("category", stats.categories), ("type", stats.types)):
        if counts:
            print_line(("", ""))
            print_table((name, "events", ""), [*_rows(counts, stats.events)])
        if len(counts) > _SHOWN:
            print_line((f"and {len(counts) - _SHOWN} more: --output plain lists all.", "dim"))


def _size(bytes: int) -> str:
    return f"{bytes / _MB:,.1f} MB" if bytes >= _MB else f"{bytes / 1e3:,.0f} kB"


def _rows(counts: Mapping[str, int], all: int) -> Iterable[list[tuple[object, str, str]]]:
    for name, count in list(counts.items())[:_SHOWN]:
        yield [(name, name, "cyan"), (count, f"{count:,}", ""), ("", f"{'█' * max(1, round(24 * count / all))}", "dim")]
