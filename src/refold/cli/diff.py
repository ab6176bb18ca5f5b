"""`refold diff`: what changed between two states of a stream."""

from __future__ import annotations

from collections.abc import Sequence

import click
import msgspec

from refold.cli.apps import application
from refold.cli.options import Timed, app_option, as_of, output_option, reading, snapshots_option, store_option
from refold.cli.output import Column, Listing, chosen, print_list
from refold.cli.states import States
from refold.cli.values import as_text, for_people, visible
from refold.flows.load import AsOf
from refold.patching import Operation, difference

_LISTING: Listing[Operation] = Listing(
    (
        Column("op", lambda c: c.op),
        Column("path", lambda c: c.path),
        Column("old", lambda c: _told(c.old)),
        Column("new", lambda c: _told(c.value)),
    ),
    lambda change: change,
)


def _told(value: object) -> str:
    return "" if value is msgspec.UNSET else "null" if value is None else as_text(value)


@click.command(
    "diff",
    cls=Timed,
    short_help="Show what changed between two states of a stream.",
    help="""Show what changed in the state of a stream from one version or time to another.

    Places are JSON pointers (RFC 6901). In JSON, `data` is a JSON Patch (RFC 6902) that also tells the old values. Where
    the application saves states of the fold (App(..., snapshots=...)), folding begins with the nearest ones.

    \b
    Examples:
      refold diff cart-c-1 1 2 --store shop.db
      refold diff cart-c-1 1 2 --store shop.db --output json
      refold diff cart-c-1 2026-01-31 2026-02-28T12:00 --store shop.db
      refold diff cart-c-1 -2h -1h --store shop.db
    """,
)
@click.argument("stream")
@click.argument("old", type=as_of)
@click.argument("new", type=as_of)
@store_option
@app_option
@snapshots_option
@output_option()
def command(*, stream: str, old: AsOf, new: AsOf, url: str, app: str | None, trusting: bool, output: str) -> None:
    """See `help` above."""
    with reading(url) as store:
        states = States(store, stream, application(app), trusting=trusting)
        before, after = states.folded(old), states.folded(new)
    found = difference(before.state, after.state)
    if chosen(output) == "table":
        _table(stream, (before.version, after.version), found)
    else:
        print_list(_LISTING, found, output)


_SIGNS = {"add": ("+", "green"), "replace": ("~", "yellow"), "remove": ("-", "red")}


def _table(stream: str, versions: tuple[int, int], found: Sequence[Operation]) -> None:
    from refold.cli.tables import print_line  # noqa: PLC0415 - rich is loaded when it is needed

    print_line((stream, "bold cyan"), (f"  version {versions[0]} → {versions[1]}", "dim"))
    print_operations(found)


def print_operations(found: Sequence[Operation], indent: str = "", nothing: str = "nothing changed.") -> None:
    """The operations for people, a line each."""
    from refold.cli.tables import print_line  # noqa: PLC0415 - rich is loaded when it is needed

    if nothing and not found:
        print_line((indent + nothing, "dim"))
    width = max((len(visible(change.path)) for change in found), default=0)
    for change in found:
        sign, style = _SIGNS[change.op]
        arrow = [(for_people(_told(change.old)), "dim"), (" → ", "dim")] if change.op == "replace" else []
        value = change.old if change.op == "remove" else change.value
        print_line((f"{indent}{sign} {visible(change.path):<{width}}  ", style), *arrow, (for_people(_told(value)), ""))
