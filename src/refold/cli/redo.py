"""`refold redo`: what was undone, appended again."""

from __future__ import annotations

from typing import Unpack

import click

from refold.cli.undoing import Asked, carry_out, undoing_options
from refold.store import Store


@click.command(
    "redo",
    short_help="Redo what was undone.",
    help="""Redo events that were undone, or all of a story that is undone.

    WHAT is the event that was undone, or one that undid it: STREAM@VERSION, '#POSITION', or its id. The plan is shown, and
    asked for.

    In the way is an event that it needs, or was caused by, and that is undone; what undoing it caused and still stands; and an
    application that refuses. Then nothing is appended, and the exit code is 7.

    \b
    Examples:
      refold redo cart-c-1@2 --app shop:app --store shop.db --plan
      refold redo cart-c-1@2 --app shop:app --store shop.db --actor ada --yes
    """,
)
@undoing_options
def command(**asked: Unpack[Asked]) -> None:
    """See `help` above."""
    carry_out(Store.plan_redo, Store.redo, **asked)
