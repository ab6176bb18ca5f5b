"""`refold schema`: the shapes of events, locked, compared, shown and exported."""

from __future__ import annotations

import click

from refold.cli.drift import diff
from refold.cli.locking import lock
from refold.cli.shapes import export, show


@click.group(
    "schema",
    short_help="Lock, compare, show and export the shapes of events.",
    help="""Lock, compare, show and export the shapes of events.

    The lock file, events.lock.json, holds every shape that events were ever written in. Keep it under version control, and
    let a build ask whether all of them can still be read.

    \b
    Examples:
      refold schema lock --app shop:app
      refold schema lock --check --app shop:app
    """,
    epilog="Every command has examples: refold schema COMMAND --help.",
)
def command() -> None:
    """See `help` above."""


for _each in (lock, diff, show, export):
    command.add_command(_each)
