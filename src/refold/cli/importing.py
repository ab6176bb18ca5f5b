"""`refold import`: an event log, the events of another event store, or events that a store exported, into a store."""

from __future__ import annotations

import time

import click
import msgspec

from refold.cli.exits import Exit, Interrupted
from refold.cli.options import live_store_option, output_option, writing
from refold.cli.output import chosen, print_object
from refold.cli.progress import Tell, progress
from refold.cli.saying import say
from refold.errors import EventLogError
from refold.eventlogs.importer import BATCH, CheckedLog, Imported, checked_log
from refold.eventlogs.mapping import LogMapping
from refold.limits import Limits
from refold.secrecy import shown

_LIMITS = Limits(batch_events=BATCH, batch_bytes=32 << 20)
_TELLING = 1_000
"""Events from which on a rate means something."""


class Summary(msgspec.Struct, frozen=True):
    """What came of an import, as it is told."""

    events: int
    streams: int
    known: int
    skipped: int
    seconds: float


def _a_file_or_url(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Whether a database answers shows when it is read; a file is there, or not."""
    if "://" not in value:
        click.Path(exists=True, dir_okay=False, readable=True).convert(value, param, ctx)
    return value


@click.command(
    "import",
    short_help="Import an event log, or what another event store holds.",
    help="""Import FILE: .csv, .xes, .jsonl or .ocel.json, each also with .gz, .parquet, or what `refold export` wrote.

    Whole events of other stores are known by their fields: JSONL of CloudEvents, of KurrentDB and of message-db; the
    tables of eventsourcing and of message-db, where FILE is a SQLite file or a URL postgresql://...

    Of other logs the usual columns of stream, type and time are found by themselves; the others are the data of the
    event. Its time becomes valid_at. Streams are named after --category, or as they are if they read as category-id, or case-ID.

    The file is checked to its end before anything is written. Importing it again adds only what is new in it.

    \b
    Examples:
      refold import log.csv --store new.db
      refold import orders.csv --store new.db --stream-from order --type-from what --time-from at --category order
      refold import log.csv --store new.db --dry-run
      refold import kurrentdb.jsonl --store new.db
      refold import accounts.db --store new.db --category account
      refold import log.csv --store new.db --on-error skip --output json
    """,
)
@click.argument("file", callback=_a_file_or_url)
@live_store_option
@click.option("--stream-from", metavar="COLUMN", help="The column that names the stream.")
@click.option("--type-from", metavar="COLUMN", help="The column that names the type of the event.")
@click.option("--time-from", metavar="COLUMN", help="The column that tells when it was true.")
@click.option("--category", help="The category of the streams.")
@click.option("--table", metavar="NAME", help="The table of a database, where several hold events.")
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="stop writes nothing if any row is bad; skip leaves bad rows out.",
)
@click.option("--dry-run", is_flag=True, help="Check the file, and write nothing.")
@output_option(("auto", "json", "jsonl", "plain"))
@click.pass_context
def command(
    ctx: click.Context,
    *,
    file: str,
    url: str,
    stream_from: str | None,
    type_from: str | None,
    time_from: str | None,
    category: str | None,
    table: str | None,
    on_error: str,
    output: str,
    dry_run: bool,
) -> None:
    """See `help` above."""
    source, file = file, shown(file)
    mapping = LogMapping(stream_from=stream_from, type_from=type_from, time_from=time_from, category=category)
    began = time.perf_counter()
    try:
        with progress() as tell, checked_log(source, mapping, _LIMITS, tell, table=table) as log:
            refused = bool(log.bad) and on_error == "stop"
            imported = Imported(0, 0, 0) if refused or dry_run else _written(url, log, tell)
    except KeyboardInterrupt:
        raise Interrupted(f"stopped while {file!r} was being checked: nothing was written.") from None
    _report_bad(file, log)
    if refused:
        raise EventLogError(f"has {_rows(log.bad_count)}, so nothing was written", path=file)
    if dry_run:
        say(f"refold: {log.events:,} events are good; nothing was written.", err=True)
    summary = Summary(
        imported.events, imported.streams, imported.known, log.bad_count, round(time.perf_counter() - began, 3)
    )
    _print(summary, output)
    ctx.exit(Exit.FINDINGS if log.bad else Exit.OK)


def _written(url: str, log: CheckedLog, tell: Tell) -> Imported:
    done = 0

    def told(stage: str, now: int, total: int) -> None:
        nonlocal done
        done = now
        tell(stage, now, total)

    log.tell = told
    with writing(url, _LIMITS) as store:
        try:
            return log.write(store)
        except KeyboardInterrupt:
            raise Interrupted(
                f"stopped after {done:,} of {log.events:,} events: the same command goes on, and writes none twice."
            ) from None


def _report_bad(file: str, log: CheckedLog) -> None:
    for row in log.bad:
        column = "" if row.column is None else f", column {row.column}"
        say(f"{file}:{row.line}{column}: {row.reason}", err=True)
    if log.bad_count > len(log.bad):
        say(f"and {log.bad_count - len(log.bad):,} more bad rows.", err=True)


def _rows(count: int) -> str:
    return f"{count:,} bad row{'s' if count > 1 else ''}"


def _print(summary: Summary, output: str) -> None:
    if chosen(output) in {"table", "plain"}:
        rate = f", {summary.events / summary.seconds:,.0f} events/s" if summary.events >= _TELLING else ""
        say(
            f"imported {summary.events:,} events into {summary.streams:,} streams, {summary.known:,} were there already, "
            f"{summary.skipped:,} skipped, in {summary.seconds:.2f} s{rate}"
        )
    else:
        print_object(msgspec.structs.asdict(summary), output, lambda: None)
