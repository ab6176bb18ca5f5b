"""Trail: what hangs on some events, in whatever stream and story, found by reading on from them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from refold.clock import as_uuid
from refold.flows.prepare import event_ids
from refold.flows.read import all_rows
from refold.inverse import Way
from refold.marks import REDOES, UNDOES, Fact
from refold.messages import Position
from refold.ports import PAGE, Backend, Selection
from refold.rows import Row


class Trail(Struct, frozen=True):
    """Facts, and the position up to which all is among them that they caused, or that undoes or redoes them.

    No backend has an index by causes, so it is read from the first of the facts on: what hangs on an event comes after it.
    """

    facts: Mapping[UUID, Fact]
    reached: int

    async def further(self, backend: Backend) -> Trail:
        """The same up to the head."""
        head, facts = await backend.head(), dict(self.facts)
        if facts:
            names = set(map(str, facts))
            async for row in all_rows(backend, Selection(after=self.reached, position_until=head)):
                if _may_hang(row, names):
                    fact = _fact(row)
                    if not facts.keys().isdisjoint((*fact.causes, fact.undoes, fact.redoes)):
                        facts[fact.id] = fact
                        names.add(str(fact.id))
        return Trail(facts, head)


def _may_hang(row: Row, names: Collection[str]) -> bool:
    """Whether it is worth a closer look, which takes several times as long: almost nothing is, of all that is read."""
    cause = row.causation_id
    if cause is not None and (len(cause) != _LENGTH or cause.lower() in names):
        return True
    return row.metadata != _NONE and any(link in row.metadata for link in _LINKS)


async def begun(backend: Backend, way: Way, facts: Mapping[UUID, Fact]) -> Trail:
    """The trail of these facts, of what they were before and, for a redo, of what caused them; not read on yet."""
    known = await _climbed(backend, facts, _before)
    if way == "redo":
        line = known.keys()
        known = await _climbed(backend, known, lambda one: (*_before(one), *_causes(one, line)))
    return Trail(known, min((fact.position for fact in known.values()), default=0))


def _before(fact: Fact) -> Iterable[UUID | None]:
    return (fact.undoes, fact.redoes)


def _causes(fact: Fact, line: Collection[UUID]) -> Iterable[UUID]:
    """Those of the line itself, and on from there through facts of Refold's own."""
    return fact.causes if fact.is_own or fact.id in line else ()


async def _climbed(
    backend: Backend, facts: Mapping[UUID, Fact], above: Callable[[Fact], Iterable[UUID | None]]
) -> Mapping[UUID, Fact]:
    """The facts, and all that are above them."""
    found, new, asked = dict(facts), facts, set(facts)
    while wanted := {id for fact in new.values() for id in above(fact) if id is not None} - asked:
        asked |= wanted
        new = as_facts(await rows_of(backend, sorted(wanted)))
        found |= new
    return found


async def rows_of(backend: Backend, ids: Sequence[UUID]) -> Sequence[Row]:
    """The events with these ids that are there."""
    rows: list[Row] = []
    for start in range(0, len(ids), PAGE):
        rows += await backend.find(event_ids(ids[start : start + PAGE]))
    return rows


def as_facts(rows: Iterable[Row]) -> dict[UUID, Fact]:
    """The rows without their data."""
    return {fact.id: fact for fact in map(_fact, rows)}


def _fact(row: Row) -> Fact:
    free = {} if row.metadata == _NONE else _FREE(row.metadata)
    direct = None if "$command" in free else row.causation_id  # else it is the command's own id, which no event has
    return Fact(
        as_uuid(row.id),
        row.type,
        row.stream,
        row.version,
        Position(row.position),
        row.correlation_id,
        tuple(_ids(direct, free.get("$cause"))),
        next(_ids(free.get(UNDOES)), None),
        next(_ids(free.get(REDOES)), None),
    )


_NONE: Final = b"{}"
_LINKS: Final = tuple(f'"{key}"'.encode() for key in ("$cause", UNDOES, REDOES))
_LENGTH: Final = 36
"""Of an id as it is written: in another way it is still one."""
_FREE: Final = msgspec.json.Decoder(dict[str, str]).decode


def _ids(*texts: str | None) -> Iterator[UUID]:
    """Those of the texts that are ids: a message of another system may have caused an event."""
    for text in texts:
        try:
            yield UUID(text)
        except (TypeError, ValueError):
            continue
