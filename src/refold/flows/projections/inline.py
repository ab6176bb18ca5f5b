"""Inline: read models that are never behind, because each append brings them along in its own transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Final

from refold.errors import ProjectionStopped, Unsupported, UsageError
from refold.flows.prepare import Runtime
from refold.flows.projections import builds
from refold.flows.projections.applied import STRETCH, Applied
from refold.flows.projections.batch import HandlerFailed, noted
from refold.flows.projections.catching_up import catch_up, checked
from refold.flows.projections.standing import let_go
from refold.flows.projections.work import COLUMNS, PARKED, Partition, Work, step
from refold.ports import Backend, Own, Unclaimed
from refold.projection import Projection, checked_projection
from refold.publication import Publication

MOST: Final = 1_000
"""How many events one append may have to bring along that others appended without it."""
_FOUND: Final = f"""
select {builds.COLUMNS}, {COLUMNS}, stretch, once, twice, exists (
  select 1 from {{refold}}dead_letters d where d.projection = b.projection and d.build = b.build and d.state <> 'skipped')
from {{refold}}builds b join {{refold}}partitions using (projection, build) left join (
  select projection as its_projection, build as its_build, first_slot as its_first, stretch, once, twice from {{refold}}applied) a
on its_projection = projection and its_build = build and its_first = first_slot and stretch >= position / {STRETCH}
where projection = :projection and role = 'active' order by first_slot"""  # noqa: S608 - texts of ours
_PART: Final = len(builds.COLUMNS.split(","))
_STRETCH: Final = _PART + len(COLUMNS.split(","))


class Inline:
    """Read models that each append brings along.

    How far they are is looked up in its transaction: what an earlier one came to may have been undone since, and another
    process may have been at work.
    """

    def __init__(self, projections: Sequence[Projection]) -> None:
        for projection in projections:
            checked_projection(projection)
        self._projections = tuple(projections)
        self._asking: set[str] = set()

    @property
    def projections(self) -> tuple[Projection, ...]:
        """Whose read models they are."""
        return self._projections

    async def begin(self, backend: Backend, runtime: Runtime) -> None:
        """Bring every read model up to date, before the first append.

        Raises:
            Unsupported: the events and the read models share no transaction.
        """
        for projection in self.projections:
            if isinstance(projection, Publication):
                raise UsageError(
                    f"publication {projection.name!r} cannot be kept inline: nothing is sent before its event is committed. "
                    "Let store.run(...) or `refold run` publish."
                )
        if backend.capabilities.sql and not backend.capabilities.together:
            raise Unsupported(
                "the events stand elsewhere than their read models (models=), so no append can bring these along: let "
                "store.run(...) keep them, and wait for a position where you must see your own append."
            )
        for projection in self.projections:
            await catch_up(backend, backend, runtime, projection)

    async def keep_up(self, inside: Backend, runtime: Runtime, after: int, until: int) -> None:
        """Apply what was appended in this transaction after a position, up to another one; and before it, what others appended.

        Raises:
            ProjectionStopped: a read model is paused, or so far behind that an append should not wait for it.
            What a handler raises: then nothing is appended.
        """
        for projection in self.projections:
            while not await self._is_kept_up(inside, runtime, projection, after, until):
                pass

    async def _is_kept_up(
        self, inside: Backend, runtime: Runtime, projection: Projection, after: int, until: int
    ) -> bool:
        """Whether it is up to date; not, if a runner was quicker, which is to be looked at anew."""
        try:
            for work in await self._works(inside, runtime, projection):
                await _make_up_for(inside, runtime, work, after)
                while work.position < until:
                    if await step(inside, inside, runtime, work, until=until) is None:
                        return False  # it was told to stand still meanwhile
                if work.asks:
                    self._asking.add(projection.name)
        except Unclaimed:
            return False
        except HandlerFailed as failed:
            raise noted(failed, projection) from None
        return True

    async def _works(self, inside: Backend, runtime: Runtime, projection: Projection) -> Sequence[Work]:
        """Its active build, which does not wait here for one that is to take its place."""
        works = await _found(inside, runtime, projection)
        if any(work.partition.stop_at is not None for work in works):
            await let_go(inside, runtime, works[0].build, [work.partition for work in works])
            works = await _found(inside, runtime, projection)
        for work in works:
            work.asks = _looks(projection) or projection.name in self._asking
        return works


def _looks(projection: Projection) -> bool:
    """Whether rows are looked up for its handlers.

    Then the partition is claimed before: a switch that waits for the tables holds it, and would wait for this append for ever.
    """
    return any(handling.gets for handling in projection.handlers.values())


async def _make_up_for(inside: Backend, runtime: Runtime, work: Work, until: int) -> None:
    """Apply what others appended without it."""
    applied = 0
    while work.position < until and (stepped := await step(inside, inside, runtime, work, until=until)):
        applied += stepped.applied
        if applied > MOST:
            raise ProjectionStopped(
                work.projection.name, f"over {MOST:,} events behind", "others append without keeping it inline",
                work.position, "Catch up with it, and keep it inline wherever events are appended.",
            )  # fmt: skip


async def _found(inside: Backend, runtime: Runtime, projection: Projection) -> Sequence[Work]:
    """All that is to be known of the active build, at one look; it is made if there is none."""
    rows: Any = await inside.query(Own(_FOUND, {"projection": projection.name}))
    build = builds.build_of(rows[0][:_PART]) if rows else None
    if build is None or build.version != projection.version:
        await builds.active_build(inside, runtime.clock, projection)
        return await _found(inside, runtime, projection)
    parked: Any = await inside.query(Own(PARKED, build.key)) if rows[0][-1] else ()
    return [
        checked(Work(projection, build, Partition(*part), (key for (key,) in parked), Applied(_stretches(its))))
        for part, its in groupby(rows, key=lambda row: row[_PART:_STRETCH])
    ]


def _stretches(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [row[_STRETCH:-1] for row in rows if row[_STRETCH] is not None]
