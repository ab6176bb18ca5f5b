"""`refold timers`: what is to come back to processes, and when."""

from __future__ import annotations

from uuid import UUID

import click

from refold.cli.consent import consented, dry_run_option, yes_option
from refold.cli.exits import NotFound
from refold.cli.models import existing
from refold.cli.options import output_option, reading, store_option
from refold.cli.output import Column, Listing, print_list
from refold.cli.running_processes import named, names_in
from refold.cli.saying import say
from refold.flows.processes.timers import Timer
from refold.store import Store

_TIMERS: Listing[tuple[str, Timer]] = Listing(
    (
        Column("timer", lambda t: str(t[1].id)),
        Column("process", lambda t: t[0], "cyan"),
        Column("id", lambda t: t[1].instance),
        Column("type", lambda t: t[1].type),
        Column("due", lambda t: t[1].due),
    ),
    lambda t: {
        "timer": t[1].id, "process": t[0], "id": t[1].instance, "type": t[1].type, "due": t[1].due,
    },
)  # fmt: skip


@click.group(
    "timers",
    short_help="See what is to come back to processes, and when.",
    help="""See what is to come back to the instances of processes, and when; let it come back now.

    \b
    Examples:
      refold timers list --store shop.db
      refold timers list --process reminders --id c-1 --store shop.db
    """,
    epilog="Every command has examples: refold timers COMMAND --help.",
)
def command() -> None:
    """See `help` above."""


@command.command(
    "list",
    short_help="List the timers that are set.",
    help="""List the timers that are set, the next one first.

    \b
    Examples:
      refold timers list --store shop.db
      refold timers list --process reminders --id c-1 --store shop.db --output json
    """,
)
@click.option("--process", "name", metavar="NAME", help="Only of this process.")
@click.option("--id", help="Only of this instance.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, metavar="N", help="At most so many.")
@store_option
@output_option()
def listed(*, name: str | None, id: str | None, limit: int, url: str, output: str) -> None:
    """See `help` above."""
    with reading(url) as store:
        found = [
            (each, timer)
            for each in ([name] if name else names_in(store))
            for timer in named(store, each).timers(id, limit=limit)
        ]
    found.sort(key=lambda each: (each[1].due, each[1].id))
    print_list(_TIMERS, found[:limit], output, empty="no timers are set.")


@command.command(
    "fire",
    short_help="Let a timer come back now.",
    help="""Let a timer come back now, without waiting for its time. Others that are due come back with it.

    \b
    Examples:
      refold timers fire f7c6590f-6647-5ba1-a294-6ce02b667234 --store shop.db --yes
      refold timers fire f7c6590f-6647-5ba1-a294-6ce02b667234 --store shop.db --dry-run
    """,
)
@click.argument("timer", type=click.UUID)
@store_option
@yes_option
@dry_run_option
@click.pass_context
def fire(ctx: click.Context, *, timer: UUID, url: str, yes: bool, dry_run: bool) -> None:
    """See `help` above."""
    with existing(url) as store:
        process, found = _timer(store, timer)
        plan = [f"{found.type} comes back to {process} {found.instance} now, not at {found.due:%Y-%m-%d %H:%M:%S}."]
        if not consented(plan, yes=yes, dry_run=dry_run):
            ctx.exit()
        named(store, process).fire(timer)
    say(f"{found.type} came back to {process} {found.instance}.")


def _timer(store: Store, id: UUID) -> tuple[str, Timer]:
    for name in names_in(store):
        for timer in named(store, name).timers(limit=_ALL):
            if timer.id == id:
                return name, timer
    raise NotFound(f"no timer {id} is set: it came back already, or was cancelled. See refold timers list.")


_ALL = 1 << 31
