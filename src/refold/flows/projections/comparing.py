"""Compare: the read model made anew beside the one that people read, and the rows that the two do not agree on.

The new one is a candidate until somebody decides: nobody reads it, and no runner works on it or puts it in the other's place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from refold.errors import ProjectionStopped, UsageError
from refold.flows.prepare import Runtime
from refold.flows.projections.batch import HandlerFailed, noted
from refold.flows.projections.builds import Build, begun, builds, made_of, next_number
from refold.flows.projections.catching_up import Report
from refold.flows.projections.differences import Comparison, compared
from refold.flows.projections.explaining import explained
from refold.flows.projections.mending import mendable, read_by_all
from refold.flows.projections.rebuilding import rebuild
from refold.flows.projections.switching import can_be_renamed, dropped
from refold.flows.projections.work import Work, partitions, step, take_up
from refold.ports import Backend, Own, Pace, Unclaimed
from refold.projection import Projection

_TRIES: Final = 20
"""So often both are looked at while the work goes on; then it waits for that."""

_LETTERS: Final = """
select position, state, error, attempts from {refold}dead_letters
where projection = :projection and build = :build and state in ('failed', 'skipped') order by position"""
_GO_OVER: Final = """
update {refold}partitions set position = :to where projection = :projection and build = :build and first_slot = 0
  and position = :after and fence = :fence returning position"""
_SKIP: Final = """
insert into {refold}dead_letters (projection, build, position, key, state, error, attempts, parked_at)
select projection, :build, position, key, state, error, attempts, parked_at from {refold}dead_letters
where projection = :projection and build = :active and position = :to and state = 'skipped'"""
_LOCK: Final = "update {refold}partitions set fence = fence where projection = :projection and build = :build"
_ADOPT: Final = """
update {refold}builds set role = 'building' where projection = :projection and build = :build and role = 'retired'
  and not exists (select 1 from {refold}builds where projection = :projection and role = 'building') returning build"""


async def compare(
    source: Backend, target: Backend, runtime: Runtime, pace: Pace, projection: Projection, limit: int,
    report: Report | None,
) -> Comparison:  # fmt: skip
    """Make a candidate, and compare it with what people read. It stays, until it is put in its place or abandoned.

    Raises:
        NoSuchProjection: nothing was begun under this name.
        UsageError: the projection cannot stand beside itself, or both could not be brought to one position.
        What a handler raises: the candidate is removed.
    """
    active = await read_by_all(target, projection.name)
    candidate = await _begun(target, runtime, projection)
    try:
        return await _Comparing(source, target, runtime, projection, active, candidate).run(pace, limit, report)
    except BaseException:
        await dropped(target, candidate)
        raise


async def verify(
    source: Backend, target: Backend, runtime: Runtime, pace: Pace, projection: Projection, limit: int,
    report: Report | None,
) -> Comparison:  # fmt: skip
    """Compare what people read with what the events make of it now; what was made for that is removed again.

    Raises:
        ProjectionChanged: the read model was built by another version of the projection.
        Else as `compare`.
    """
    await mendable(target, projection)
    comparison = await compare(source, target, runtime, pace, projection, limit, report)
    await dropped(target, await _build(target, comparison))
    return comparison


async def rebuild_with(
    source: Backend, target: Backend, runtime: Runtime, pace: Pace, projection: Projection, comparison: Comparison,
    report: Report | None,
) -> Build:  # fmt: skip
    """Put the candidate of a comparison in its place, caught up.

    Raises:
        UsageError: it is not there any more, or another build is being made meanwhile.
    """
    candidate = await _build(target, comparison)
    if candidate.version != projection.version or not (await target.work([Own(_ADOPT, candidate.key)]))[0]:
        raise UsageError(
            f"build {candidate.number} of projection {projection.name!r} cannot take its place any more: another one is being "
            "made, or has taken it. Compare again."
        )
    return await rebuild(source, target, runtime, pace, projection, report)


async def _build(target: Backend, comparison: Comparison) -> Build:
    for build in await builds(target, comparison.projection):
        if (build.number, build.role) == (comparison.new, "retired"):
            return build
    raise UsageError(
        f"build {comparison.new} of projection {comparison.projection!r} was removed since it was compared: compare again."
    )


async def abandon(target: Backend, name: str, comparison: Comparison | None) -> int:
    """Remove the builds that were to take the place of the active one, or only that of a comparison; say how many there were.

    Raises:
        NoSuchProjection: nothing was begun under this name.
    """
    active = await read_by_all(target, name)
    younger = [build for build in await builds(target, name) if build.number > active.number]
    wanted = [build for build in younger if comparison is None or build.number == comparison.new]
    return sum([await dropped(target, build) for build in wanted])


# A candidate ------------------------------------------------------------------


async def _begun(target: Backend, runtime: Runtime, projection: Projection) -> Build:
    candidate = made_of(projection, 0, "retired")
    if not any(kind == "table" for kind, _ in candidate.objects):
        raise UsageError(f"projection {projection.name!r} makes no tables of its own, so there is nothing to compare.")
    can_be_renamed(projection)
    while True:
        number = next_number(await builds(target, projection.name))
        begin = await begun(target, runtime.clock, made_of(projection, number, "retired"), projection)
        if begin is not None:  # else the number was taken meanwhile
            return begin


class _Comparing:
    """One comparison: the candidate is brought to where the active build is, both are looked at, and again if that moved on."""

    def __init__(
        self, source: Backend, target: Backend, runtime: Runtime, projection: Projection, active: Build, build: Build
    ) -> None:
        self._source, self._target, self._runtime = source, target, runtime
        self._projection, self._active, self._build = projection, active, build

    async def run(self, pace: Pace, limit: int, report: Report | None) -> Comparison:
        comparison = await self._looked_at(pace, limit, report) or await self._held(limit)
        if comparison is None:
            raise UsageError(
                f"the {len(await partitions(self._target, self._active))} partitions of projection {self._projection.name!r} "
                "do not stand at one position, so that there is none to compare at: let those who run it catch up."
            )
        rows = await explained(self._source, self._runtime, self._projection, comparison.rows, comparison.position)
        return replace(comparison, rows=rows)

    async def _looked_at(self, pace: Pace, limit: int, report: Report | None) -> Comparison | None:
        """What differs; `None` if the active build had moved on each time."""
        for _ in range(_TRIES):
            await self._meet(report)
            comparison = await compared(self._target, self._active, self._build, limit)
            if comparison is not None:
                return comparison
            if (await read_by_all(self._target, self._projection.name)).number != self._active.number:
                name = self._projection.name
                raise UsageError(f"projection {name!r} was built anew by somebody else meanwhile: compare again.")
            await pace.pause(0.01)
        return None

    async def _held(self, limit: int) -> Comparison | None:
        """The same in one transaction that locks the active build's checkpoints: its work waits for so long."""

        async def look(inside: Backend) -> Comparison | None:
            await inside.work([Own(_LOCK, self._active.key)])
            source = inside if self._source is self._target else self._source
            within = _Comparing(source, inside, self._runtime, self._projection, self._active, self._build)
            await within._meet(None)
            return await compared(inside, self._active, self._build, limit)

        return await self._target.within(look)

    async def _meet(self, report: Report | None) -> None:
        """Bring both to one position, as far as the active build's handlers are these."""
        parts = await partitions(self._target, self._active)
        meeting = max(part.position for part in parts)
        if self._active.version == self._projection.version:
            for part in parts:
                if part.position < meeting and part.state == "running":
                    await self._catch_up(part.first, meeting)
        await self._bring(meeting, report)

    async def _catch_up(self, first: int, until: int) -> None:
        work = await take_up(self._target, self._projection, self._active, first)
        try:
            while work is not None and await step(self._source, self._target, self._runtime, work, until=until):
                pass
        except (Unclaimed, HandlerFailed):  # its runner knows better what to do
            return

    # The candidate: what the active build of this version could not take in, it does not either -------------------

    async def _bring(self, until: int, report: Report | None) -> None:
        failed, skipped = await self._letters()
        work = await self._taken_up(failed)
        while work.position < until:
            skip = next((position for position in skipped if work.position < position <= until), None)
            try:
                stepped = await step(
                    self._source, self._target, self._runtime, work, until=until if skip is None else skip - 1
                )
                if stepped is None:
                    await self._pass(work, until if skip is None else skip)
            except Unclaimed:
                work = await self._taken_up(failed)
            except HandlerFailed as error:
                raise noted(error, self._projection) from None
            if report is not None:
                report(work.position, until)

    async def _letters(self) -> tuple[Mapping[int, tuple[str, int]], Sequence[int]]:
        """What failed in the active build, with its errors and attempts, and what was skipped there."""
        if self._active.version != self._projection.version:
            return {}, ()
        rows: Any = await self._target.query(Own(_LETTERS, self._active.key))
        failed = {position: (error, attempts) for position, state, error, attempts in rows if state == "failed"}
        return failed, [position for position, state, _, _ in rows if state == "skipped"]

    async def _taken_up(self, failed: Mapping[int, tuple[str, int]]) -> Work:
        work = await take_up(self._target, self._projection, self._build, 0)
        if work is None:
            raise UsageError(
                f"build {self._build.number} of projection {self._projection.name!r} was removed meanwhile."
            )
        if work.partition.state != "running":
            part = work.partition
            raise ProjectionStopped(self._projection.name, part.state, part.reason, part.position)
        work.doomed = dict(failed)
        return work

    async def _pass(self, work: Work, to: int) -> None:
        """Go on over what is not to be taken in, or is not there."""
        values = {**self._build.key, "active": self._active.number, "after": work.position, "to": to}
        await self._target.work(
            [Own(_GO_OVER, {**values, "fence": work.partition.fence}, must=True), Own(_SKIP, values)]
        )
        work.position = to
