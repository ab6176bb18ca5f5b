"""`refold verify`: whether the store is whole."""

from __future__ import annotations

from pathlib import Path

import click

from refold.cli.exits import Exit, Interrupted
from refold.cli.options import output_option, reading, store_option
from refold.cli.output import Column, Listing, chosen, print_list
from refold.cli.progress import progress
from refold.cli.saying import say
from refold.ports import Damage

_LISTING: Listing[Damage] = Listing(
    (Column("position", lambda d: d.position), Column("problem", lambda d: d.problem)), lambda damage: damage
)


@click.command(
    "verify",
    short_help="Check the whole store for damage.",
    help="""Check the whole store: its file, its indexes, its triggers, and every event with its digest; findings are listed.

    It only reads. The exit code is 0 when all is well, and 6 when something is damaged.

    --restore is a drill: BACKUP is restored into a scratch place that is gone afterwards, verified there, and compared with
    the store. It tells how long that takes, and which events would be lost; and it finds what the store alone cannot tell, such
    as events that were cut off at the end. A scratch file stands in TMPDIR; on PostgreSQL it is a database beside, which the
    role must be allowed to make.

    \b
    Examples:
      refold verify --store shop.db
      refold verify --store shop.db --output json
      refold verify --restore shop.backup --store shop.db
    """,
)
@store_option
@click.option(
    "--restore", "backup", metavar="BACKUP", help="Try this backup of the store, instead of checking the store."
)
@output_option()
@click.pass_context
def command(ctx: click.Context, url: str, backup: str | None, output: str) -> None:
    """See `help` above."""
    if backup is not None:
        ctx.exit(_tried(Path(backup), url, output))
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
        say(f"all is well: {reached:,} positions checked.", err=True)
    ctx.exit(Exit.CORRUPT if found else Exit.OK)


def _tried(backup: Path, url: str, output: str) -> Exit:
    from refold.backup.drilling import drill  # noqa: PLC0415 - whoever verifies a store alone needs none of it
    from refold.cli.backups import print_drill  # noqa: PLC0415

    with progress() as tell:
        try:
            drilled = drill(backup, url, tell)
        except KeyboardInterrupt:
            raise Interrupted("stopped: the scratch place is gone.") from None
    print_drill(drilled, output)
    return Exit.OK if drilled.differs_at is None else Exit.CORRUPT
