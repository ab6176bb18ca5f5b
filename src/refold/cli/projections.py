"""`refold projections`: the read models of a store, and what an operator does to them."""

from __future__ import annotations

import click

from refold.cli.checking import audit, verify
from refold.cli.looking import listed, show
from refold.cli.rebuilding import abandon, rebuild
from refold.cli.removing import drop_retired, reset
from refold.cli.steering import pause, repartition, resume


@click.group(
    "projections",
    short_help="See, steer, rebuild and check read models.",
    help="""See, steer, rebuild and check the read models of a store.

    \b
    Examples:
      refold projections list --store shop.db
      refold projections rebuild carts --app shop:app --store shop.db
    """,
    epilog="Every command has examples: refold projections COMMAND --help.",
)
def command() -> None:
    """See `help` above."""


for _each in (listed, show, pause, resume, repartition, rebuild, abandon, verify, audit, reset, drop_retired):
    command.add_command(_each)
