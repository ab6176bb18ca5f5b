"""`refold dead-letters`: the events that read models could not take in, tried again or given up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from refold.cli.consent import consented, counted, dry_run_option, yes_option
from refold.cli.exits import Exit, NotFound
from refold.cli.models import Models, into_option, projections_option
from refold.cli.options import output_option, store_option
from refold.cli.output import Column, Listing, print_list, print_object
from refold.cli.saying import say
from refold.eventlogs.recorded import record_of
from refold.flows.projections.dead_letters import DeadLetter, DeadLetterGroup
from refold.messages import Recorded
from refold.store import Store

_LETTERS: Listing[DeadLetter] = Listing(
    (
        Column("position", lambda letter: int(letter.position)),
        Column("key", lambda letter: letter.key),
        Column("state", lambda letter: letter.state),
        Column("attempts", lambda letter: letter.attempts),
        Column("parked at", lambda letter: letter.parked_at),
        Column("error", lambda letter: letter.error),
    ),
    lambda letter: letter,
)
_GROUPS: Listing[DeadLetterGroup] = Listing(
    (
        Column("failed", lambda group: group.failed),
        Column("waiting", lambda group: group.waiting),
        Column("first", lambda group: int(group.first)),
        Column("last", lambda group: int(group.last)),
        Column("type", lambda group: group.type, "cyan"),
        Column("error", lambda group: group.example.error),
    ),
    lambda group: group,
)


@click.group(
    "dead-letters",
    short_help="See, retry and skip events that could not be applied.",
    help="""See, retry and skip the events that a read model could not apply, and those of their keys that wait behind them.

    \b
    Examples:
      refold dead-letters list notes --store shop.db
      refold dead-letters retry notes --app shop:app --store shop.db
    """,
    epilog="Every command has examples: refold dead-letters COMMAND --help.",
)
def command() -> None:
    """See `help` above."""


@command.command(
    "list",
    short_help="List the dead letters of a read model.",
    help="""List the dead letters of a read model by position, or grouped by what went wrong.

    An event has failed, or waits behind one of its key that has, or was skipped.

    \b
    Examples:
      refold dead-letters list notes --store shop.db
      refold dead-letters list notes --store shop.db --groups --output json
    """,
)
@click.argument("name")
@click.option("--groups", is_flag=True, help="By error and type of event; what failed most often is first.")
@store_option
@into_option
@output_option()
def listed(*, name: str, groups: bool, url: str, into: str | None, output: str) -> None:
    """See `help` above."""
    with Models.reading(url, into) as models:
        model = models.named(name)
        if groups:
            print_list(_GROUPS, model.dead_letter_groups(), output, empty="nothing failed.")
        else:
            print_list(_LETTERS, model.dead_letters(), output, empty="no dead letters.")


@command.command(
    "show",
    short_help="Show one dead letter with its event.",
    help="""Show one dead letter with its event, whole.

    \b
    Examples:
      refold dead-letters show notes 3 --store shop.db
      refold dead-letters show notes 3 --store shop.db --output json
    """,
)
@click.argument("name")
@click.argument("position", type=click.IntRange(1))
@store_option
@into_option
@output_option()
def show(*, name: str, position: int, url: str, into: str | None, output: str) -> None:
    """See `help` above."""
    with Models.reading(url, into) as models:
        letter = _letter(models, name, position)
        event = _event(models.store, position)
    form: dict[str, Any] = {**msgspec.structs.asdict(letter), "event": record_of(event)}
    print_object(form, output, lambda: _table(letter, event))


def _letter(models: Models, name: str, position: int) -> DeadLetter:
    for letter in models.named(name).dead_letters():
        if letter.position == position:
            return letter
    raise NotFound(f"projection {name!r} has no dead letter of position {position}: `refold dead-letters list {name}`.")


def _event(store: Store, position: int) -> Recorded[Any]:
    return next(store.read(after=position - 1, limit=1))


def _table(letter: DeadLetter, event: Recorded[Any]) -> None:
    from refold.cli.tables import print_facts, print_json  # noqa: PLC0415 - rich is loaded when it is needed

    told = "state", "key", "error", "attempts", "parked_at"
    print_facts([
        ("event", f"#{event.position} {event.stream} {event.type}"),
        *((name.replace("_", " "), getattr(letter, name)) for name in told),
    ])  # fmt: skip
    print_json(event.data.data)


@command.command(
    "retry",
    short_help="Apply parked events again.",
    help="""Apply the parked events of a read model again, in order; where one fails again, those of its key wait on.

    The exit code is 1 when some are left.

    \b
    Examples:
      refold dead-letters retry notes --app shop:app --store shop.db
      refold dead-letters retry notes --key cart-c-1 --until 3 --app shop:app --store shop.db
    """,
)
@click.argument("name")
@click.option("--key", help="Only those of this key.")
@click.option("--until", type=click.IntRange(1), metavar="POS", help="Only up to this position, and with it.")
@projections_option
@store_option
@into_option
@click.pass_context
def retry(
    ctx: click.Context, *, name: str, key: str | None, until: int | None, app: str | None, url: str, into: str | None
) -> None:
    """See `help` above."""
    with Models.writing(url, into, app) as models:
        model = models.model(name)
        applied = model.retry(key, until=until)
        left = [
            letter for letter in model.dead_letters() if letter.state != "skipped" and _is_meant(letter, key, until)
        ]
    say(f"{counted(applied, 'event')} applied, {len(left):,} left.")
    ctx.exit(Exit.FINDINGS if left else Exit.OK)


def _is_meant(letter: DeadLetter, key: str | None, until: int | None) -> bool:
    return key in {None, letter.key} and (until is None or letter.position <= until)


@command.command(
    "skip",
    short_help="Give up a parked event for ever.",
    help="""Give up a parked event for ever, and apply those that waited behind it. It stays in the list, as skipped.

    \b
    Examples:
      refold dead-letters skip notes 3 --app shop:app --store shop.db --dry-run
      refold dead-letters skip notes 3 --app shop:app --store shop.db --yes
    """,
)
@click.argument("name")
@click.argument("position", type=click.IntRange(1))
@projections_option
@store_option
@into_option
@yes_option
@dry_run_option
@click.pass_context
def skip(
    ctx: click.Context,
    *,
    name: str,
    position: int,
    app: str | None,
    url: str,
    into: str | None,
    yes: bool,
    dry_run: bool,
) -> None:
    """See `help` above."""
    with Models.writing(url, into, app) as models:
        model, letter = models.model(name), _letter(models, name, position)
        behind = [
            each for each in model.dead_letters()
            if each.key == letter.key and each.position > position and each.state == "waiting"
        ]  # fmt: skip
        if not consented(_plan(letter, behind), yes=yes, dry_run=dry_run):
            ctx.exit()
        applied = model.skip(position)
    say(f"event #{position} is skipped, {counted(applied, 'event')} behind it applied.")


def _plan(letter: DeadLetter, behind: Sequence[DeadLetter]) -> Sequence[str]:
    return [
        f"event #{letter.position} ({letter.error or letter.state}) is given up: the read model will never know of it.",
        f"{counted(len(behind), 'event')} of key {letter.key!r} behind it will be applied.",
        "to undo it, rebuild the read model.",
    ]
