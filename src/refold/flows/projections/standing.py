"""Standing still: a partition that waits where another one is to meet it, and goes on if that does not come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from refold.columns import SqlValue
from refold.flows.prepare import Runtime
from refold.flows.projections.builds import Build
from refold.flows.projections.work import Partition
from refold.ports import Backend, Own

PATIENCE: Final = 5_000_000
"""Microseconds for which it waits although nothing moves."""
_FARTHEST: Final = (
    "(select max(p.position) from {refold}partitions p where p.projection = :projection and p.build = :build)"
)
_IS_BUILT: Final = """exists (
  select 1 from {refold}builds b join {refold}partitions p on p.projection = b.projection and p.build = b.build
  where b.projection = :projection and b.role = 'building' and p.moved_at > {now} - :patience)"""
_IS_JOINED: Final = """exists (
  select 1 from {refold}partitions p where p.projection = :projection and p.build = :build and p.stop_at is not null
    and p.moved_at > {now} - :patience)"""
# Told again where a step that was under way went past it.
_HOLD: Final = f"""
update {{refold}}partitions set fence = fence + 1, stop_at = {_FARTHEST}
where projection = :projection and build = :build and (stop_at is null or stop_at < {_FARTHEST}) and {_IS_BUILT}"""  # noqa: S608 - texts of ours
# The fence stays: whoever still stops there loses nothing, and a step that is under way need not be undone.
_LET_GO: Final = """
update {refold}partitions set stop_at = null
where projection = :projection and build = :build and stop_at is not null"""
_LET_GO_UNLESS_BUILT: Final = f"{_LET_GO} and not {_IS_BUILT}"
_LET_GO_IF_DESERTED: Final = f"{_LET_GO_UNLESS_BUILT} and not {_IS_JOINED}"


async def hold(target: Backend, runtime: Runtime, active: Build) -> None:
    """The active build stands still, as far as it is, for one that is being made beside it and moves."""
    await target.work([Own(_HOLD, _patient(runtime, active))])


async def let_go(target: Backend, runtime: Runtime, build: Build, parts: Sequence[Partition]) -> None:
    """Nothing of the build stands still any more, whatever for."""
    await _let_go(_LET_GO, target, runtime, build, parts)


async def let_go_unless_built(target: Backend, runtime: Runtime, build: Build, parts: Sequence[Partition]) -> None:
    """Nothing of it stands still but for a build that is to take its place; whoever joins parts of it tells them again."""
    await _let_go(_LET_GO_UNLESS_BUILT, target, runtime, build, parts)


async def let_go_if_deserted(target: Backend, runtime: Runtime, build: Build, parts: Sequence[Partition]) -> None:
    """Nothing of it stands still any more if neither that has moved lately, nor a build that is to take its place."""
    await _let_go(_LET_GO_IF_DESERTED, target, runtime, build, parts)


async def _let_go(text: str, target: Backend, runtime: Runtime, build: Build, parts: Sequence[Partition]) -> None:
    if any(part.stop_at is not None for part in parts):
        await target.work([Own(text, _patient(runtime, build))])


def _patient(runtime: Runtime, build: Build) -> dict[str, SqlValue]:
    return {**build.key, "patience": PATIENCE, "now": runtime.clock.now()}
