"""What `refold undo` and `refold redo` share: which events are meant, the plan, and carrying it out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypedDict, TypeVar, Unpack
from uuid import UUID

import click

from refold.cli.apps import application
from refold.cli.consent import consented, counted, yes_option
from refold.cli.exits import NotFound
from refold.cli.models import existing
from refold.cli.options import app_option_for, reading, store_option
from refold.cli.saying import say
from refold.cli.show import one_event
from refold.cli.values import for_people
from refold.codec import as_json
from refold.errors import CannotUndo
from refold.fold import Fold
from refold.messages import spec_of
from refold.store import Store
from refold.undoing import Plan, Redo, Undo

F = TypeVar("F", bound=Callable[..., Any])
P = TypeVar("P", Undo, Redo)

_OPTIONS: Final = (
    click.argument("what", nargs=-1),
    click.option("--correlation", metavar="ID", help="All of this story, in place of single events."),
    click.option("--actor", metavar="NAME", help="In whose name."),
    app_option_for("inverses to use"),
    store_option,
    click.option("--plan", "--dry-run", "dry_run", is_flag=True, help="Only show what would be done."),
    yes_option,
)  # fmt: skip


def undoing_options(function: F) -> F:
    """Those of both commands."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


class Asked(TypedDict):
    """What the options say."""

    what: Sequence[str]
    correlation: str | None
    actor: str | None
    app: str | None
    url: str
    dry_run: bool
    yes: bool


def carry_out(
    planned: Callable[..., P], carried_out: Callable[[Store, P], object], **asked: Unpack[Asked]
) -> None:  # fmt: skip
    """Make a plan for what is meant, show it, and carry it out if that is agreed to."""
    store, folds, ids = _opened(asked["url"], asked["app"], asked["what"], asked["correlation"])
    with store:
        plan = planned(store, *ids, correlation_id=asked["correlation"], folds=folds)
        if not _agreed(plan, yes=asked["yes"], dry_run=asked["dry_run"]):
            return
        carried_out(store.context(actor=asked["actor"]), plan)
    say(_summary(plan))


def _opened(
    url: str, app: str | None, what: Sequence[str], correlation: str | None
) -> tuple[Store, Sequence[Fold[Any, Any]], Sequence[UUID]]:
    """The store, the folds of the application, and the ids of what is meant."""
    found = application(app)
    if found is None:
        raise click.UsageError("--app is missing: the inverses of events stand in the application's folds.")
    if bool(what) == (correlation is not None):
        raise click.UsageError("name events, or a story with --correlation, and not both.")
    with reading(url) as store:
        ids = [_id(store, one) for one in what]
    return existing(url), tuple(found.folds.values()), ids


def _id(store: Store, what: str) -> UUID:
    event = one_event(store, what)
    if event is None:
        raise NotFound(f"there is no event {what!r}: write STREAM@VERSION, '#POSITION', or its id.")
    return event.id


def _agreed(plan: Plan, *, yes: bool, dry_run: bool) -> bool:
    """Show the plan, and say whether to carry it out.

    Raises:
        CannotUndo: something is in the way.
    """
    lines = [*_lines(plan), *(f"in the way: {obstacle}" for obstacle in plan.obstacles)]
    if plan.obstacles:
        consented(lines, yes=yes, dry_run=True)
        raise CannotUndo(f"{counted(len(plan.obstacles), 'thing')} stood in the way")
    return consented(lines, yes=yes, dry_run=dry_run)


def _lines(plan: Plan) -> Iterator[str]:
    for step in plan.steps:
        types = ", ".join(event.type for event in (step.event, *step.rest))
        yield f"{plan.way} {step.event.stream}@{step.event.version} ({types})"
        yield from (f"  append {_told(data)}" for data in step.proposed)


def _told(data: Any) -> str:  # noqa: ANN401 - an event of any class
    return f"{spec_of(data.__class__).name} {for_people(as_json(data))}"


def _summary(plan: Plan) -> str:
    """What was done."""
    appended = sum(len(step.proposed) for step in plan.steps)
    return f"{plan.way}ne: {counted(len(plan.steps), 'event')}, by {counted(appended, 'event')} more."
