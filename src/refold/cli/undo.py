"""`refold undo`: events, or a story, made up for by further events."""

from __future__ import annotations

from collections.abc import Sequence

import click

from refold.cli.undoing import agreed, opened, summary, undoing_options


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
@click.pass_context
def command(
    ctx: click.Context,
    *,
    what: Sequence[str],
    correlation: str | None,
    actor: str | None,
    app: str | None,
    url: str,
    dry_run: bool,
    yes: bool,
) -> None:
    """See `help` above."""
    store, folds, ids = opened(url, app, what, correlation)
    with store:
        plan = store.plan_undo(*ids, correlation_id=correlation, folds=folds)
        if not agreed(plan, yes=yes, dry_run=dry_run):
            ctx.exit()
        store.context(actor=actor).undo(plan)
    click.echo(summary(plan))
