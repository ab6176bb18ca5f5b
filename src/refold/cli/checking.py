"""`refold projections verify` and `audit`: whether read models hold what the events make of them."""

from __future__ import annotations

import click
import msgspec

from refold.cli.differing import print_comparison
from refold.cli.exits import Exit, Interrupted
from refold.cli.models import Models, into_option, projections_option
from refold.cli.options import output_option, store_option
from refold.cli.output import chosen, print_object
from refold.cli.progress import progress
from refold.cli.saying import say

limit_option = click.option(
    "--limit",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    metavar="N",
    help="At most so many rows are shown.",
)


@click.command(
    "verify",
    short_help="Build a read model from scratch beside, and compare.",
    help="""Build a read model from scratch beside the one that people read, compare row by row, and remove it again.

    Rows that differ are shown with the events that changed them; the exit code is 1 then. What the read model could not
    apply, or was told to skip, is left out of the other one, too. Work on it goes on meanwhile.

    \b
    Examples:
      refold projections verify carts --app shop:app --store shop.db
      refold projections verify carts --app shop:app --store shop.db --output json
    """,
)
@click.argument("name")
@projections_option
@store_option
@into_option
@limit_option
@output_option()
@click.pass_context
def verify(
    ctx: click.Context, *, name: str, app: str | None, url: str, into: str | None, limit: int, output: str
) -> None:
    """See `help` above."""
    with Models.writing(url, into, app) as models, progress() as tell:
        model = models.model(name)
        try:
            comparison = model.verify(limit=limit, progress=lambda done, head: tell("verify", done, head))
        except KeyboardInterrupt:
            raise Interrupted(
                "stopped: what was built for it was removed again, and nothing else was changed."
            ) from None
    print_comparison(comparison, output)
    ctx.exit(Exit.OK if comparison.is_equal else Exit.FINDINGS)


@click.command(
    "audit",
    short_help="Check that each event was taken in exactly once.",
    help="""Check that a read model took in each event exactly once, without building it again; the exit code is 1 if not.

    --repair delivers what is missing, late, each in a transaction of its own.

    \b
    Examples:
      refold projections audit carts --app shop:app --store shop.db
      refold projections audit carts --app shop:app --store shop.db --repair --output json
    """,
)
@click.argument("name")
@click.option("--repair", is_flag=True, help="Deliver what is missing.")
@projections_option
@store_option
@into_option
@output_option()
@click.pass_context
def audit(
    ctx: click.Context, *, name: str, repair: bool, app: str | None, url: str, into: str | None, output: str
) -> None:
    """See `help` above."""
    with Models.writing(url, into, app) as models, progress() as tell:
        found = models.model(name).audit(repair=repair, progress=lambda done, head: tell("audit", done, head))
    if chosen(output) in {"table", "plain"}:
        say(str(found))
    else:
        print_object(
            {**msgspec.structs.asdict(found), "applied": found.applied, "is_sound": found.is_sound},
            output,
            lambda: None,
        )
    ctx.exit(Exit.OK if found.is_sound else Exit.FINDINGS)
