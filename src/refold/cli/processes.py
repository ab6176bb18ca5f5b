"""`refold processes`: the instances of an application's processes, and what an operator does to them."""

from __future__ import annotations

import click

from refold.cli.instances import listed, outgoing, show
from refold.cli.interventions import cancel, reindex, retry, signal, skip


@click.group(
    "processes",
    short_help="See and steer the instances of processes.",
    help="""See and steer the instances of an application's processes, each of which keeps a journal of its own.

    \b
    Examples:
      refold processes list --stuck --store shop.db
      refold processes show reminders c-1 --app shop:desk --store shop.db
    """,
    epilog="Every command has examples: refold processes COMMAND --help.",
)
def command() -> None:
    """See `help` above."""


for _each in (listed, show, cancel, retry, skip, signal, outgoing, reindex):
    command.add_command(_each)
