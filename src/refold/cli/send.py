"""`refold send`: a command, decided upon by the application's decider, and what followed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from refold.cli.addressing import Addressed, addressed
from refold.cli.consent import dry_run_option
from refold.cli.models import existing
from refold.cli.options import app_option_for, output_option, store_option
from refold.cli.output import print_object
from refold.cli.saying import say
from refold.cli.values import for_people
from refold.codec import as_json
from refold.errors import Refused
from refold.messages import spec_of
from refold.refusals import DeciderRefused, telling_refusals


@click.command(
    "send",
    short_help="Send a command, and show what followed.",
    help="""Send a command to the decider of a stream, and show the events that followed.

    DATA are the command's, as JSON. What the decider refuses ends with 7, and nothing is appended. With --key, a repeat gives the
    first outcome, for ever.

    \b
    Examples:
      refold send cart-c-1 cart.add '{"sku":"b","pieces":1}' --app shop:app --store shop.db --dry-run
      refold send cart-c-1 cart.add '{"sku":"b","pieces":1}' --app shop:app --store shop.db --key request-1 --actor Ada
    """,
)
@click.argument("stream")
@click.argument("type", metavar="COMMAND")
@click.argument("data", default="{}")
@click.option("--key", metavar="KEY", help="What the request is called: a repeat of it changes nothing.")
@click.option("--actor", metavar="NAME", help="In whose name.")
@app_option_for("decider takes the command")
@store_option
@dry_run_option
@output_option()
def command(
    *, stream: str, type: str, data: str, key: str | None, actor: str | None, app: str | None, url: str, dry_run: bool,
    output: str,
) -> None:  # fmt: skip
    """See `help` above."""
    given = addressed(app, stream, type, data)
    try:
        form = _tried(url, given) if dry_run else _done(url, given, key, actor)
    except DeciderRefused as refusal:
        why = f"{refusal.error.__class__.__name__}: {refusal.error}".removesuffix(": ")
        raise Refused(f"the decider refuses {type}: {why}. Nothing was appended.") from refusal
    print_object(form, output, lambda: _show(form))


def _done(url: str, given: Addressed, key: str | None, actor: str | None) -> dict[str, Any]:
    with existing(url) as store:
        bound = store.context(actor=actor).bind(telling_refusals(given.decider))
        handled = bound.handle(given.id, given.command, idempotency_key=key)
    return _form(given, handled.version, handled.events, handled.state, appended=True, repeated=handled.repeated)


def _tried(url: str, given: Addressed) -> dict[str, Any]:
    with existing(url) as store:
        loaded = store.bind(given.decider).load(given.id)
    events = telling_refusals(given.decider).decide(given.command, loaded.state)
    return _form(given, loaded.version, events, given.decider(events, loaded.state), appended=False)


def _form(
    given: Addressed, version: int, events: Iterable[object], state: object, *, appended: bool, repeated: bool = False
) -> dict[str, Any]:
    told = [{"type": spec_of(event.__class__).name, "data": as_json(event)} for event in events]
    return {
        "stream": str(given.decider.stream(given.id)), "version": version, "events": told, "state": as_json(state),
        "appended": appended, "repeated": repeated,
    }  # fmt: skip


def _show(form: dict[str, Any]) -> None:
    for event in form["events"]:
        say(f"{event['type']} {for_people(event['data'])}")
    what = "nothing was appended" if not form["appended"] else "it was done before" if form["repeated"] else "appended"
    say(f"{form['stream']}@{form['version']}: {what if form['events'] else 'nothing followed'}.")
