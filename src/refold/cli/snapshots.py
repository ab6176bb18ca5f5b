"""`refold snapshots`: saved states of streams, taken, checked against all events, and dropped."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final

import click

from refold.cli.apps import application
from refold.cli.consent import consented, counted, dry_run_option, yes_option
from refold.cli.exits import Exit, NotFound
from refold.cli.models import existing
from refold.cli.options import app_option_for, as_of, output_option, reading, store_option
from refold.cli.output import Column, Listing, chosen, print_list
from refold.cli.saying import say
from refold.errors import NoSuchVersion, UsageError
from refold.flows.load import AsOf
from refold.flows.snapshotting import SnapshotCheck
from refold.messages import StreamName
from refold.snapshot import Snapshots
from refold.store import Store, Streams

_LISTING: Listing[SnapshotCheck] = Listing(
    (
        Column("stream", lambda c: c.stream, "cyan"),
        Column("version", lambda c: c.version),
        Column("verdict", lambda c: c.verdict),
        Column("problem", lambda c: c.problem),
    ),
    lambda check: check,
)
_WRONG: Final = ("differs", "damaged", "foreign")

_app_option = app_option_for("folds to use")
_subject = click.argument("subject", metavar="STREAM|CATEGORY")


@click.group(
    "snapshots",
    short_help="Take, check and drop saved states of streams.",
    help="""Take, check and drop saved states of streams, from which loads begin in place of the first event.

    All of them may be dropped at any time: loads are slower then, and the same.

    \b
    Examples:
      refold snapshots create cart --app shop:app --store shop.db
      refold snapshots verify cart --app shop:app --store shop.db
    """,
    epilog="Every command has examples: refold snapshots COMMAND --help.",
)
def command() -> None:
    """See `help` above."""


@command.command(
    "create",
    short_help="Save the state of a stream, or of all of a category.",
    help="""Save the state of a stream, or of every stream of a category: now, or as of then. Of a category, streams that had not
    come so far are passed over.

    \b
    Examples:
      refold snapshots create cart-c-1 --app shop:app --store shop.db
      refold snapshots create cart-c-1 --at 3 --app shop:app --store shop.db
      refold snapshots create cart --app shop:app --store shop.db
    """,
)
@_subject
@_app_option
@store_option
@click.option(
    "--at", "moment", type=as_of, metavar="VERSION|TIME", help="As of a version, a time, or a position '#123'."
)
def create(*, subject: str, app: str | None, url: str, moment: AsOf | None) -> None:
    """See `help` above."""
    with existing(url) as store:
        streams, id = _streams(store, subject, app)
        versions = (
            [_saved(streams, each, moment) for each in _ids(store, subject)]
            if id is None
            else [streams.snapshot(id, as_of=moment)]
        )
    saved = sum(map(bool, versions))
    if not saved:
        raise NotFound(f"there is no stream {subject!r} with an event then: `refold streams` lists them.")
    say(f"saved {counted(saved, 'state')} of {subject}.")
    if passed := len(versions) - saved:
        say(f"passed over: {counted(passed, 'stream')} that had not come so far.", err=True)


def _saved(streams: Streams[Any, Any], id: str, moment: AsOf | None) -> int:
    """At which version; 0 where a stream of many had not come so far."""
    try:
        return streams.snapshot(id, as_of=moment)
    except NoSuchVersion:
        return 0


@command.command(
    "verify",
    short_help="Hold saved states against all events.",
    help="""Fold all events of each stream that has snapshots, and compare. It only reads.

    The exit code is 0 when all of them are sound, and 1 when one differs, is damaged, or is of another history. Those by an older
    version of the fold are listed as outdated, and never used; those of archived streams as archived, until these are back.

    \b
    Examples:
      refold snapshots verify cart --app shop:app --store shop.db
      refold snapshots verify cart-c-1 --app shop:app --store shop.db --output json
    """,
)
@_subject
@_app_option
@store_option
@output_option()
@click.pass_context
def verify(ctx: click.Context, *, subject: str, app: str | None, url: str, output: str) -> None:
    """See `help` above."""
    with reading(url) as store:
        streams, id = _streams(store, subject, app)
        found = streams.check_snapshots(id)
    told = [check for check in found if check.verdict != "sound"]
    print_list(_LISTING, told, output)
    if chosen(output) in {"table", "plain"}:
        sys.stdout.flush()
        sound = len(found) - len(told)
        verb = "is" if sound == 1 else "are"
        say(f"{counted(sound, 'snapshot')} of {subject} {verb} sound, {len(told)} not.", err=True)
    ctx.exit(Exit.FINDINGS if any(check.verdict in _WRONG for check in told) else Exit.OK)


@command.command(
    "drop",
    short_help="Drop saved states.",
    help="""Drop the saved states of a stream, or of every stream of a category. No event is touched.

    \b
    Examples:
      refold snapshots drop cart --outdated --app shop:app --store shop.db --yes
      refold snapshots drop cart-c-1 --app shop:app --store shop.db --dry-run
    """,
)
@_subject
@_app_option
@store_option
@click.option("--outdated", is_flag=True, help="Only those by an older version of the fold, which are not used.")
@yes_option
@dry_run_option
@click.pass_context
def drop(
    ctx: click.Context, *, subject: str, app: str | None, url: str, outdated: bool, yes: bool, dry_run: bool
) -> None:
    """See `help` above."""
    with existing(url) as store:
        streams, id = _streams(store, subject, app)
        which = "the outdated snapshots" if outdated else "the snapshots"
        if not consented([f"{which} of {subject} are dropped; loads are the same without."], yes=yes, dry_run=dry_run):
            ctx.exit()
        say(f"dropped {counted(streams.drop_snapshots(id, outdated=outdated), 'snapshot')}.")


def _streams(store: Store, subject: str, named: str | None) -> tuple[Streams[Any, Any], str | None]:
    """The streams of the fold that a stream or a category has, and the stream's id.

    Raises:
        UsageError: no application is named. NotFound: it has no fold for the category.
    """
    app = application(named)
    if app is None:
        raise UsageError("whose states? Name the application that has the folds: --app module:name, or REFOLD_APP.")
    category = subject.partition("-")[0]
    if category not in app.folds:
        raise NotFound(
            f"the app has no fold for category {category!r}: it has {', '.join(sorted(app.folds)) or 'none'}."
        )
    fold = app.folds[category]
    id = StreamName.parse(subject).id if "-" in subject else None
    return store.bind(fold, snapshots=app.snapshots.get(fold, Snapshots())), id


def _ids(store: Store, category: str) -> Iterator[str]:
    return (StreamName.parse(info.stream).id for info in store.streams(f"{category}-"))
