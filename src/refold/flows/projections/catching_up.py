"""Catch up: what a read model has not seen yet, in batches, each committed with its checkpoint."""

from __future__ import annotations

from refold.errors import ProjectionStopped
from refold.flows.prepare import Runtime
from refold.flows.projections.batch import HandlerFailed, noted
from refold.flows.projections.builds import Build, active_build
from refold.flows.projections.work import Work, partitions, step, take_up
from refold.ports import Backend, Unclaimed
from refold.projection import Projection


async def catch_up(source: Backend, target: Backend, runtime: Runtime, projection: Projection) -> int:
    """Apply every event that the read model has not seen, and say how many were applied.

    Raises:
        ProjectionChanged: the read model was built by another version of the projection.
        ProjectionStopped: it is paused, or failed too often.
    """
    build = await active_build(target, runtime.clock, projection)
    applied = 0
    for part in await partitions(target, build):
        applied += await _finish(source, target, runtime, projection, build, part.first)
    return applied


async def _finish(
    source: Backend, target: Backend, runtime: Runtime, projection: Projection, build: Build, first: int
) -> int:
    applied = 0
    work = await _taken_up(target, projection, build, first)
    while work is not None:
        try:
            stepped = await step(source, target, runtime, work)
        except Unclaimed:  # another runner did it, and nothing of ours was written
            build = await active_build(target, runtime.clock, projection)
            work = await _taken_up(target, projection, build, first)
        except HandlerFailed as failed:
            raise noted(failed, projection) from None
        else:
            if stepped is None:
                return applied
            applied += stepped.applied
    return applied


async def _taken_up(target: Backend, projection: Projection, build: Build, first: int) -> Work | None:
    work = await take_up(target, projection, build, first)
    return None if work is None else checked(work)


def checked(work: Work) -> Work:
    """The work, which may go on.

    Raises:
        ProjectionStopped: it may not.
    """
    if work.partition.state != "running":
        raise ProjectionStopped(work.projection.name, work.partition.state, work.partition.reason, work.position)
    return work
