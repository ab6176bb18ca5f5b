"""Catch up: what a read model has not seen yet, in batches, each committed with its checkpoint."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from refold.errors import ProjectionStopped
from refold.flows.prepare import Runtime
from refold.flows.projections.batch import HandlerFailed, noted
from refold.flows.projections.builds import Build, active_build
from refold.flows.projections.standing import let_go_unless_built
from refold.flows.projections.work import Partition, Work, partitions, step, take_up
from refold.ports import Backend, Unclaimed
from refold.projection import Projection

Report: TypeAlias = Callable[[int, int], None]
"""Told now and then: the position that a build has reached, and the head."""


async def catch_up(source: Backend, target: Backend, runtime: Runtime, projection: Projection) -> int:
    """Apply every event that the read model has not seen, and say how many were applied.

    Raises:
        ProjectionChanged: the read model was built by another version of the projection.
        ProjectionStopped: it is paused, or failed too often.
    """

    async def again() -> Build:
        return await active_build(target, runtime.clock, projection)

    build, applied = await again(), 0
    for part in await partitions(target, build):
        applied += await finish(source, target, runtime, projection, build, part.first, again=again)
    return applied


async def _without_end() -> None:
    """Up to the head, wherever that is."""


async def finish(
    source: Backend, target: Backend, runtime: Runtime, projection: Projection, build: Build, first: int,
    *, again: Callable[[], Awaitable[Build | None]], until: Callable[[], Awaitable[int | None]] = _without_end,
    report: Report | None = None,
) -> int:  # fmt: skip
    """Take one partition to its end, and say how many events were applied.

    `again` gives the build to go on with where somebody else was quicker, `None` to end; `until`, up to where the next step goes.

    Raises:
        ProjectionStopped: it is paused, or failed too often.
        What a handler raises.
    """
    applied = 0
    work = await take_up(target, projection, build, first)
    while work is not None:
        checked(work)
        try:
            stepped = await step(source, target, runtime, work, until=await until())
        except Unclaimed:  # nothing of ours was written
            known = await again()
            work = None if known is None else await take_up(target, projection, known, first)
        except HandlerFailed as failed:
            raise noted(failed, projection) from None
        else:
            if stepped is None:
                work = await _beyond(target, runtime, work)
                continue
            applied += stepped.applied
            if report is not None:
                report(stepped.position, await source.head())
    return applied


async def _beyond(target: Backend, runtime: Runtime, work: Work) -> Work | None:
    """What has come to its end, to go on with, if it only stood still there and need not; else `None`."""
    part = work.partition
    if part.stop_at is None:
        return None
    await let_go_unless_built(target, runtime, work.build, [part])
    again = await take_up(target, work.projection, work.build, part.first)
    if again is None or (again.partition.stop_at is not None and again.partition.fence == part.fence):
        return None
    return again


def checked(work: Work) -> Work:
    """The work, which may go on.

    Raises:
        ProjectionStopped: it may not.
    """
    check_running(work.projection, work.partition)
    return work


def check_running(projection: Projection, part: Partition) -> None:
    """Raises `ProjectionStopped` if nobody may work on a partition."""
    if part.state != "running":
        raise ProjectionStopped(projection.name, part.state, part.reason, part.position)
