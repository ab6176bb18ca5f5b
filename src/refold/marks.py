"""Marks: which events stand, as it follows from those that undo and redo others, and say so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final
from uuid import UUID

from msgspec import Struct

from refold.messages import OWN, Position

UNDOES: Final = "$undoes"
REDOES: Final = "$redoes"
"""The marks, keys of the metadata: the id of the event that this one undoes, or is again."""


class Fact(Struct, frozen=True):
    """An event without its data: where it stands, what caused it, and what it undoes or redoes."""

    id: UUID
    type: str
    stream: str
    version: int
    position: Position
    story: str
    causes: tuple[UUID, ...]
    undoes: UUID | None
    redoes: UUID | None

    @property
    def place(self) -> str:
        """For people."""
        return f"{self.stream}@{self.version} ({self.type})"

    @property
    def is_own(self) -> bool:
        """Whether it stands in a stream of Refold's: it is never undone itself, and leads from what caused it to what follows."""
        return self.stream.startswith(OWN)


class Marks:
    """Which events stand: all but those that were undone, and those that undo.

    An event that was undone and redone stands as the event that redoes it.
    """

    def __init__(self, facts: Iterable[Fact]) -> None:
        self.facts: Mapping[UUID, Fact] = {fact.id: fact for fact in sorted(facts, key=lambda fact: fact.position)}
        self.undoing = _by((fact.undoes, fact) for fact in self.facts.values())
        self._redoing = _by((fact.redoes, fact) for fact in self.facts.values())

    def stands(self, fact: Fact) -> bool:
        """Whether it is in effect, as itself."""
        return fact.undoes is None and fact.id not in self.undoing

    def is_undone(self, fact: Fact) -> bool:
        """Whether it was undone, and not redone since."""
        return fact.undoes is None and fact.id in self.undoing and fact.id not in self._redoing

    def latest(self, id: UUID) -> Iterator[Fact]:
        """What the event is now: itself, or the events that redid it the last time."""
        if id in self._redoing:
            for fact in self._redoing[id]:
                yield from self.latest(fact.id)
        elif id in self.facts:
            yield self.facts[id]

    def first(self, fact: Fact) -> Fact:
        """The event as it was the first time."""
        while fact.redoes is not None and fact.redoes in self.facts:
            fact = self.facts[fact.redoes]
        return fact

    def effects(self, fact: Fact) -> Sequence[Fact]:
        """What of the application's it caused, as itself or as what it was before, and still stands; also through processes."""
        return _beyond_own(fact, lambda one: self._effects.get(self.first(one).id, ()))

    def undone_causes(self, fact: Fact) -> Iterator[Fact]:
        """The events of the application's that caused it, also through processes, and do not stand."""
        for cause in _beyond_own(fact, self._causes):
            if cause.undoes is None and not any(map(self.stands, self.latest(cause.id))):
                yield cause

    @cached_property
    def _effects(self) -> Mapping[UUID, Sequence[Fact]]:
        standing = filter(self.stands, self.facts.values())
        return _by((cause.id, fact) for fact in standing for cause in self._causes(fact))

    def _causes(self, fact: Fact) -> Iterator[Fact]:
        for id in self.first(fact).causes:
            if id in self.facts:
                yield self.first(self.facts[id])


def _beyond_own(fact: Fact, beside: Callable[[Fact], Iterable[Fact]]) -> Sequence[Fact]:
    """The application's facts beside one, and those that facts of Refold's own lead to from there."""
    found: dict[UUID, Fact] = {}
    waiting = [fact]
    while waiting:
        for one in beside(waiting.pop()):
            if one.id not in found:
                found[one.id] = one
                waiting += [one] if one.is_own else []
    return sorted((one for one in found.values() if not one.is_own), key=lambda one: one.position)


def _by(facts: Iterable[tuple[UUID | None, Fact]]) -> Mapping[UUID, Sequence[Fact]]:
    found: dict[UUID, list[Fact]] = {}
    for id, fact in facts:
        if id is not None:
            found.setdefault(id, []).append(fact)
    return found
