"""`refold upcast`: whether everything that is stored can still be read."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click
import msgspec

from refold.chains import Key
from refold.cli.apps import application
from refold.cli.exits import Exit, Interrupted
from refold.cli.lockfiles import schema_app_option
from refold.cli.options import output_option, reading, store_option
from refold.cli.output import Column, Listing, chosen, print_list
from refold.cli.progress import Tell, progress
from refold.cli.saying import say
from refold.codec import Codec, Decoders
from refold.decoding import pieces_of
from refold.errors import Unreadable, UsageError
from refold.messages import RawEvent, Recorded
from refold.query import Query
from refold.store import Store

_TOLD_EVERY = 1_000


class Tally(msgspec.Struct):
    """The events that were stored in one shape: how many, what they are read as, how many cannot be, and why the first not."""

    type: str
    version: int
    events: int = 0
    read_as: list[str] = msgspec.field(default_factory=list[str])
    failures: int = 0
    first: int | None = None
    error: str = ""


_LISTING: Listing[Tally] = Listing(
    (
        Column("type", lambda t: t.type, "cyan"),
        Column("version", lambda t: t.version),
        Column("events", lambda t: t.events),
        Column("failures", lambda t: t.failures),
        Column("read as", lambda t: ", ".join(t.read_as)),
        Column("first failure", lambda t: t.error),
    ),
    lambda tally: tally,
)


@click.group(
    "upcast",
    short_help="Check that every stored event can still be read.",
    help="""Check that every stored event can still be read.

    \b
    Examples:
      refold upcast check --app shop:app --store shop.db
      refold upcast check --app shop:app --store shop.db --output json
    """,
    epilog="Every command has examples: refold upcast COMMAND --help.",
)
def command() -> None:
    """See `help` above."""


@command.command(
    "check",
    short_help="Read every stored event with the classes of an application.",
    help="""Read every stored event with the classes and upcasters of an application, and count by type and schema version.

    Nothing is written. The exit code is 1 if any event cannot be read; the first of each kind is named. Types that the
    application has no class for are passed over, or with --all are failures, too.

    \b
    Examples:
      refold upcast check --app shop:app --store shop.db
      refold upcast check --app shop:app --store shop.db --all --output json
    """,
)
@click.option("--all", "everything", is_flag=True, help="Types that the application does not know are failures.")
@schema_app_option
@store_option
@output_option()
@click.pass_context
def check(ctx: click.Context, *, everything: bool, app: str | None, url: str, output: str) -> None:
    """See `help` above."""
    decoders = _decoders(app)
    with reading(url) as store, progress() as tell:
        found = _tallied(store, decoders, tell, everything=everything)
        passed_over = {} if everything else _unknown(store, decoders)
    print_list(_LISTING, found, output, empty="no events of the application's types.")
    sys.stdout.flush()
    failures = sum(tally.failures for tally in found)
    if chosen(output) in {"table", "plain"}:
        read = sum(tally.events for tally in found) - failures
        say(f"{_counted(read, 'event')} read, {failures:,} cannot be.{_told(passed_over)}", err=True)
    ctx.exit(Exit.FINDINGS if failures else Exit.OK)


def _decoders(named: str | None) -> Decoders:
    app = application(named)
    if app is None:
        raise UsageError("which classes? Name the application that has them: --app module:name, or REFOLD_APP.")
    return Codec([cls for cls in app.event_types if cls is not RawEvent]).known


def _tallied(store: Store, decoders: Decoders, tell: Tell, *, everything: bool) -> list[Tally]:
    tallies: dict[Key, Tally] = {}
    head, reached = int(store.head()), 0
    try:
        for count, recorded in enumerate(_stored(store, decoders, everything=everything), 1):
            reached = int(recorded.position)
            key = recorded.type, recorded.schema_version
            _tally(tallies.setdefault(key, Tally(*key)), decoders, recorded)
            if count % _TOLD_EVERY == 0:
                tell("upcast", reached, head)
        tell("upcast", head, head)
    except KeyboardInterrupt:
        failures = sum(tally.failures for tally in tallies.values())
        raise Interrupted(f"stopped at position {reached} of {head}, {failures:,} failures until there.") from None
    return [tallies[key] for key in sorted(tallies)]


def _stored(store: Store, decoders: Decoders, *, everything: bool) -> Iterator[Recorded[RawEvent]]:
    if everything:
        yield from store.read()
    elif decoders.names:
        yield from store.read(query=Query.of(types=decoders.names))


def _tally(tally: Tally, decoders: Decoders, recorded: Recorded[RawEvent]) -> None:
    tally.events += 1
    data = msgspec.json.encode(dict(recorded.data.data))
    place = str(recorded.stream), recorded.version, int(recorded.position)
    try:
        pieces = pieces_of(decoders, recorded.type, recorded.schema_version, data, *place)
    except Unreadable as error:
        tally.failures += 1
        if tally.first is None:
            tally.first, tally.error = int(recorded.position), str(error)
    else:
        ends = {f"{piece.type} {piece.schema_version}" for piece in pieces}
        tally.read_as = sorted({*tally.read_as, *ends})


def _unknown(store: Store, decoders: Decoders) -> dict[str, int]:
    names = decoders.names or frozenset()
    return {type: count for type, count in store.stats().types.items() if type not in names}


def _told(passed_over: dict[str, int]) -> str:
    if not passed_over:
        return ""
    events = _counted(sum(passed_over.values()), "event")
    return f" Passed over: {events} of {_counted(len(passed_over), 'type')} without a class (--all counts them)."


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
