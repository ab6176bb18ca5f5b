"""`refold mcp`: the store as tools of an assistant."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

import click

from refold.cli import serve as serving
from refold.cli.apps import application
from refold.cli.models import existing
from refold.cli.options import app_option_for, archive_given, read_only, reading, store_option


@click.command(
    "mcp",
    short_help="Let an assistant look into the store, over MCP.",
    help="""Serve the store to an assistant, over the Model Context Protocol on stdin and stdout, until stdin is closed.

    Its tools describe the model, read events, streams, states, stories, read models and processes, ask what if, and try
    commands out. The store is opened for reading alone. With --allow-commands there is one that writes: each command then
    takes a reason, and is kept in the audit. It needs pip install 'refold[mcp]'.

    A client starts this command by itself: put it into the client's configuration.

    \b
    Examples:
      refold mcp --store shop.db
      refold mcp --store shop.db --app shop:app
      refold mcp --store shop.db --app shop:app --allow-commands --actor ada
    """,
)
@store_option
@app_option_for("model, states and commands to show", without="Without one, data of events are merged.")
@click.option("--allow-commands", is_flag=True, help="Let the assistant send commands, too.")
@click.option("--actor", default="assistant", show_default=True, metavar="NAME", help="In whose name they are sent.")
@click.option(
    "--page", type=click.IntRange(1), default=100, show_default=True, metavar="N", help="Entries of a result at most."
)
@click.option(
    "--bytes", "size", type=click.IntRange(1_000), default=100_000, show_default=True, metavar="N",
    help="Bytes of a result at most.",
)  # fmt: skip
def command(*, url: str, app: str | None, allow_commands: bool, actor: str, page: int, size: int) -> None:
    """See `help` above."""
    from refold.mcp import Most, serve  # noqa: PLC0415 - an extra

    with redirect_stdout(sys.stderr):  # whatever the application prints is no message of the protocol
        parts = application(app)
    (existing if allow_commands else reading)(url).close()
    place = url if allow_commands else read_only(url)
    serving.run(
        serve(
            place, app=parts, archive=archive_given(), most=Most(page, size), actor=actor, allow_commands=allow_commands
        )
    )
