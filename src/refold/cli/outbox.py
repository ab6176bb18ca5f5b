"""`refold outbox`: what an application publishes, how far it is, and sending what waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import click

from refold.cli.apps import app_having
from refold.cli.builds import listing
from refold.cli.consent import counted
from refold.cli.exits import NotFound
from refold.cli.models import Models, projections_option
from refold.cli.options import output_option, store_option
from refold.cli.output import chosen, print_list
from refold.cli.parts import Parts
from refold.cli.run import Run, logged
from refold.cli.running_processes import named, names_in
from refold.cli.saying import say
from refold.errors import UsageError
from refold.publication import Publication

_LEASE: Final = timedelta(seconds=5)
_MANY: Final = 10_000


@click.group(
    "outbox",
    short_help="See and send what an application publishes.",
    help="""See and send what an application publishes. `refold run` sends it all the time.

    What the receiver does not take is among the dead letters: refold dead-letters list NAME. The checkpoint is steered like
    that of a read model: refold projections pause NAME. To send everything again, with the same ids: refold projections reset.

    \b
    Examples:
      refold outbox status --app shop:outbox --store shop.db
      refold outbox flush --app shop:outbox --store shop.db
    """,
    epilog="Every command has examples: refold outbox COMMAND --help.",
)
def command() -> None:
    """See `help` above."""


@command.command(
    "status",
    short_help="Show how far the publications are.",
    help="""Show how far the publications of an application are, how far behind, who sends, and why nobody does.

    lag is in events of the store, of which most may not be published; the columns are those of refold projections list.

    \b
    Examples:
      refold outbox status --app shop:outbox --store shop.db
      refold outbox status --app shop:outbox --store shop.db --output json
    """,
)
@projections_option
@store_option
@output_option()
def status(*, app: str | None, url: str, output: str) -> None:
    """See `help` above."""
    names = {publication.name for publication in _publications(app, ())}
    with Models.reading(url, None) as models:
        found = [each for each in models.statuses() if each.name in names and each.role == "active"]
        waiting = sum(len(named(models.store, each).outgoing(limit=_MANY)) for each in names_in(models.store))
    print_list(listing(chosen(output), found), found, output, empty="nothing was published yet.")
    if waiting:
        say(
            f"refold: processes have sent {counted(waiting, 'message')} that nobody took: refold processes outgoing.",
            err=True,
        )


@command.command(
    "flush",
    short_help="Send what waits now, and end.",
    help="""Send what waits now, and end: what `refold run --once` does, for publications alone.

    While the receiver is away it waits, and says so. The exit code is 1 when messages were not taken, and parked; or when
    not everything was sent after --timeout.

    \b
    Examples:
      refold outbox flush --app shop:outbox --store shop.db
      refold outbox flush carts-out --app shop:outbox --store shop.db --timeout 30
    """,
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="End after so long, whatever is sent; else it goes on.",
)
@projections_option
@store_option
@output_option(("auto", "table", "jsonl", "plain"))
@click.pass_context
def flush(
    ctx: click.Context, *, names: tuple[str, ...], timeout: float | None, app: str | None, url: str, output: str
) -> None:
    """See `help` above."""
    wanted = _publications(app, names)
    with Models.writing(url, None) as models, logged():
        run = Run(models, Parts([*map(models.looped.blocking, wanted)]), _LEASE, chosen(output))
        ctx.exit(run.once(timeout))


def _publications(app: str | None, names: Sequence[str]) -> Sequence[Publication]:
    every = app_having("publications", app).projections.values()
    found = {each.name: each for each in every if isinstance(each, Publication)}
    if not found:
        raise UsageError("the app publishes nothing: name a Publication in it, App(..., my_publication).")
    for name in names:
        if name not in found:
            raise NotFound(f"the app has no publication {name!r}: it has {', '.join(found)}.")
    return [found[name] for name in names or found]
