"""`refold projections pause`, `resume` and `repartition`: whether read models are worked on, and by how many."""

from __future__ import annotations

import click

from refold.cli.consent import counted
from refold.cli.models import Models, into_option, projections_option
from refold.cli.options import store_option
from refold.cli.saying import say


@click.command(
    "pause",
    short_help="Let nobody work on a read model.",
    help="""Let nobody work on a read model until it is resumed. What it holds can still be read.

    \b
    Examples:
      refold projections pause carts --store shop.db
      refold projections pause carts --store shop.db --reason "the disk is full"
    """,
)
@click.argument("name")
@click.option("--reason", default="paused by hand", show_default=True, help="Why: it is told to whoever waits for it.")
@store_option
@into_option
def pause(*, name: str, reason: str, url: str, into: str | None) -> None:
    """See `help` above."""
    with Models.writing(url, into) as models:
        model = models.named(name)
        model.pause(reason)
        say(f"{name} is paused at position {model.status().position}.")


@click.command(
    "resume",
    short_help="Let work on a read model go on.",
    help="""Let work on a read model go on, after a pause, or after it failed for too many keys in a row.

    \b
    Examples:
      refold projections resume carts --store shop.db
      refold projections resume carts --store shop.db --into shop.db
    """,
)
@click.argument("name")
@store_option
@into_option
def resume(*, name: str, url: str, into: str | None) -> None:
    """See `help` above."""
    with Models.writing(url, into) as models:
        model = models.named(name)
        model.resume()
        status = model.status()
        say(f"{name} goes on at position {status.position}, {counted(status.lag, 'event')} behind.")


@click.command(
    "repartition",
    short_help="Let so many workers share the keys of a read model.",
    help="""Let so many workers share the keys of a read model, without stopping the work; 1 brings them together again.

    The projection needs a key of its own, so that no two of them change one row.

    \b
    Examples:
      refold projections repartition carts 4 --app shop:app --store shop.db
      refold projections repartition carts 1 --app shop:app --store shop.db
    """,
)
@click.argument("name")
@click.argument("parts", type=click.IntRange(1, 1024))
@projections_option
@store_option
@into_option
def repartition(*, name: str, parts: int, app: str | None, url: str, into: str | None) -> None:
    """See `help` above."""
    with Models.writing(url, into, app) as models:
        models.model(name).repartition(parts)
    say(f"{name} has {counted(parts, 'partition')}.")
