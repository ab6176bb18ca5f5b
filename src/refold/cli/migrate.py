"""`refold migrate`: bring a store to the format of this Refold."""

from __future__ import annotations

import click

from refold.cli.exits import Exit
from refold.cli.options import live_store_option, writing
from refold.cli.saying import say, write
from refold.limits import Limits
from refold.opening import migration


@click.command(
    "migrate",
    short_help="Bring a store to the format of this Refold.",
    help="""Bring a store to the format of this Refold, in one transaction; where there is none, make it.

    Opening a store for writing does the same. This is for those who want to see it first, or whose roles may not.

    \b
    Examples:
      refold migrate --store shop.db --check
      refold migrate --store new.db --sql
      refold migrate --store new.db
    """,
)
@live_store_option
@click.option(
    "--check", is_flag=True, help="Only say where it stands; the exit code is 1 when there is something to do."
)
@click.option("--sql", is_flag=True, help="Only print the SQL that would run.")
@click.pass_context
def command(ctx: click.Context, url: str, check: bool, sql: bool) -> None:  # noqa: FBT001 - click hands flags over so
    """See `help` above."""
    plan = migration(url)
    if sql:
        write("".join(f"{each}\n" for each in plan.sql))
        return
    if check or not plan.is_needed:
        say(f"{plan.where} has format {plan.found or 'none'}, the newest is {plan.newest}.")
        ctx.exit(Exit.FINDINGS if plan.is_needed else Exit.OK)
    writing(url, Limits()).close()
    done = f"brought from format {plan.found} to {plan.newest}" if plan.found else f"made, of format {plan.newest}"
    say(f"{plan.where} was {done}.")
