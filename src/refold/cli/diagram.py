"""`refold diagram`: the event model of an application, as a picture or as text that others draw."""

from __future__ import annotations

from pathlib import Path

import click

from refold.architect.diagrams import board_of, laid_out, mermaid_of, svg_of
from refold.architect.model import derive
from refold.cli.apps import app_having
from refold.cli.options import app_option_for
from refold.cli.saying import write
from refold.errors import Refused, UsageError


@click.command(
    "diagram",
    short_help="Draw the event model of an application.",
    help="""Draw the event model of an application to FILE, or with - to stdout: which command leads to which events, and
    what these feed.

    It is derived from the parts of the application and their code; nothing of it runs. A column is a slice: a state change, a
    state view, or an automation. svg is a picture that follows the light or dark of whoever looks; mermaid is a flowchart as
    text.

    \b
    Examples:
      refold diagram --app shop:app
      refold diagram model.svg --app shop:app
      refold diagram --format mermaid --app shop:app
    """,
)
@click.argument("file", default="-")
@app_option_for("event model to draw")
@click.option("--format", type=click.Choice(["svg", "mermaid"]), default="svg", show_default=True)
@click.option("--yes", is_flag=True, help="Replace FILE if it is there.")
def command(file: str, app: str | None, format: str, *, yes: bool) -> None:
    """See `help` above."""
    board = board_of(derive(app_having("event model", app)))
    text = mermaid_of(board) if format == "mermaid" else svg_of(laid_out(board), label="Event model")
    if file == "-":
        write(text)
        return
    if Path(file).exists() and not yes:
        raise Refused(f"{file!r} is there already: choose another name, or replace it with --yes.")
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file!r} cannot be written: {error.strerror or error}.") from error
