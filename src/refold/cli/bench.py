"""`refold bench`: how fast Refold is on this machine, with this disk or this server."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from refold.cli.benching import Figure, Report, measured
from refold.cli.options import live_store_option, output_option, reading
from refold.cli.scratch import scratch
from refold.errors import Refused
from refold.opening import migration
from refold.secrecy import shown

_QUICK, _USUAL = 0.1, 2.0
"""Seconds of each piece of work."""


@click.command(
    "bench",
    short_help="Measure this machine and this database.",
    help="""Measure appends, commands, loads, reads and projections on this machine, with this disk or this server.

    The floor is what one wait costs without Refold: an fsync of the same disk, or a round trip to the same server; the
    table says how many floors each append takes. All is done in a scratch file or schema beside the store, which is
    removed at the end; the store itself is not written to. What was acknowledged is read back: without that there are no
    figures.

    \b
    Examples:
      refold bench --store new.db --quick
      refold bench --store shop.db --beside --quick --output json
    """,
)
@live_store_option
@click.option("--quick", is_flag=True, help="A second in all, rather than a quarter of a minute.")
@click.option(
    "--beside", is_flag=True, help="Although the store holds events: they share its disk or server meanwhile."
)
@output_option()
def command(url: str, quick: bool, beside: bool, output: str) -> None:  # noqa: FBT001 - click hands flags over so
    """See `help` above."""
    from refold.cli.output import print_object  # noqa: PLC0415 - after the figures were taken

    if not beside:
        _refuse_if_used(url)
    with scratch(url) as place:
        report = measured(place, _QUICK if quick else _USUAL)
    form: dict[str, Any] = msgspec.to_builtins(report)
    print_object({"store": shown(url), **form}, output, lambda: _table(url, report))


def _refuse_if_used(url: str) -> None:
    if not migration(url).found:
        return
    with reading(url) as store:
        if head := store.head():
            raise Refused(
                f"{shown(url)} holds {head:,} events. Its users would feel it, so name another store, or say --beside: then a "
                "scratch file or schema beside it is measured, and removed."
            )


def _table(url: str, report: Report) -> None:
    from refold.cli.tables import print_facts, print_line, print_table  # noqa: PLC0415 - rich is loaded when it is needed

    floor = f"{report.floor.p50_ms:.3f} ms, p99 {report.floor.p99_ms:.3f} ms: {report.floor.what}"
    print_facts(
        (("store", shown(url)), ("durability", report.durability), ("floor", floor), ("verdict", report.verdict))
    )
    print_line(("", ""))
    names = ("work", "a second", "p50 ms", "p99 ms", "floors each")
    print_table(names, [_row(each, report.floor.p50_ms) for each in report.figures])


def _row(figure: Figure, floor: float) -> list[tuple[object, str, str]]:
    texts = (f"{figure.per_second:,.0f} {figure.unit}", f"{figure.p50_ms:.3f}", f"{figure.p99_ms:.3f}")
    ratio = f"{1e3 / figure.per_second / floor:.2f}" if figure.waits else ""
    return [(figure.what, figure.what, "cyan"), *((text, text, "") for text in texts), (ratio, ratio, "dim")]
