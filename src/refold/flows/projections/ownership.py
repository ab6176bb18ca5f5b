"""Who works on what: leases on partitions, shared out evenly among the runners that are alive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from refold.columns import SqlValue
from refold.flows.prepare import Runtime
from refold.flows.projections.builds import Build
from refold.flows.projections.work import Partition
from refold.ports import Backend, Own
from refold.projection import Projection

_BEAT: Final = """
insert into {refold}runners (runner, serves, seen_until) values (:runner, :serves, {now} + :lease)
on conflict (runner, serves) do update set seen_until = excluded.seen_until"""
_LONG_GONE: Final = "delete from {refold}runners where seen_until < {now} - :long"
_ALIVE: Final = "select serves, runner from {refold}runners where seen_until > {now}"
_LEAVE: Final = "delete from {refold}runners where runner = :runner"

# The fence rises with each new owner, so what an earlier one still has under way is refused.
_ACQUIRE: Final = """
update {refold}partitions set owner = :runner, fence = fence + 1, leased_until = {now} + :lease
where projection = :projection and build = :build and first_slot = :first and state = 'running'
  and (owner = '' or owner = :runner or leased_until < {now}) returning fence"""
_RENEW: Final = """
update {refold}partitions set leased_until = {now} + :lease
where projection = :projection and build = :build and first_slot = :first and owner = :runner returning fence"""
_RELEASE: Final = """
update {refold}partitions set owner = '', leased_until = 0, rate = 0.0
where projection = :projection and build = :build and first_slot = :first and owner = :runner returning fence"""
_FAIL: Final = """
update {refold}partitions set state = 'failed', reason = :reason, fence = fence + 1, owner = '', leased_until = 0, rate = 0.0
where projection = :projection and build = :build and first_slot = :first and fence = :fence returning fence"""


class Runner:
    """One process that runs projections, by a name that no other has, and for how long its word holds."""

    def __init__(self, name: str, lease: timedelta, runtime: Runtime) -> None:
        self.name, self._lease, self._runtime = name, lease // timedelta(microseconds=1), runtime

    def _values(self, build: Build | None = None, first: int = 0, **more: SqlValue) -> Mapping[str, SqlValue]:
        key = {} if build is None else {**build.key, "first": first}
        return {"runner": self.name, "lease": self._lease, "now": self._runtime.clock.now(), **key, **more}

    async def beat(self, target: Backend, projections: Sequence[Projection]) -> None:
        """Say that it is alive, and which projections it serves."""
        beats = [Own(_BEAT, self._values(serves=_served(each.name, each.version))) for each in projections]
        await target.work([*beats, Own(_LONG_GONE, self._values(long=100 * self._lease))])

    async def share(
        self, target: Backend, build: Build, parts: Sequence[Partition], before: int
    ) -> Sequence[Partition]:
        """Those of the partitions that fall to it; `before`: how many of other builds of the same come before them.

        Every runner must come to the same result, so only what all of them see counts: not what else this one runs.
        """
        found = await target.query(Own(_ALIVE, self._values()))
        serves = _served(build.projection, build.version)
        alive = sorted(str(runner) for each, runner in found if each == serves)
        start = before + sorted({str(each) for each, _ in found}).index(serves) if alive else 0
        return [part for i, part in enumerate(parts, start) if alive and alive[i % len(alive)] == self.name]

    async def acquire(self, target: Backend, build: Build, first: int) -> bool:
        """Take a partition that nobody has, or whose owner has been silent for too long."""
        return bool((await target.work([Own(_ACQUIRE, self._values(build, first))]))[0])

    async def renew(self, target: Backend, held: Sequence[tuple[Build, int]]) -> Sequence[bool]:
        """Keep partitions, and say of each whether it is still its own."""
        return (
            [bool(rows) for rows in await target.work([Own(_RENEW, self._values(*each)) for each in held])]
            if held
            else []
        )

    async def release(self, target: Backend, build: Build, first: int) -> None:
        """Let another have a partition."""
        await target.work([Own(_RELEASE, self._values(build, first))])

    async def fail(self, target: Backend, build: Build, part: Partition, reason: str) -> None:
        """Nobody works on a partition any more, until it is resumed."""
        await target.work([Own(_FAIL, self._values(build, part.first, reason=reason, fence=part.fence))])

    async def leave(self, target: Backend) -> None:
        """It is gone: the others need not wait for it."""
        await target.work([Own(_LEAVE, self._values())])


def _served(projection: str, version: int) -> str:
    """What a runner serves: another version of a projection is work for those that have its code."""
    return f"{projection} v{version}"
