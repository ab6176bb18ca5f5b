"""Audit: whether a read model took in each event of the store exactly once; which not, and those that it missed delivered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from refold.errors import Unreadable
from refold.flows.prepare import Runtime
from refold.flows.projections.applied import STRETCH, Digest, digest, stored_digest
from refold.flows.projections.batch import HandlerFailed
from refold.flows.projections.builds import Build
from refold.flows.projections.catching_up import Report
from refold.flows.projections.findings import Audit, Told, both
from refold.flows.projections.mending import deliver, handled_types, mendable, rows_at, settle, work_on
from refold.flows.projections.persevering import told
from refold.flows.projections.work import Partition, Work, partitions
from refold.flows.read import all_rows, is_hidden, opened
from refold.messages import Position, Recorded
from refold.ports import EVERYTHING, Backend, Matching, Own, Selection, Unclaimed
from refold.projection import Projection, by_stream, slot_of
from refold.query import Query
from refold.rows import Row

_BLOCK: Final = 16
"""How many stretches are looked at together."""
_SPARSE: Final = 8
"""Where fewer than one event in so many is to be looked at, they are read by their types."""


async def audit(
    source: Backend,
    target: Backend,
    runtime: Runtime,
    projection: Projection,
    *,
    repair: bool,
    progress: Report | None,
) -> Audit:
    """Compare what the read model took in with what the store holds, block by block.

    Raises:
        NoSuchProjection: nothing was begun under this name.
        ProjectionChanged: the read model was built by another version of the projection.
    """
    build = await mendable(target, projection)
    until = max((part.position for part in await partitions(target, build)), default=0)
    auditor = _Auditor(source, target, runtime, projection, build)
    found = Audit(projection.name, Position(build.audited_after), Position(max(until, build.audited_after)))
    for low, high in _blocks(build.audited_after, until):
        found = both(found, await auditor.block(low, high, repair=repair))
        if progress is not None:
            progress(high, until)
    return found


def _blocks(after: int, until: int) -> Iterator[tuple[int, int]]:
    """The first and last position of each block."""
    low, size = after + 1, _BLOCK * STRETCH
    while low <= until:
        high = min(until, (low // size + 1) * size - 1)
        yield low, high
        low = high + 1


class _Auditor:
    """One audit under way."""

    def __init__(
        self, source: Backend, target: Backend, runtime: Runtime, projection: Projection, build: Build
    ) -> None:
        self._source, self._target, self._runtime = source, target, runtime
        self._projection, self._build = projection, build
        self._names = handled_types(runtime, projection)
        self._sparse = False
        self._decoders = runtime.codec.selecting(projection.event_types)

    async def block(self, low: int, high: int, *, repair: bool) -> Audit:
        """What is found from position `low` to `high`; and repaired, if asked."""
        missing: set[Position] = set()
        repaired: list[Position] = []
        while True:
            parts, found = await self._examined(low, high)
            missing.update(found.missing)
            if not (repair and found.missing):
                break
            try:
                await self._repair(parts, found.missing, repaired)
                break
            except Unclaimed:  # somebody else changed a partition: look again, it may have been for one of these
                continue
        return replace(found, missing=tuple(sorted(missing)), repaired=tuple(sorted(repaired)))

    # Finding ------------------------------------------------------------------

    async def _examined(self, low: int, high: int) -> tuple[Sequence[Partition], Audit]:
        """What is found, and the partitions as they were all the while."""
        while True:
            parts = await partitions(self._target, self._build)
            found = await self._compared(parts, low, high)
            if found.is_sound or _fences(parts) == _fences(await partitions(self._target, self._build)):
                return parts, found

    async def _compared(self, parts: Sequence[Partition], low: int, high: int) -> Audit:
        """Letters are read before bits: what is retried in between is seen twice rather than not at all."""
        parked, skipped = await self._letters(low, high)
        bits = await stored_digest(self._target, self._build, low // STRETCH, high // STRETCH)
        due, early = await self._due(parts, low, high)
        told = Told(digest(range(low, high + 1)), due, early, parked, skipped, bits)
        found = Audit(self._projection.name, Position(low - 1), Position(high))
        for stretch in told.window:
            found = both(found, told.of(stretch))
        return found

    async def _letters(self, low: int, high: int) -> tuple[Digest, Digest]:
        rows: Any = await self._target.query(Own(_LETTERS, {**self._build.key, "low": low, "high": high}))
        parked, skipped = (
            digest(position for position, state in rows if (state == "skipped") == given_up)
            for given_up in (False, True)
        )
        return parked, skipped

    async def _due(self, parts: Sequence[Partition], low: int, high: int) -> tuple[Digest, Digest]:
        """The events that the partitions have passed, and those that they come to later; of those that have a handler."""
        due: list[int] = []
        early: list[int] = []
        slowest = min((part.position for part in parts), default=0)
        names = self._names
        source = Matching(Query.of(types=names)) if self._sparse and names is not None else EVERYTHING
        async for row in all_rows(self._source, Selection(source, low - 1, position_until=high)):
            if is_hidden(self._decoders, row) or (
                names is not None and (row.type not in names or not self._is_handled(row))
            ):
                continue
            passed = row.position <= slowest or row.position <= self._reached(parts, row)
            (due if passed else early).append(row.position)
        self._sparse = (len(due) + len(early)) * _SPARSE < high - low
        return digest(due), digest(early)

    def _is_handled(self, row: Row) -> bool:
        """Whether anything that a stored event is read as has a handler; it is looked at only where its type does not tell."""
        if (row.type, row.schema_version) in self._decoders:
            return True
        try:
            return bool(opened(self._decoders, row))
        except Unreadable:  # a step stops there, and does not pass it
            return True

    def _reached(self, parts: Sequence[Partition], row: Row) -> int:
        """How far the partition is that an event belongs to; for streams as keys it need not be decoded to know that."""
        by_name = self._projection.key is by_stream
        slot = slot_of(row.stream) if by_name else self._projection.slot(opened(self._decoders, row)[0])
        return next((part.position for part in parts if part.first <= slot <= part.last), 0)

    # Repairing ----------------------------------------------------------------

    async def _repair(self, parts: Sequence[Partition], missing: Sequence[Position], repaired: list[Position]) -> None:
        """Deliver each of them alone; one that fails, or whose key is parked before it, becomes a dead letter.

        Raises:
            Unclaimed: somebody else changed a partition.
        """
        rows = await rows_at(self._source, missing)
        now = list(parts)
        for position in missing:
            events = opened(self._decoders, rows[position])
            work = work_on(self._projection, self._build, now, self._projection.slot(events[0]))
            if work is None:
                raise Unclaimed
            if await self._delivered(work, events):
                repaired.append(position)
            now = [_raised(part) if part.first == work.partition.first else part for part in now]

    async def _delivered(self, work: Work, events: Sequence[Recorded[Any]]) -> bool:
        key = self._projection.key_of(events[0])
        letter = {**self._build.key, "position": events[0].position, "key": key}
        park = partial(Own, _PARK)
        if await self._target.query(Own(_BEFORE, letter)):
            waiting = {**letter, "state": "waiting", "error": "", "attempts": 0, "now": self._runtime.clock.now()}
            await settle(self._target, work, park(waiting))
            return False
        try:
            await deliver(self._target, work, events, [])
        except HandlerFailed as failed:
            values = {**letter, "state": "failed", "error": told(failed, work), "attempts": 1}
            await settle(self._target, work, park({**values, "now": self._runtime.clock.now()}))
            return False
        return True


_LETTERS: Final = """
select position, state from {refold}dead_letters
where projection = :projection and build = :build and position between :low and :high"""
_BEFORE: Final = """
select position from {refold}dead_letters
where projection = :projection and build = :build and key = :key and state in ('failed', 'waiting') and position < :position
limit 1"""
_PARK: Final = """
insert into {refold}dead_letters (projection, build, position, key, state, error, attempts, parked_at)
values (:projection, :build, :position, :key, :state, :error, :attempts, {now})"""


def _fences(parts: Sequence[Partition]) -> Sequence[tuple[int, int, int]]:
    return [(part.first, part.last, part.fence) for part in parts]


def _raised(part: Partition) -> Partition:
    """The partition, after a change of our own."""
    return replace(part, fence=part.fence + 1)
