"""`refold copy`: a store into a new one of any backend, as it is or transformed, and both compared."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click

from refold.app import App
from refold.cli.apps import application
from refold.cli.copies import Told, print_told, told
from refold.cli.exits import Exit, Interrupted
from refold.cli.modes import make_as
from refold.cli.options import app_option, archive_option, output_option, reading, store_url, writing
from refold.cli.progress import Tell, progress
from refold.cli.same import is_same
from refold.cli.saying import say
from refold.cli.stopping import stopping
from refold.cli.transforms import transform_named
from refold.copying.report import Copied, Equivalence
from refold.copying.stored import Transform
from refold.errors import StoreUnreachable, UsageError
from refold.fold import Fold
from refold.limits import Limits
from refold.messages import Position
from refold.secrecy import shown
from refold.store import Store

_LOOKS = 0.5
"""Seconds after which a copy that follows looks whether it is to stop."""


@click.command(
    "copy",
    short_help="Copy a store into a new one, as it is or transformed.",
    help="""Copy a store into a new, empty one of any backend, in order, then read both and compare them by digests.

    Events keep their ids, times, tags, stories, causes and metadata. Ended at any moment, the same command goes on where it
    ended; later it takes in what was appended meanwhile. Read models, idempotency keys and tenants are not copied.

    --transform names a function that makes of each event nothing, another one, or several. The copy is compared with what
    it makes, and the changes are counted. --states also compares the states of the application's folds.

    The exit code is 1 if the copy is not equal to what it should be, or a state differs or cannot be
    compared.

    \b
    Examples:
      refold copy --from shop.db --to new.db --dry-run
      refold copy --from shop.db --to new.db
      refold copy --from shop.db --to new.db --transform shop:without_notes --output json
      refold copy --from shop.db --to new.db --states --app shop:app
    """,
)
@click.option(
    "--from", "source", type=store_url, required=True, metavar="URL", help="The store to copy. It is only read."
)
@click.option("--to", "target", type=store_url, required=True, metavar="URL", help="The copy, made if it is not there.")
@click.option("--transform", "named", metavar="MODULE:FUNCTION", help="What to make of each event.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is appended, until Ctrl-C; then compare.")
@click.option("--check", is_flag=True, help="Copy nothing, only compare.")
@click.option("--dry-run", is_flag=True, help="Only say what would be copied.")
@click.option("--states", is_flag=True, help="Compare the states of the folds of --app, too.")
@click.option("--streams", is_flag=True, help="Tell the count and digest of each stream, too.")
@archive_option
@app_option
@output_option(("auto", "json", "jsonl", "plain"))
@click.pass_context
def command(
    ctx: click.Context,
    *,
    source: str,
    target: str,
    named: str | None,
    follow: bool,
    check: bool,
    dry_run: bool,
    states: bool,
    streams: bool,
    app: str | None,
    output: str,
) -> None:
    """See `help` above."""
    if is_same(source, target):
        raise UsageError(f"--from and --to name one store, {shown(source)!r}: copy into a new one.")
    if follow + check + dry_run > 1:
        raise UsageError("--follow, --check and --dry-run exclude each other: take one.")
    folds = _folds(application(app)) if states else ()
    with reading(source) as old, progress() as tell:
        job = _Job(source, old, None if named is None else transform_named(named), tell)
        result = job.planned(target) if dry_run else job.done(target, folds, follow=follow, check=check)
    print_told(result, output, streams=streams)
    ctx.exit(Exit.OK if result.is_fine else Exit.FINDINGS)


def _folds(app: App | None) -> Sequence[Fold[Any, Any]]:
    if app is None:
        raise UsageError("--states needs to know the folds: name the application with --app MODULE:NAME.")
    return tuple(app.folds.values())


class _Job:
    """One run of the command."""

    def __init__(self, source: str, old: Store, transform: Transform | None, tell: Tell) -> None:
        self._source, self._old, self._transform, self._tell = source, old, transform, tell
        self._copied = Copied(0, 0, Position(0))

    def planned(self, url: str) -> Told:
        """What would be copied. A target that is not there is empty, and stays so."""
        try:
            new = reading(url)
        except StoreUnreachable:
            new = Store.open("memory://")
        with new:
            return told(self._compared(new, None, ()), None, 0.0)

    def done(self, url: str, folds: Sequence[Fold[Any, Any]], *, follow: bool, check: bool) -> Told:
        """Copy, and compare."""
        began = time.perf_counter()
        if not check:
            make_as(url, self._source)
        with reading(url) if check else writing(url, Limits()) as new:
            if check:
                return told(self._compared(new, None, folds), Copied(0, 0, self._old.head()), 0.0)
            self._follow(new) if follow else self._copy(new)
            seconds = time.perf_counter() - began
            return told(self._compared(new, self._copied.position, folds), self._copied, seconds)

    def _copy(self, new: Store) -> None:
        head, before = int(self._old.head()), self._copied

        def tell(now: Copied) -> None:
            self._copied = Copied(before.read + now.read, before.written + now.written, now.position)
            self._tell("copy", int(now.position), max(head, int(now.position)))

        try:
            tell(self._old.copy_to(new, transform=self._transform, tell=tell))
        except KeyboardInterrupt:
            raise Interrupted(
                f"stopped at position {self._copied.position} of {head}: the same command goes on, and copies nothing twice."
            ) from None

    def _follow(self, new: Store) -> None:
        with stopping(lambda: say("refold: copying what is left, then comparing.", err=True)) as stop:
            self._copy(new)
            say(f"refold: copied up to position {self._copied.position}; following until Ctrl-C.", err=True)
            while not stop.is_set():
                if self._old.wait(self._copied.position, timeout=_LOOKS) > self._copied.position:
                    self._copy(new)
            self._copy(new)

    def _compared(self, new: Store, until: Position | None, folds: Sequence[Fold[Any, Any]]) -> Equivalence:
        try:
            return self._old.check_copy(new, transform=self._transform, until=until, folds=folds, tell=self._tell)
        except KeyboardInterrupt:
            raise Interrupted("stopped while comparing: --check compares without copying.") from None
