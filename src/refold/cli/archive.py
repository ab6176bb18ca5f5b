"""`refold archive`: move old closed streams to Parquet files, check these, bring streams back."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from refold.archive.threaded import stepped
from refold.archiving import Shelf
from refold.cli.exits import Exit, Interrupted
from refold.cli.modes import mode_of_store
from refold.cli.options import live_store_option, output_option, reading
from refold.cli.output import Column, Listing, chosen, print_list
from refold.cli.progress import progress
from refold.cli.saying import say
from refold.clock import as_microseconds
from refold.flows.archiving import (
    Closed,
    Finding,
    Moved,
    archive,
    closed_streams,
    records_of,
    restore,
    verify_archive,
)
from refold.opening import open_blocking
from refold.ports import Backend

T = TypeVar("T")

_AGE = re.compile(r"(\d+)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_CLOSED: Listing[Closed] = Listing(
    (
        Column("stream", lambda c: c.stream),
        Column("events", lambda c: c.events),
        Column("last", lambda c: c.last_position),
    ),
    lambda closed: closed,
)
_FINDINGS: Listing[Finding] = Listing(
    (Column("where", lambda f: f.where), Column("problem", lambda f: f.problem)), lambda finding: finding
)


def an_age(text: str) -> timedelta:
    """The value of an option that is a span of time: `90d`."""
    if age := _AGE.fullmatch(text):
        try:
            return timedelta(**{_UNITS[age[2]]: int(age[1])})
        except OverflowError:
            pass
    raise click.BadParameter(f"{text!r} is no span of time: write 90d, 12h, or 0s.")


@click.group(
    "archive",
    short_help="Move old closed streams to Parquet files, and back.",
    help="""Move old closed streams to Parquet files, check these, and bring streams back.

    \b
    Examples:
      refold archive create old --store shop.db --dry-run
      refold archive verify old --store shop.db
    """,
)
def command() -> None:
    """See `help` above."""


@command.command(
    "create",
    short_help="Move closed periods that are old to an archive.",
    help="""Move closed periods that are old to the archive in DIR, which is made if it is not there.

    A period is closed when the next one of the same thing was opened. Its events go to a Parquet file, which is read back and
    compared before they leave the store. Ended at any moment, the same command goes on. Programs must then open the store with
    the archive, or are told when they ask for what is there.

    --older-than: how old the newest event of a period must be. Nobody may be deciding upon such old events still.

    \b
    Examples:
      refold archive create old --store shop.db --dry-run
      refold archive create old --store shop.db --older-than 90d --category account
    """,
)
@click.argument("place", metavar="DIR")
@live_store_option
@click.option(
    "--older-than",
    type=an_age,
    default="30d",
    show_default=True,
    metavar="AGE",
    help="Such as 90d, 12h, or 0s for all.",
)
@click.option("--category", metavar="NAME", help="Only streams of this category.")
@click.option("--dry-run", is_flag=True, help="Only list what would be moved.")
@output_option()
def create(*, place: str, url: str, older_than: timedelta, category: str | None, dry_run: bool, output: str) -> None:
    """See `help` above."""
    now = datetime.now(UTC)
    try:
        before = as_microseconds(now - older_than)
    except OverflowError:
        before = 0
    with _opened(url, is_read=dry_run) as backend:
        streams = stepped(closed_streams(backend, before, category))
        if dry_run:
            print_list(_CLOSED, streams, output)
            return
        total, shelf = sum(each.events for each in streams), _shelf(place, mode_of_store(url))
        moved = _told(
            "archive",
            total,
            lambda tell: archive(backend, shelf, streams, as_microseconds(now), uuid.uuid4().hex, tell),
        )
    say(f"{moved.streams:,} streams with {moved.events:,} events are in {place} now.")


@command.command(
    "verify",
    short_help="Check the files of an archive, and what the store says of it.",
    help="""Check every file of the archive in DIR against its manifest, and both against what the store has recorded.

    It only reads. The exit code is 0 when all is well, and 6 when something is damaged.

    \b
    Examples:
      refold archive verify old --store shop.db
      refold archive verify old --store shop.db --output json
    """,
)
@click.argument("place", metavar="DIR")
@live_store_option
@output_option()
@click.pass_context
def verify(ctx: click.Context, place: str, url: str, output: str) -> None:
    """See `help` above."""
    with _opened(url, is_read=True) as backend:
        found = stepped(verify_archive(backend, _shelf(place)))
        records = stepped(records_of(backend))
    print_list(_FINDINGS, found, output)
    if chosen(output) in {"table", "plain"} and not found:
        events = sum(record.events for record in records)
        say(f"all is well: {len(records):,} archived streams with {events:,} events.", err=True)
    ctx.exit(Exit.CORRUPT if found else Exit.OK)


@command.command(
    "restore",
    short_help="Bring archived streams back into the store.",
    help="""Bring streams back from the archive in DIR, or all: byte for byte, at the positions where they stood.

    Each is compared with what the store has recorded. Ended at any moment, the same command goes on. The files stay where
    they are.

    \b
    Examples:
      refold archive restore old --store shop.db
      refold archive restore old --store sqlite:///shop.db
    """,
)
@click.argument("place", metavar="DIR")
@click.argument("streams", metavar="[STREAM]...", nargs=-1)
@live_store_option
def bring_back(place: str, streams: Sequence[str], url: str) -> None:
    """See `help` above."""
    with _opened(url, is_read=False) as backend:
        records = stepped(records_of(backend))
        total = sum(record.events for record in records if not streams or record.stream in streams)
        moved = _told("restore", total, lambda tell: restore(backend, _shelf(place), streams, tell))
    say(f"{moved.streams:,} streams with {moved.events:,} events are back in the store.")


def _shelf(place: str, mode: int | None = None) -> Shelf:
    from refold.archive.files import Files  # noqa: PLC0415 - pyarrow is asked for when it is needed

    return Files(place, mode)


@contextmanager
def _opened(url: str, *, is_read: bool) -> Generator[Backend]:
    """The backend alone, of a store that is there: what is moved is no event of anybody's."""
    reading(url).close()
    if is_read and not url.startswith("memory:"):
        url += f"{'&' if '?' in url else '?'}mode=ro"
    backend = open_blocking(url)
    try:
        yield backend
    finally:
        stepped(backend.close())


def _told(what: str, total: int, flow: Callable[[Callable[[Moved], object]], Coroutine[Any, Any, Moved]]) -> Moved:
    moved = Moved()

    def heard(now: Moved) -> None:
        nonlocal moved
        moved = now
        tell(what, now.events, total)

    with progress() as tell:
        try:
            return stepped(flow(heard))
        except KeyboardInterrupt:
            raise Interrupted(
                f"stopped after {moved.streams:,} streams with {moved.events:,} events: the same command goes on."
            ) from None
