"""`refold redo`: what was undone, appended again."""

from __future__ import annotations

from collections.abc import Sequence

import click

from refold.cli.undoing import agreed, opened, summary, undoing_options


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
        plan = store.plan_redo(*ids, correlation_id=correlation, folds=folds)
        if not agreed(plan, yes=yes, dry_run=dry_run):
            ctx.exit()
        store.context(actor=actor).redo(plan)
    click.echo(summary(plan))
