"""`refold export`: events out of a store, as JSONL or CSV."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from refold.cli.events import Event
from refold.cli.exits import Interrupted
from refold.cli.nearby import no_such_stream
from refold.cli.options import journals_option, reading, store_option
from refold.cli.progress import Tell, progress
from refold.errors import Refused, UsageError
from refold.eventlogs.exporter import FORMATS
from refold.query import Query
from refold.store import Store

_TOLD_EVERY = 1_000


@click.command(
    "export",
    short_help="Export events as JSONL or CSV.",
    help="""Export events, in the order of their positions, to FILE, or with - to stdout.

    JSONL is one event a line, whole: `refold import` makes the same events of it in another store. In CSV, data, tags
    and the free keys of metadata are JSON.

    \b
    Examples:
      refold export events.jsonl --store shop.db
      refold export carts.csv --store shop.db --category cart
      refold export - --store shop.db --stream cart-c-1
      refold export events.jsonl --store shop.db --yes
    """,
)
@click.argument("file", default="-")
@store_option
@click.option("--stream", help="Only this stream.")
@click.option("--category", help="Only streams of this category.")
@click.option("--type", "types", multiple=True, help="Only events of this type; may be given several times.")
@click.option(
    "--format", type=click.Choice(list(FORMATS)), help="Told by the end of the name; on stdout jsonl, if not given."
)
@journals_option
@click.option("--yes", is_flag=True, help="Replace FILE if it is there.")
def command(
    file: str,
    url: str,
    stream: str | None,
    category: str | None,
    types: tuple[str, ...],
    format: str | None,
    *,
    journals: bool,
    yes: bool,
) -> None:
    """See `help` above."""
    lines = FORMATS[format or _told_by(file)]
    if file != "-" and Path(file).exists() and not yes:
        raise Refused(f"{file!r} is there already: choose another name, or replace it with --yes.")
    with reading(url) as store, progress() as tell, _opened(file) as out:
        counted = _Counted(_wanted(store, stream, category, types, journals=journals), int(store.head()), tell)
        out.writelines(lines(counted))
    if file != "-":
        click.echo(f"exported {counted.count:,} event{'' if counted.count == 1 else 's'} to {file}")


def _told_by(file: str) -> str:
    if file == "-":
        return "jsonl"
    ending = Path(file).suffix.removeprefix(".").lower()
    if ending not in FORMATS:
        raise UsageError(f"{file!r} tells no format by its end: known are .jsonl and .csv; or name one with --format.")
    return ending


def _wanted(
    store: Store, stream: str | None, category: str | None, types: tuple[str, ...], *, journals: bool
) -> Iterator[Event]:
    if stream is not None and next(store.read(stream, limit=1), None) is None:
        raise no_such_stream(store, stream)
    query = Query.of(types=types) if types and stream is None and category is None else None
    events = store.read(stream, category=category, query=query, journals=journals)
    return (event for event in events if not types or event.type in types)


class _Counted:
    """Events on their way out, told and counted."""

    def __init__(self, events: Iterable[Event], head: int, tell: Tell) -> None:
        self._events, self._head, self._tell = events, head, tell
        self.count = 0

    def __iter__(self) -> Iterator[Event]:
        for event in self._events:
            yield event
            self.count += 1
            if self.count % _TOLD_EVERY == 0:
                self._tell("export", int(event.position), self._head)
        self._tell("export", self._head, self._head)


@contextmanager
def _opened(file: str) -> Generator[IO[str]]:
    """Where the lines go: to stdout, or beside the file until all are written, so that it is never half there."""
    if file == "-":
        yield sys.stdout
        return
    path = Path(file)
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as out:
            beside = Path(out.name)
            try:
                yield out
                out.flush()
                os.fsync(out.fileno())
                beside.chmod(0o666 & ~_umask())
                beside.replace(path)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise UsageError(f"{file!r} cannot be written: {error.strerror or error}.") from error
    except KeyboardInterrupt:
        raise Interrupted(f"stopped: {file!r} was not written. The same command begins anew.") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
