"""`refold streams`: which streams there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

import click

from refold.cli.options import output_option, reading, store_option
from refold.cli.output import Column, Listing, print_list
from refold.cli.paging import Page
from refold.ports import StreamInfo
from refold.store import Store

_LISTING: Listing[StreamInfo] = Listing(
    (
        Column("stream", lambda s: s.stream, "cyan"),
        Column("version", lambda s: s.version),
        Column("last position", lambda s: s.last_position),
        Column("first recorded at", lambda s: s.first_recorded_at, "dim"),
        Column("last recorded at", lambda s: s.last_recorded_at, "dim"),
    ),
    lambda info: info,
)


@click.command(
    "streams",
    short_help="List the streams.",
    help="""List the streams by name, with their versions.

    PATTERN is how a name begins, or, with * and ? in it, how it looks as a whole.

    \b
    Examples:
      refold streams --store shop.db
      refold streams cart --store shop.db --output json
      refold streams 'cart-*' --store shop.db --limit 10
      refold streams --store shop.db --limit 10 --after cart-c-1
    """,
)
@click.argument("pattern", default="")
@store_option
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many.")
@click.option("--after", metavar="STREAM", help="Only those whose names come after this one; `next` in JSON gives it.")
@output_option()
def command(pattern: str, url: str, limit: int | None, after: str | None, output: str) -> None:
    """See `help` above."""
    with reading(url) as store:
        page = Page(_matching(store, pattern, after or ""), limit, lambda info: info.stream)
        print_list(
            _LISTING, page, output, page.next, f"no stream is named like {pattern!r}." if pattern else "no streams."
        )


def _matching(store: Store, pattern: str, after: str) -> Iterator[StreamInfo]:
    prefix = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    whole = pattern != prefix
    return (
        info
        for info in store.streams(prefix)
        if info.stream > after and (not whole or fnmatchcase(info.stream, pattern))
    )
