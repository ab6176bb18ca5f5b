"""Pause, resume, reset, drop: what an operator does to a read model."""

from __future__ import annotations

from typing import Final

from refold.errors import NoSuchProjection
from refold.flows.prepare import Runtime
from refold.flows.projections.builds import Build, active_build, builds
from refold.flows.projections.switching import dropped
from refold.ports import Backend, Own
from refold.projection import Projection

_STATE: Final = """
update {refold}partitions set state = :state, reason = :reason, fence = fence + 1, owner = '', leased_until = 0
where projection = :projection and build in (
  select build from {refold}builds where projection = :projection and role <> 'retired') returning first_slot"""


async def pause(target: Backend, name: str, reason: str) -> None:
    """Let nobody work on it until it is resumed; a step that is under way is undone.

    Raises:
        NoSuchProjection: nothing was begun under this name.
    """
    await _set(target, name, "paused", reason)


async def resume(target: Backend, name: str) -> None:
    """Let work go on, after a pause or a failure.

    Raises:
        NoSuchProjection: nothing was begun under this name.
    """
    await _set(target, name, "running", "")


async def _set(target: Backend, name: str, state: str, reason: str) -> None:
    if not (await target.work([Own(_STATE, {"projection": name, "state": state, "reason": reason})]))[0]:
        raise NoSuchProjection(name)


async def reset(target: Backend, runtime: Runtime, projection: Projection) -> Build:
    """Remove the read model, whatever version made it, and begin it again from nothing: empty until it is caught up.

    Dead letters go with it, and effects will be caused again.
    """
    while not all([await dropped(target, build) for build in await builds(target, projection.name)]):
        pass  # one of them took another's place meanwhile
    return await active_build(target, runtime.clock, projection)


async def drop_retired(target: Backend, name: str) -> int:
    """Remove the builds that were replaced, and say how many there were."""
    retired = [build for build in await builds(target, name) if build.role == "retired"]
    return sum([await dropped(target, build) for build in retired])
