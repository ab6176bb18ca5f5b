"""Compare a copy with what it was made from: digests of every stream, then the first event that differs, then states."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from refold.copying.changes import Changes
from refold.copying.digests import FIELDS, Digests, fields_of, fields_to_be
from refold.copying.report import Equivalence, FieldDifference, StreamDifference, differing
from refold.copying.stored import Arriving, Transform
from refold.flows.copying.states import compare_states
from refold.flows.copying.transforming import became
from refold.flows.prepare import Runtime
from refold.flows.read import all_rows
from refold.fold import Fold
from refold.messages import Position
from refold.ports import EVERYTHING, PAGE, Backend, InStream, Selection, Source
from refold.rows import Row

SHOWN: Final = 20
"""How many differing streams are looked into; the rest are counted."""

Tell = Callable[[str, int, int], object]
"""Told the stage, how far it is, and how far it goes: positions."""


async def compare(
    source: Backend,
    target: Backend,
    source_runtime: Runtime,
    runtime: Runtime,
    *,
    transform: Transform | None,
    until: Position | None,
    folds: Sequence[Fold[Any, Any]],
    tell: Tell | None,
) -> Equivalence:
    """What a copy holds against what it should hold of the source up to a position, its head by default.

    Raises:
        TransformFailed: as `copy`.
    """
    position = Position(await source.head() if until is None else until)
    told = _Told(tell, int(position), await target.head())
    was, expected, changes = Digests(), Digests(), Changes()
    async for row in all_rows(source, Selection(position_until=position)):
        if transform is None:
            expected.add(row)
        else:
            was.add(row)
            made = became(transform, runtime, row)
            changes.count(row, made)
            for each in made:
                expected.add_arriving(each)
        told.source(row)
    found = Digests()
    async for row in all_rows(target, Selection()):
        found.add(row)
        told.target(row)
    names = differing(expected, found)
    return Equivalence(
        position=position,
        source=(expected if transform is None else was).totals,
        expected=expected.totals,
        target=found.totals,
        differing=len(names),
        differences=await _Explaining(source, target, runtime, transform, position).differences(
            names[:SHOWN], expected, found
        ),
        changes=None if transform is None else changes.counts,
        states=await compare_states(source, target, source_runtime, runtime, folds, position) if folds else None,
        streams=found.streams,
    )


async def changes_by(source: Backend, runtime: Runtime, transform: Transform, after: int, tell: Tell | None) -> Changes:
    """What a transform would change of the source's events after a position; nothing is written.

    Raises:
        TransformFailed: as `copy`.
    """
    told, changes = _Told(tell, await source.head(), 0), Changes()
    async for row in all_rows(source, Selection(after=after)):
        changes.count(row, became(transform, runtime, row))
        told.source(row)
    return changes


class _Told:
    """Says how far it is, once a page."""

    def __init__(self, tell: Tell | None, source: int, target: int) -> None:
        self._tell, self._heads = tell, {"source": source, "target": target}
        self._rows = 0

    def source(self, row: Row) -> None:
        self._one("source", row)

    def target(self, row: Row) -> None:
        self._one("target", row)

    def _one(self, stage: str, row: Row) -> None:
        self._rows += 1
        if self._tell is not None and (self._rows % PAGE == 0 or row.position >= self._heads[stage]):
            self._tell(stage, row.position, self._heads[stage])


# Which event is the first to differ ----------------------------------------------


class _Explaining(Struct, frozen=True):
    """Finds the first event that differs in a few streams."""

    source: Backend
    target: Backend
    runtime: Runtime
    transform: Transform | None
    until: Position

    async def differences(
        self, names: Sequence[str], expected: Digests, found: Digests
    ) -> tuple[StreamDifference, ...]:
        there = {name: [digest async for digest in self._found(name)] for name in names}
        first: dict[str, tuple[int, Arriving]] = {}
        seen = Digests()
        async for arriving in self._expected(names):
            name = arriving.stream
            now = seen.add_arriving(arriving)
            if name not in first and there[name][now.events - 1 : now.events] != [now.digest]:
                first[name] = now.events, arriving
        return tuple([await self._difference(name, first.get(name), expected, found) for name in names])

    async def _found(self, stream: str) -> AsyncIterator[bytes]:
        digests = Digests()
        async for row in all_rows(self.target, Selection(InStream(stream))):
            yield digests.add(row).digest

    async def _expected(self, names: Sequence[str]) -> AsyncIterator[Arriving]:
        """What should stand in these streams, each in its order."""
        everywhere: Sequence[Source] = [EVERYTHING] if names else []
        for place in everywhere if self.transform else map(InStream, names):
            async for row in all_rows(self.source, Selection(place, position_until=self.until)):
                for arriving in became(self.transform, self.runtime, row):
                    if arriving.stream in names:
                        yield arriving

    async def _difference(
        self, name: str, first: tuple[int, Arriving] | None, expected: Digests, found: Digests
    ) -> StreamDifference:
        should, is_now = expected.of(name), found.of(name)
        if first is None:  # all that should be there is
            return StreamDifference(name, should, is_now, should.events + 1)
        version, arriving = first
        rows = await self.target.read(Selection(InStream(name), version - 1, limit=1))
        fields = _fields(arriving, version, rows[0]) if rows else ()
        return StreamDifference(name, should, is_now, version, fields)


def _fields(arriving: Arriving, version: int, row: Row) -> tuple[FieldDifference, ...]:
    triples = zip(FIELDS, fields_to_be(arriving, version), fields_of(row), strict=True)
    return tuple(FieldDifference(field, should, is_now) for field, should, is_now in triples if should != is_now)
