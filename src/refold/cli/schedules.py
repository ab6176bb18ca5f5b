"""`refold schedules`: commands that are sent at a time, or by a cron expression."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import click

from refold.cli.addressing import addressed
from refold.cli.exits import NotFound
from refold.cli.models import existing
from refold.cli.options import an_instant, app_option_for, output_option, reading, store_option
from refold.cli.output import Column, Listing, print_list
from refold.cli.saying import say
from refold.fold import Send
from refold.schedule import Misfire, Schedule

_LISTING: Final[Listing[Schedule]] = Listing(
    (
        Column("schedule", lambda s: s.name, "cyan"),
        Column("next", lambda s: s.next),
        Column("times", lambda s: s.cron or "once"),
        Column("timezone", lambda s: s.timezone),
        Column("misfire", lambda s: s.misfire),
        Column("command", lambda s: s.command),
        Column("to", lambda s: f"{s.receiver}-{s.target}"),
        Column("data", lambda s: s.data),
    ),
    lambda schedule: schedule,
)


@click.group(
    "schedules",
    short_help="Send commands at a time, or by a cron expression.",
    help="""See, set and remove commands that are sent at a time, or again and again by a cron expression.

    They are sent while `refold run` runs an application that has the process `schedules` and the deciders of the commands.

    \b
    Examples:
      refold schedules list --store shop.db
      refold schedules add nightly cart-7 cart.add '{"sku":"b","pieces":1}' --cron '0 3 * * *' --app shop:app --store shop.db
    """,
    epilog="Every command has examples: refold schedules COMMAND --help.",
)
def command() -> None:
    """See `help` above."""


@command.command(
    "list",
    short_help="List the schedules.",
    help="""List the schedules by name, and when each is due next; that is empty while its command is being sent.

    What became of commands that were sent is told by: refold processes show schedules NAME.1, or the last number there is.

    \b
    Examples:
      refold schedules list --store shop.db
      refold schedules list --store shop.db --output json
    """,
)
@store_option
@output_option()
def listed(*, url: str, output: str) -> None:
    """See `help` above."""
    with reading(url) as store:
        print_list(_LISTING, store.schedules(), output, empty="nothing is scheduled.")


@command.command(
    "add",
    short_help="Schedule a command.",
    help="""Let a command be sent to the decider of a stream, at a time or by a cron expression.

    DATA are the command's, as JSON. What held under the name before is replaced; the same again changes nothing.

    An expression has five fields: minute, hour, day of the month, month, day of the week. Where the clocks of its time zone
    change, a fixed time that is left out is made up for right after, and one that comes twice counts once.

    \b
    Examples:
      refold schedules add nightly cart-7 cart.add '{"sku":"b","pieces":1}' --cron '0 3 * * *' --app shop:app --store shop.db
      refold schedules add gift cart-7 cart.add '{"sku":"b","pieces":1}' --at 2030-12-24 --app shop:app --store shop.db
    """,
)
@click.argument("name")
@click.argument("stream")
@click.argument("type", metavar="COMMAND")
@click.argument("data", default="{}")
@click.option("--cron", metavar="EXPRESSION", help="When it is sent, again and again.")
@click.option("--at", type=an_instant, metavar="TIME", help="When it is sent, once.")
@click.option("--timezone", default="UTC", show_default=True, metavar="ZONE", help="Whose clocks --cron goes by.")
@click.option(
    "--misfire", type=click.Choice(("once", "all", "skip")), default="once", show_default=True,
    help="For times that passed while nobody ran: once for all of them, all of them one by one, or not at all.",
)  # fmt: skip
@click.option("--actor", metavar="NAME", help="In whose name.")
@app_option_for("deciders take the command")
@store_option
def add(
    *,
    name: str,
    stream: str,
    type: str,
    data: str,
    cron: str | None,
    at: datetime | None,
    timezone: str,
    misfire: Misfire,
    actor: str | None,
    app: str | None,
    url: str,
) -> None:
    """See `help` above."""
    given = addressed(app, stream, type, data)
    send = Send(given.decider.category, given.id, given.command)
    with existing(url) as store:
        made = store.context(actor=actor).schedule(
            name, send=send, cron=cron, at=at, timezone=timezone, misfire=misfire
        )
    when = "it was sent already" if made.next is None else f"next at {made.next:%Y-%m-%d %H:%M:%S} UTC"
    say(f"{name}: {made.command} to {made.receiver}-{made.target}, {when}.")


@command.command(
    "remove",
    short_help="Remove a schedule.",
    help="""Send nothing more by a schedule. What it has sent already is still delivered.

    \b
    Examples:
      refold schedules remove nightly --store shop.db
      refold schedules remove nightly --actor Ada --store shop.db
    """,
)
@click.argument("name")
@click.option("--actor", metavar="NAME", help="In whose name.")
@store_option
def remove(*, name: str, actor: str | None, url: str) -> None:
    """See `help` above."""
    with existing(url) as store:
        if not store.context(actor=actor).unschedule(name):
            raise NotFound(f"nothing is scheduled as {name!r}: see refold schedules list.")
    say(f"{name} sends nothing any more.")
