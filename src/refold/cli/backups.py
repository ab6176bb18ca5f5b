"""What came of a backup, a restore or a drill, in words and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from refold.backup.drilling import Drill
from refold.backup.making import Made
from refold.backup.manifest import Manifest
from refold.backup.restoring import Restored
from refold.backup.sources import named
from refold.cli.consent import counted
from refold.cli.output import chosen, print_object
from refold.cli.saying import say
from refold.clock import as_datetime
from refold.flows.contents import Since
from refold.forms import as_number


class BackupPlan(msgspec.Struct, frozen=True):
    """A backup that would be made. `bytes`: how large the store is."""

    backup: str
    place: str
    events: int
    bytes: int


class RestorePlan(msgspec.Struct, frozen=True):
    """A backup that is whole, and the place where it would be restored."""

    backup: str
    place: str
    manifest: Manifest


def print_plan(plan: BackupPlan | RestorePlan, output: str) -> None:
    """On stdout: it is all that there is of a dry run."""
    if isinstance(plan, BackupPlan):
        what = f"{counted(plan.events, 'event')}, {plan.bytes:,} bytes"
        line = f"{plan.place} would be backed up to {plan.backup}: {what}"
    else:
        line = f"{plan.backup} is whole, and would be restored to {plan.place}: {held(plan.manifest)}"
    _print(plan, output, [line])


def print_made(made: Made, output: str) -> None:
    """On stdout; what is not in the backup on stderr."""
    _print(made, output, _made(made))
    for line in _missing(made.manifest):
        say(f"refold: {line}", err=True)


def print_restored(restored: Restored, output: str) -> None:
    """On stdout; what was not in the backup on stderr."""
    lines = [f"restored and verified in {restored.seconds:.2f} s: {held(restored.manifest)}"]
    _print(restored, output, lines)
    for line in _missing(restored.manifest):
        say(f"refold: {line}", err=True)


def print_drill(drill: Drill, output: str) -> None:
    """On stdout."""
    _print(drill, output, _drilled(drill))


def held(manifest: Manifest) -> str:
    """What a backup holds."""
    contents = manifest.contents
    return (
        f"{counted(contents.events, 'event')} in {counted(contents.streams, 'stream')}, up to position {contents.head}, "
        f"as of {_second(manifest.taken_at)}, digest {contents.digest}"
    )


def _print(told: object, output: str, lines: Iterable[str]) -> None:
    if chosen(output) in {"table", "plain"}:
        for line in lines:
            say(line)
    else:
        form: dict[str, Any] = msgspec.to_builtins(told, enc_hook=as_number)
        print_object(form, output, lambda: None)


def _made(made: Made) -> Iterator[str]:
    yield f"backed up and verified in {made.seconds:.2f} s: {held(made.manifest)}"
    yield f"{made.backup} has {made.bytes:,} bytes"


def _missing(manifest: Manifest) -> Iterator[str]:
    archive = manifest.contents.archive
    if archive is not None and archive.events and not manifest.archive:
        yield (
            f"NOT in it: the archive at {archive.place} with {counted(archive.events, 'event')}. Back that directory up after "
            "the store, or name it with --archive."
        )
    if manifest.tenants:
        yield f"NOT in it: the stores of tenants, {named(manifest.tenants)}. Back up each."


def _drilled(drill: Drill) -> Iterator[str]:
    yield f"restored into a scratch place and verified in {drill.restored_in:.2f} s: {held(drill.manifest)}"
    if drill.differs_at is None:
        yield f"it is the beginning of the live store, which is at position {drill.live_head}"
        yield _lost(drill.lost)
    else:
        yield (
            f"it is NOT the beginning of the live store: at position {drill.differs_at} they differ. The backup is of another "
            "store, or one of both was changed"
        )
    yield from _missing(drill.manifest)


def _lost(lost: Since) -> str:
    if lost.first_recorded_at is None:
        return "restoring it now would lose nothing"
    first = _second(as_datetime(lost.first_recorded_at).isoformat())
    return (
        f"restoring it now would lose {counted(lost.events, 'event')} in {counted(lost.streams, 'stream')}, recorded since "
        f"{first}"
    )


def _second(moment: str) -> str:
    """ISO 8601, to the second."""
    return f"{moment[:19]}Z"
