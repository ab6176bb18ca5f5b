"""Marks: which events stand, as it follows from those that undo and redo others, and say so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final
from uuid import UUID

from msgspec import Struct

from refold.messages import Position

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
        """What it caused, as itself or as what it was before, and still stands."""
        return self._effects.get(self.first(fact).id, ())

    def undone_causes(self, fact: Fact) -> Iterator[Fact]:
        """The events that caused it and do not stand."""
        for cause in self._causes(fact):
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


def _by(facts: Iterable[tuple[UUID | None, Fact]]) -> Mapping[UUID, Sequence[Fact]]:
    found: dict[UUID, list[Fact]] = {}
    for id, fact in facts:
        if id is not None:
            found.setdefault(id, []).append(fact)
    return found
