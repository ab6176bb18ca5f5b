"""`refold whatif`: the state of a stream if its history, or the code, were otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click
import msgspec

from refold.cli.apps import app_name, application
from refold.cli.consent import counted
from refold.cli.diff import print_operations
from refold.cli.edits import Told, ToldEdits, one_event, some_events, told
from refold.cli.options import app_option, archive_given, as_of, output_option, reading, store_option
from refold.cli.other_code import Asked, directory_of, told_by
from refold.cli.output import print_object
from refold.cli.states import States
from refold.errors import UsageError
from refold.flows.load import AsOf
from refold.flows.whatif import Comparing, Divergence, Edits, WhatIf
from refold.patching import comparable


@click.command(
    "whatif",
    short_help="Show the state of a stream if its history, or the code, were otherwise.",
    help="""Show how the state of a stream differs if events are dropped, replaced or inserted, or folded by other code.

    Nothing is written. An event in a FILE is JSON: {"type": "cart.item-added", "data": {"sku": "b-1", "qty": 1}}; to
    insert several, it is an array of such. --code names a directory with other code of the application, or a revision of
    the git repository here; it is run in a process of its own.

    \b
    Examples:
      refold whatif cart-c-1 --drop 2 --store shop.db
      refold whatif cart-c-1 --replace 1=event.json --insert 0=event.json --store shop.db --output json
      refold whatif cart-c-1 --code next --app shop:app --store shop.db
    """,
)
@click.argument("stream")
@store_option
@click.option("--drop", multiple=True, type=click.IntRange(1), metavar="VERSION", help="Without this event.")
@click.option("--replace", multiple=True, type=one_event, metavar="VERSION=FILE", help="With another in its place.")
@click.option(
    "--insert",
    multiple=True,
    type=some_events,
    metavar="VERSION=FILE",
    help="With others after it, in the order given; 0 is the beginning.",
)
@click.option("--code", metavar="DIR|REVISION", help="Folded by the app in other code.")
@click.option("--at", "moment", type=as_of, metavar="VERSION|TIME", help="Only what the store knew then.")
@click.option("--limit", type=click.IntRange(0), default=20, show_default=True, help="Show at most so many steps.")
@app_option
@output_option()
def command(  # noqa: PLR0917 - click passes them by name
    stream: str, url: str, drop: Sequence[int], replace: Sequence[tuple[int, Told]],
    insert: Sequence[tuple[int, Sequence[Told]]], code: str | None, moment: AsOf | None, limit: int, app: str | None,
    output: str,
) -> None:  # fmt: skip
    """See `help` above."""
    edits = ToldEdits.of(drop, replace, insert)
    if edits == ToldEdits() and code is None:
        raise UsageError("nothing would be otherwise: say --drop, --replace, --insert or --code.")
    with reading(url) as store:
        states = States(store, stream, application(app))
        found = (
            states.whatif(edits.read_by(states.fold), moment, limit)
            if code is None
            else _by_other_code(states, url, edits, code, app_name(app), moment, limit)
        )
    print_object(_form(stream, found), output, lambda: _table(stream, found))


def _by_other_code(
    states: States, url: str, edits: ToldEdits, code: str, app: str | None, moment: AsOf | None, limit: int
) -> WhatIf[Any, Any]:
    """The states of this code beside those of the other, as JSON, since they have no class in common."""
    if app is None:
        raise UsageError("--code needs an app to load: say --app MODULE:NAME.")
    until = states.folded(moment).version
    read: Edits[Any] = edits.read_by(states.fold)
    read.checked(states.fold, states.stream, until)
    comparing = Comparing[Any, Any](limit)
    asked = Asked(url, archive_given(), states.stream, app, until, edits)
    with directory_of(code) as directory, told_by(directory, asked) as others:
        comparing.take(0, (), read.at(0, ()), comparable(states.fold.initial()), next(others))
        for (version, events, state), other in zip(states.versions(until), others, strict=True):
            instead = read.at(version, [event.data for event in events])
            comparing.take(version, events, instead, comparable(state), other)
    return comparing.result()


def _form(stream: str, found: WhatIf[Any, Any]) -> dict[str, Any]:
    return {
        "stream": stream,
        "version": found.version,
        "actual": comparable(found.actual),
        "hypothetical": comparable(found.hypothetical),
        "diff": found.diff,
        "differing": found.differing,
        "steps": [
            {
                "version": step.version,
                "types": [event.type for event in step.happened],
                "instead": [told(event) for event in step.instead] if step.is_edited else None,
                "diff": step.diff,
            }
            for step in found.steps
        ],
    }


def _table(stream: str, found: WhatIf[Any, Any]) -> None:
    from refold.cli.tables import print_line  # noqa: PLC0415 - rich is loaded when it is needed

    print_line((stream, "bold cyan"), (f"  version {found.version}, as it is → as it would be", "dim"))
    print_operations(found.diff)
    if found.steps:
        print_line((f"{counted(found.differing, 'step')} {'differs' if found.differing == 1 else 'differ'}:", "dim"))
    for step in found.steps:
        print_line((f"{step.version:>6}  ", "bold"), *_told(step))
        print_operations(step.diff, "        ", nothing="")
    if found.differing > len(found.steps):
        print_line((f"        ... {found.differing - len(found.steps):,} more: --limit shows them.", "dim"))


def _told(step: Divergence[Any, Any]) -> Iterator[tuple[str, str]]:
    yield ", ".join(event.type for event in step.happened) or ("nothing" if step.version else "the beginning"), "cyan"
    if step.is_edited:
        events = ", ".join(f"{each.type} {msgspec.json.encode(each.data).decode()}" for each in map(told, step.instead))
        yield f"  instead: {events or 'nothing'}", ""
