"""`refold schema lock`: the lock file, written or checked."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from refold.cli.consent import counted
from refold.cli.exits import Exit, NotFound
from refold.cli.findings import print_findings
from refold.cli.lockfiles import file_option, lock_in, schema_app_option, the_application
from refold.cli.options import output_option
from refold.cli.saying import say
from refold.errors import UsageError
from refold.schema.checking import Report, check
from refold.schema.lock import Lock, to_text
from refold.schema.writing import accepted, retired, taken_in


@click.command(
    "lock",
    short_help="Write the lock file, or check the application against it.",
    help="""Write events.lock.json, or with --check find what has drifted from it; with findings the exit code is 1.

    Every version of an event that was ever locked must be read by the classes of today, as it is or through upcasters. What
    only adds is taken in; with anything else nothing is written, and each finding says what to do. With --complete, --check
    also fails when there is something to take in.

    --accept and --retire are for what no store holds: --accept takes a type as it is now, as if it had never been otherwise;
    --retire takes a type or version out, and leaves a tombstone, so that its name is found when it is used again.

    \b
    Examples:
      refold schema lock --app shop:app
      refold schema lock --check --app shop:app
      refold schema lock --check --complete --app shop:app
    """,
)
@schema_app_option
@file_option
@click.option("--check", "checking", is_flag=True, help="Write nothing.")
@click.option("--complete", is_flag=True, help="With --check: the file must be up to date, too.")
@click.option("--accept", multiple=True, metavar="TYPE[@V]", help="Take it as it is now; may be given several times.")
@click.option("--retire", multiple=True, metavar="TYPE[@V]", help="Take it out for good; may be given several times.")
@output_option()
@click.pass_context
def lock(
    ctx: click.Context,
    app: str | None,
    file: str,
    accept: tuple[str, ...],
    retire: tuple[str, ...],
    output: str,
    *,
    checking: bool,
    complete: bool,
) -> None:
    """See `help` above."""
    if checking and (accept or retire):
        raise UsageError("--check writes nothing: leave out --accept and --retire, or --check.")
    if complete and not checking:
        raise UsageError("--complete goes with --check.")
    now = the_application(app)
    was = _locked(file, needed=checking)
    kept = retired(accepted(was, now, accept), now, retire)
    report, fresh = check(kept, now), taken_in(kept, now)
    is_stale = to_text(fresh) != to_text(was)
    print_findings(report.findings if checking or report.findings else (), output)
    sys.stdout.flush()
    for note in report.notes if checking else ():
        say(f"note: {' '.join(filter(None, (note.event, note.field)))}: {note.what}", err=True)
    if not checking and not report.findings and is_stale:
        _write(file, to_text(fresh))
    say(_summary(file, report, fresh, is_stale=is_stale, checking=checking), err=True)
    ctx.exit(Exit.FINDINGS if report.findings or (complete and is_stale) else Exit.OK)


def _locked(file: str, *, needed: bool) -> Lock:
    try:
        return lock_in(file)
    except NotFound:
        if needed:
            raise
        return Lock()


def _write(file: str, text: str) -> None:
    path = Path(file)
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise UsageError(f"{file!r} cannot be written: {error.strerror or error}.") from error


def _summary(file: str, report: Report, fresh: Lock, *, is_stale: bool, checking: bool) -> str:
    if report.findings:
        found = counted(len(report.findings), "finding")
        return f"{found}." if checking else f"{found}: {file} was not written."
    holds = f"{counted(len(fresh.events), 'event')} in {counted(_versions(fresh), 'version')}"
    if checking:
        stale = f"; to be taken in: run `refold schema lock`, and commit {file}" if is_stale else ""
        return f"no findings: {holds}{stale}."
    return f"{file} {'was written' if is_stale else 'is up to date'}: {holds}."


def _versions(lock: Lock) -> int:
    versions: Sequence[int] = [len(each) for each in lock.events.values()]
    return sum(versions)
