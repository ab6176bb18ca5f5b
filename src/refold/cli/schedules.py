"""`refold schedules`: commands that are sent at a time, or by a cron expression."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import click

from refold.cli.apps import application
from refold.cli.exits import NotFound
from refold.cli.models import existing
from refold.cli.options import an_instant, app_option_for, output_option, reading, store_option
from refold.cli.output import Column, Listing, print_list
from refold.codec import form_of
from refold.errors import UsageError
from refold.fold import Decider, Fold, Send
from refold.messages import StreamName, spec_of
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
    send = _send(app, stream, type, data)
    with existing(url) as store:
        made = store.context(actor=actor).schedule(
            name, send=send, cron=cron, at=at, timezone=timezone, misfire=misfire
        )
    when = "it was sent already" if made.next is None else f"next at {made.next:%Y-%m-%d %H:%M:%S} UTC"
    click.echo(f"{name}: {made.command} to {made.receiver}-{made.target}, {when}.")


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
    click.echo(f"{name} sends nothing any more.")


def _send(named: str | None, stream: str, type: str, data: str) -> Send:
    """The command, addressed.

    Raises:
        UsageError: no application is named, or the data do not fit.
        NotFound: the application has no such decider, or that takes no such command.
    """
    app = application(named)
    if app is None:
        raise UsageError("whose command? Name the application that has the decider: --app module:name, or REFOLD_APP.")
    to = StreamName.parse(stream)
    decider = _decider(app.folds, to.category)
    for cls in decider.command_types:
        spec = spec_of(cls, "command")
        if spec.name == type:
            return Send(to.category, to.id, _read(cls, type, data))
    names = ", ".join(spec_of(cls, "command").name for cls in decider.command_types)
    raise NotFound(f"the decider of {to.category!r} takes no command {type!r}: it takes {names}.")


def _decider(folds: Mapping[str, Fold[Any, Any]], category: str) -> Decider[Any, Any, Any]:
    deciders: dict[str, Decider[Any, Any, Any]] = {
        name: fold for name, fold in folds.items() if isinstance(fold, Decider)
    }
    if category not in deciders:
        raise NotFound(f"the app has no decider of {category!r}: it has {', '.join(sorted(deciders)) or 'none'}.")
    return deciders[category]


def _read(cls: type[Any], name: str, data: str) -> object:
    try:
        return form_of(cls, spec_of(cls, "command")).decode(data.encode())
    except Exception as error:  # a user's validator may raise anything
        raise UsageError(f"the data do not fit {name!r}: {error}.") from error
