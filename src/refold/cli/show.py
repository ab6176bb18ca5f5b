"""`refold show`: the events of one stream, or one event whole."""

from __future__ import annotations

import re
from uuid import UUID

import click

from refold.cli.events import OF_A_STREAM, Event, print_whole
from refold.cli.exits import NotFound
from refold.cli.nearby import no_such_stream
from refold.cli.options import output_option, reading, store_option
from refold.cli.output import print_list
from refold.cli.paging import Page
from refold.errors import NoSuchVersion
from refold.store import Store


@click.command(
    "show",
    short_help="Show the events of a stream, or one event whole.",
    help="""Show the events of a stream in their order, or one event with all that is known of it.

    WHAT is a stream; or one event: STREAM@VERSION, '#POSITION' (quoted, as # begins a comment in a shell), or its id.

    \b
    Examples:
      refold show cart-c-1 --store shop.db
      refold show cart-c-1@2 --store shop.db
      refold show '#3' --store shop.db --output json
      refold show cart-c-1 --store shop.db --after 1 --limit 1
    """,
)
@click.argument("what")
@store_option
@click.option(
    "--after", metavar="VERSION", type=click.IntRange(0), help="Only the events after this version of the stream."
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many.")
@output_option()
def command(what: str, url: str, after: int | None, limit: int | None, output: str) -> None:
    """See `help` above."""
    with reading(url) as store:
        event = one_event(store, what)
        if event is not None:
            print_whole(event, output)
            return
        page = Page(store.read(what, after=after), limit, lambda event: event.version)
        if page.is_empty and next(store.read(what, limit=1), None) is None:
            raise no_such_stream(store, what)
        print_list(OF_A_STREAM, page, output, page.next, f"{what} has no events after version {after}.")


def one_event(store: Store, what: str) -> Event | None:
    """The one event that is meant, or None if it is a stream."""
    if what.startswith("#"):
        return _at_position(store, what)
    if is_uuid(what) and (found := store.find(UUID(what))):
        return found[0]
    stream, at, version = what.rpartition("@")
    if at and re.fullmatch(r"[0-9]{1,18}", version) and next(store.read(what, limit=1), None) is None:
        return _at_version(store, stream, int(version))
    return None


def is_uuid(text: str) -> bool:
    """Whether it is written as an event id is."""
    return bool(re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text))


def _at_position(store: Store, what: str) -> Event:
    if not re.fullmatch(r"#[0-9]{1,18}", what):
        raise click.BadParameter(f"{what!r} is no position such as '#123'.", param_hint="WHAT")
    position = int(what[1:])
    event = next(store.read(after=position - 1, limit=1), None)
    if event is None or event.position != position:
        raise NotFound(f"there is no event at position {position}: the last position is {store.head()}.")
    return event


def _at_version(store: Store, stream: str, version: int) -> Event:
    event = next(store.read(stream, after=version - 1, limit=1), None) if version else None
    if event is not None:
        return event
    last = next(store.read(stream, direction="backward", limit=1), None)
    if last is None:
        raise no_such_stream(store, stream)
    raise NoSuchVersion(stream, version, last.version)
