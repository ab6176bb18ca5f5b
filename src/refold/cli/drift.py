"""`refold schema diff`: the application beside another lock, or beside what a store holds."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from refold.cli.consent import counted
from refold.cli.exits import Exit, NotFound
from refold.cli.findings import print_findings
from refold.cli.lockfiles import file_option, lock_at, lock_in, schema_app_option, the_application
from refold.cli.options import output_option, reading, store_url
from refold.cli.saying import say
from refold.schema.checking import Finding, bridged, check
from refold.schema.lock import Lock
from refold.schema.present import Present
from refold.schema.sampling import SAMPLE, sampled
from refold.schema.verdicts import Verdict

_SQLITE = b"SQLite format 3\x00"


@click.command(
    "diff",
    short_help="Show what changed, field by field, and what it means.",
    help="""Show what changed in the application since it was locked, field by field, with a verdict on each change.

    ok: events that were written before read as they were meant. needs an upcaster: not without a new version and an
    upcaster. breaks: no upcaster can mend it. Anything but ok makes the exit code 1.

    --against names another lock file, a revision of Git that has the lock file in it, or a store: then the oldest and the
    newest events of each type are read as the application would.

    \b
    Examples:
      refold schema diff --app shop:app
      refold schema diff --against shop.db --app shop:app --output json
    """,
)
@schema_app_option
@file_option
@click.option("--against", metavar="FILE|REF|STORE", help="A lock file, a revision of Git, or a store.")
@click.option(
    "--sample",
    type=click.IntRange(1),
    default=SAMPLE,
    show_default=True,
    metavar="N",
    help="Of a store, read so many of the oldest and of the newest events of each type.",
)
@output_option()
@click.pass_context
def diff(ctx: click.Context, app: str | None, file: str, against: str | None, sample: int, output: str) -> None:
    """See `help` above."""
    now = the_application(app)
    rows = _of_store(against, now, file, sample) if against and _is_store(against) else _of_lock(against, now, file)
    print_findings(rows, output)
    sys.stdout.flush()
    serious = [row for row in rows if row.verdict is not Verdict.OK]
    say(f"{counted(len(rows), 'row')}, {len(serious)} of them not ok.", err=True)
    ctx.exit(Exit.FINDINGS if serious else Exit.OK)


def _of_lock(against: str | None, now: Present, file: str) -> tuple[Finding, ...]:
    lock = _lock(against, file)
    report = check(lock, now)
    return (*report.findings, *report.notes, *bridged(lock, now))


def _lock(against: str | None, file: str) -> Lock:
    if against is None:
        return lock_in(file)
    return lock_in(against) if Path(against).is_file() else lock_at(against, file)


def _of_store(url: str, now: Present, file: str, sample: int) -> tuple[Finding, ...]:
    try:
        lock = lock_in(file)
    except NotFound:
        lock = Lock()
    with reading(store_url(url)) as store:
        return tuple(sampled(store, now, lock, sample=sample))


def _is_store(text: str) -> bool:
    if "://" in text:
        return True
    path = Path(text)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE
