"""Finding: what a rule has found, with its place and the way out. Rule: what is looked for, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from msgspec import Struct

from refold.architect.model import Model
from refold.architect.parts import Place

Tier: TypeAlias = Literal["fact", "heuristic", "runtime"]


class Finding(Struct, frozen=True, order=True):
    """One thing that was found. `about` is what it is about, such as `event order.placed`; `do` is the way out.

    A fact is so, and is wrong: it may fail a build. A heuristic is worth a look. What a rule of the tier `runtime` says, it has
    seen in a store.
    """

    rule: str
    tier: Tier
    about: str
    message: str
    do: str
    place: Place


class Stored(Struct, frozen=True):
    """What a store holds, as rules look at it: events by type, the longest stream of a category, the largest event of a type."""

    types: Mapping[str, int]
    longest: Mapping[str, tuple[str, int]]
    largest: Mapping[str, tuple[int, int]]


class Said(Struct, frozen=True):
    """What a rule says of one place."""

    about: str
    message: str
    do: str
    place: Place


@dataclass(frozen=True)
class Rule:
    """Something that is looked for. `says` is its sentence; the others are its page: texts, and two programs without imports."""

    id: str
    tier: Tier
    says: str
    why: str
    bad: str
    good: str
    how: str
    ignore: str
    find: Callable[[Model], Iterator[Said]] | None = None
    find_stored: Callable[[Model, Stored], Iterator[Said]] | None = None

    def findings(self, model: Model, stored: Stored | None) -> Iterator[Finding]:
        """All that it finds."""
        said: Iterator[Said] = iter(())
        if self.find is not None:
            said = self.find(model)
        elif self.find_stored is not None and stored is not None:
            said = self.find_stored(model, stored)
        for each in said:
            yield Finding(self.id, self.tier, each.about, each.message, each.do, each.place)
