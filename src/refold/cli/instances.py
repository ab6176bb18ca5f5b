"""`refold processes list`, `show` and `outgoing`: where instances stand, one whole, and what they have sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta

import click

from refold.cli.consent import counted
from refold.cli.options import output_option, reading, store_option
from refold.cli.output import Column, Listing, print_list, print_object
from refold.cli.running_processes import named, names_in, process_of, processes_option
from refold.cli.values import as_text, for_people
from refold.flows.processes.listing import InstanceStatus, Standing
from refold.flows.processes.outgoing import Outgoing
from refold.flows.processes.showing import InstanceView
from refold.forms import instance_form, message_form, state_form

_STATES = "running", "finished", "failed", "cancelled", "compensated", "unbegun"
_SPAN = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

_INSTANCES: Listing[InstanceStatus] = Listing(
    (
        Column("process", lambda s: s.process, "cyan"),
        Column("id", lambda s: s.id),
        Column("state", lambda s: s.state),
        Column("version", lambda s: s.version),
        Column("inputs", lambda s: s.inputs),
        Column("started", lambda s: s.started_at),
        Column("moved", lambda s: s.moved_at),
        Column("stuck", lambda s: s.stuck or s.reason),
    ),
    lambda s: s,
)
_MESSAGES: Listing[tuple[str, Outgoing]] = Listing(
    (
        Column("process", lambda m: m[0], "cyan"),
        Column("id", lambda m: m[1].instance),
        Column("kind", lambda m: m[1].kind),
        Column("to", lambda m: to(m[1])),
        Column("type", lambda m: m[1].type),
        Column("state", lambda m: m[1].state),
        Column("attempts", lambda m: m[1].attempts),
        Column("error", lambda m: m[1].error),
    ),
    lambda m: {"process": m[0], **message_form(m[1])},
)


def a_span(text: str) -> timedelta:
    """The value of an option that is a length of time."""
    if not (found := _SPAN.fullmatch(text)):
        raise click.BadParameter(f"{text!r} is no length of time: write 90s, 30m, 1h or 2d.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@click.command(
    "list",
    short_help="List the instances of processes.",
    help="""List the instances of processes by their ids: how each is, how many inputs it took in, and whether it is stuck.

    An instance is stuck if an input or a message of it is parked, if a message fails, if a timer is overdue, or if nothing has
    moved for --stuck-after and no timer is set. The state unbegun: all that came to it is parked.

    \b
    Examples:
      refold processes list --store shop.db
      refold processes list --stuck --stuck-after 2d --store shop.db
      refold processes list --process reminders --state running --store shop.db --output json
    """,
)
@click.option("--process", "name", metavar="NAME", help="Only of this process.")
@click.option("--state", type=click.Choice(_STATES), help="Only those that are so.")
@click.option("--stuck", is_flag=True, help="Only those that are stuck.")
@click.option(
    "--stuck-after", type=a_span, default="1h", show_default=True, metavar="SPAN", help="As 90s, 30m, 1h, 2d."
)
@click.option("--after", default="", metavar="ID", help="Only those after this id.")
@click.option(
    "--limit", type=click.IntRange(1), default=100, show_default=True, metavar="N", help="Of a process, so many."
)
@store_option
@output_option()
def listed(
    *,
    name: str | None,
    state: Standing | None,
    stuck: bool,
    stuck_after: timedelta,
    after: str,
    limit: int,
    url: str,
    output: str,
) -> None:
    """See `help` above."""
    with reading(url) as store:
        found = [
            status
            for each in ([name] if name else names_in(store))
            for status in named(store, each).list(state, stuck=stuck, after=after, limit=limit, stuck_after=stuck_after)
        ]
    last = found[-1].id if name and len(found) == limit else None
    print_list(_INSTANCES, found, output, lambda: last, empty="no instances.")


@click.command(
    "show",
    short_help="Show one instance whole.",
    help="""Show one instance: its state, what it waits for, its timers and messages, what is parked, and its history.

    \b
    Examples:
      refold processes show reminders c-1 --app shop:desk --store shop.db
      refold processes show reminders c-1 --app shop:desk --store shop.db --output json
    """,
)
@click.argument("process")
@click.argument("id")
@processes_option
@store_option
@output_option()
def show(*, process: str, id: str, app: str | None, url: str, output: str) -> None:
    """See `help` above."""
    code = process_of(app, process)
    with reading(url) as store:
        view = store.process(code).show(id)
    print_object(instance_form(view), output, lambda: _table(view))


def to(message: Outgoing) -> str:
    """To whom a message goes: a stream, or an effect."""
    return f"{message.receiver}-{message.target}" if message.kind == "command" else message.receiver


def _table(view: InstanceView) -> None:
    from refold.cli.tables import print_facts, print_line  # noqa: PLC0415 - rich is loaded when it is needed

    print_facts(_facts(view))
    for each in view.history:
        by = f" by {each.actor}" if each.actor else ""
        print_line((f"{for_people(each.at)}  #{each.position}  ", "dim"), (f"{each.what}{by}", "cyan"))
        for led_to in each.led_to:
            print_line((f"    {led_to}", ""))


def _facts(view: InstanceView) -> Iterator[tuple[str, object]]:
    yield "instance", f"{view.process} {view.id}, version {view.version}"
    yield "status", f"{view.status}{': ' if view.reason else ''}{view.reason}"
    yield "state", as_text(state_form(view.state))
    yield "waiting for", view.waiting_for
    for message in view.messages:
        yield (
            "message",
            f"{message.type} to {to(message)}, {message.state}, {counted(message.attempts, 'attempt')}: {message.error}",
        )
    for letter in view.parked:
        yield "parked input", f"#{letter.position} {letter.state}: {letter.error}"


@click.command(
    "outgoing",
    short_help="List what processes have sent and nobody has taken yet.",
    help="""List the commands and the calls of effects that processes have sent and nobody has taken yet, the oldest first.

    \b
    Examples:
      refold processes outgoing --store shop.db
      refold processes outgoing --process reminders --parked --store shop.db --output json
    """,
)
@click.option("--process", "name", metavar="NAME", help="Only of this process.")
@click.option("--id", help="Only of this instance.")
@click.option("--parked", is_flag=True, help="Only those that could not be delivered.")
@click.option(
    "--limit", type=click.IntRange(1), default=100, show_default=True, metavar="N", help="Of a process, so many."
)
@store_option
@output_option()
def outgoing(*, name: str | None, id: str | None, parked: bool, limit: int, url: str, output: str) -> None:
    """See `help` above."""
    with reading(url) as store:
        names: Sequence[str] = [name] if name else names_in(store)
        found = [
            (each, message) for each in names for message in named(store, each).outgoing(id, parked=parked, limit=limit)
        ]
    print_list(_MESSAGES, found, output, empty="nothing waits to be delivered.")
