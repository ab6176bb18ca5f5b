"""How read models are: how far, how far behind, who works on them, and why not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final, TypeAlias, cast

from msgspec import Struct

from refold.clock import as_datetime
from refold.errors import NoSuchProjection, NotCaughtUp, ProjectionStopped, UsageError, shortened
from refold.flows.append import Receipt
from refold.flows.decide import Decided
from refold.flows.follow import checked_timeout
from refold.flows.prepare import Runtime
from refold.flows.projections.builds import Build, Role, builds, with_role
from refold.flows.projections.work import Partition, partitions
from refold.flows.transact import Handled
from refold.ports import Backend, Own, Pace, Selection

STUCK: Final = timedelta(seconds=30)
"""Behind for so long without a step, a projection counts as stuck."""

_NAMES: Final = "select distinct projection from {refold}builds order by projection"
_LETTERS: Final = """
select count(*), count(distinct key) from {refold}dead_letters
where projection = :projection and build = :build and state in ('failed', 'waiting')"""
_LETTER: Final = """
select error from {refold}dead_letters
where projection = :projection and build = :build and position = :position and state <> 'skipped'"""


class ProjectionStatus(Struct, frozen=True):
    """One build of a read model. Times are UTC; `position` is that of its slowest partition.

    `lag` is in events of the store; `oldest_waiting` is when the first of them was recorded. Lag alone does not show that
    nobody works: `is_stuck` does.
    """

    name: str
    version: int
    build: int
    role: Role
    state: str
    reason: str
    position: int
    head: int
    lag: int
    oldest_waiting: datetime | None
    rate: float
    applied: int
    moved_at: datetime | None
    is_stuck: bool
    dead_letters: int
    parked_keys: int
    partitions: tuple[Partition, ...]


class RunnerStatus(Struct, frozen=True):
    """A runner that is heard of: what it serves, as `NAME vVERSION`, and until when (UTC) its word holds."""

    name: str
    serves: tuple[str, ...]
    seen_until: datetime


_RUNNERS: Final = (
    "select runner, serves, seen_until from {refold}runners where seen_until > {now} order by runner, serves"
)


async def runners(target: Backend, runtime: Runtime) -> Sequence[RunnerStatus]:
    """Every runner that is alive, by name."""
    rows: Any = await target.query(Own(_RUNNERS, {"now": runtime.clock.now()}))
    return [
        RunnerStatus(name, tuple(serves for _, serves, _ in its), as_datetime(max(until for _, _, until in its)))
        for name, its in ((name, list(its)) for name, its in groupby(rows, lambda row: row[0]))
    ]


async def statuses(source: Backend, target: Backend, runtime: Runtime) -> Sequence[ProjectionStatus]:
    """Every build of every projection."""
    names = await target.query(Own(_NAMES, {}))
    return [found for (name,) in names for found in await _of(source, target, runtime, str(name))]


async def status(source: Backend, target: Backend, runtime: Runtime, name: str) -> ProjectionStatus:
    """The build that readers see.

    Raises:
        NoSuchProjection: nothing was begun under this name.
    """
    found = [each for each in await _of(source, target, runtime, name) if each.role == "active"]
    if not found:
        raise NoSuchProjection(name)
    return found[0]


async def _of(source: Backend, target: Backend, runtime: Runtime, name: str) -> Sequence[ProjectionStatus]:
    return [await _status(source, target, runtime, build) for build in await builds(target, name)]


async def _status(source: Backend, target: Backend, runtime: Runtime, build: Build) -> ProjectionStatus:
    parts = await partitions(target, build)  # before the head, so that no lag is below zero
    ((letters, keys),) = await target.query(Own(_LETTERS, build.key))
    head = await source.head()
    position = min((part.position for part in parts), default=0)
    waiting = await source.read(Selection(after=position, limit=1)) if position < head else ()
    moved_at = max((part.moved_at for part in parts), default=0)
    stopped = next((part for part in parts if part.state != "running"), None)
    now = runtime.clock.now()
    still = now - max(moved_at, waiting[0].recorded_at if waiting else 0) > STUCK / timedelta(microseconds=1)
    return ProjectionStatus(
        name=build.projection, version=build.version, build=build.number, role=build.role,
        state="running" if stopped is None else stopped.state, reason="" if stopped is None else stopped.reason,
        position=position, head=head, lag=head - position,
        oldest_waiting=as_datetime(waiting[0].recorded_at) if waiting else None,
        rate=sum(part.rate for part in parts if part.leased_until > now), applied=sum(part.applied for part in parts),
        moved_at=as_datetime(moved_at) if moved_at else None, is_stuck=bool(waiting) and (still or stopped is not None),
        dead_letters=_int(letters), parked_keys=_int(keys), partitions=tuple(parts),
    )  # fmt: skip


def _int(value: Any) -> int:  # noqa: ANN401 - a count, out of SQL
    return int(value)


Token: TypeAlias = Handled[Any, Any] | Decided[Any] | Receipt | int
"""What a write gave back, or a position."""


def position_of(token: Token) -> int:
    """The position that a write reached; 0 if it wrote nothing.

    Raises:
        UsageError: it is neither what a write gave back, nor a position.
    """
    if isinstance(token, int):
        return token
    if not hasattr(cast("object", token), "position"):
        raise UsageError(f"{shortened(token)} is nothing to wait for: take what the write gave back, or a position.")
    return int(token.position or 0)


_FIRST: Final = 0.002
_LONGEST: Final = 0.05


async def wait_for(
    source: Backend,
    target: Backend,
    runtime: Runtime,
    pace: Pace,
    name: str,
    position: int,
    timeout: float,  # noqa: ASYNC109 - the deadline is a pace's
) -> None:
    """Return as soon as the read model has taken in the event at a position, and all before it.

    Raises:
        NotCaughtUp: it had not after `timeout` seconds.
        ProjectionStopped: it is paused or failed, or could not apply that very event.
        NoSuchProjection: nothing was begun under this name, and nothing was until the deadline.
        UsageError: `timeout` is no number, or nan, which is never over.
    """
    deadline, wait = pace.now() + checked_timeout(timeout), _FIRST
    while True:
        active = with_role(await builds(target, name), "active")
        parts: Sequence[Partition] = () if active is None else await partitions(target, active)
        if active is not None and parts and all(part.position >= position for part in parts):
            return await _check_applied(target, active, position)
        if pace.now() >= deadline:
            break
        await pace.pause(min(wait, max(0.0, deadline - pace.now())))
        wait = min(wait * 1.5, _LONGEST)
    found = await status(source, target, runtime, name)
    if found.state != "running":
        raise ProjectionStopped(name, found.state, found.reason, found.position)
    now = runtime.clock.now()
    is_left_alone = found.is_stuck or not any(part.leased_until > now for part in found.partitions)
    raise NotCaughtUp(name, position, found.position, timeout, is_left_alone)


async def _check_applied(target: Backend, build: Build, position: int) -> None:
    letter = await target.query(Own(_LETTER, {**build.key, "position": position}))
    if letter:
        why = str(letter[0][0]) or "one before it of its key failed"
        raise ProjectionStopped(
            build.projection, "parked", f"it could not apply that event ({why})", position, "See its dead letters."
        )
