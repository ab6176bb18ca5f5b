"""`refold verify`: whether the store is whole."""

from __future__ import annotations

import click

from refold.cli.exits import Exit, Interrupted
from refold.cli.options import output_option, reading, store_option
from refold.cli.output import Column, Listing, chosen, print_list
from refold.cli.progress import progress
from refold.ports import Damage

_LISTING: Listing[Damage] = Listing(
    (Column("position", lambda d: d.position), Column("problem", lambda d: d.problem)), lambda damage: damage
)


@click.command(
    "verify",
    short_help="Check the whole store for damage.",
    help="""Check the whole store: its file, its indexes, its triggers, and every event; findings are listed.

    It only reads. The exit code is 0 when all is well, and 6 when something is damaged.

    \b
    Examples:
      refold verify --store shop.db
      refold verify --store shop.db --output json
    """,
)
@store_option
@output_option()
@click.pass_context
def command(ctx: click.Context, url: str, output: str) -> None:
    """See `help` above."""
    found: list[Damage] = []
    reached = 0
    with reading(url) as store, progress() as tell:
        head = int(store.head())
        try:
            for position, damages in store.verify():
                reached = int(position)
                found += damages
                tell("verify", reached, head)
        except KeyboardInterrupt:
            raise Interrupted(f"stopped at position {reached} of {head}, {len(found)} findings until there.") from None
    print_list(_LISTING, found, output)
    if chosen(output) in {"table", "plain"} and not found:
        click.echo(f"all is well: {reached:,} positions checked.", err=True)
    ctx.exit(Exit.CORRUPT if found else Exit.OK)
