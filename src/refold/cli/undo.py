"""`refold undo`: events, or a story, made up for by further events."""

from __future__ import annotations

from typing import Unpack

import click

from refold.cli.undoing import Asked, carry_out, undoing_options
from refold.store import Store


@click.command(
    "undo",
    short_help="Undo events, or a story, by further events.",
    help="""Undo events, or all of a story that stands, by appending what the application declares as their inverse.

    WHAT is an event: STREAM@VERSION, '#POSITION', or its id. The plan is shown, and asked for. Nothing is deleted: `refold trace`
    shows what was undone, and `refold redo` brings it back.

    What needs an event, or was caused by it, and still stands, is in the way, as is an event without an inverse, and one whose
    inverse refuses. Then nothing is appended, and the exit code is 7.

    \b
    Examples:
      refold undo cart-c-1@2 --app shop:app --store shop.db --plan
      refold undo cart-c-1@1 cart-c-1@2 --app shop:app --store shop.db --yes
    """,
)
@undoing_options
def command(**asked: Unpack[Asked]) -> None:
    """See `help` above."""
    carry_out(Store.plan_undo, Store.undo, **asked)
