"""Decisions: what befalls a call, drawn from a seed, or given one by one when a run is to be repeated with fewer of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final, Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["read", "write", "outside", "answer"]
"""What is asked: something of the store, a change of it, something of the world outside; or whether an answer has come."""
Fate: TypeAlias = Literal[
    "go on", "let others go first", "be late", "let time pass", "die before", "die after", "busy", "unknown and not done",
    "unknown and done", "away", "silent", "ask again",
]  # fmt: skip
"""What may befall a call."""

_FATES: Final[Mapping[Kind, Sequence[Fate]]] = {
    "read": ("be late", "let time pass", "die before", "busy"),
    "write": (
        "be late", "let time pass", "die before", "die after", "busy", "unknown and not done", "unknown and done",
    ),
    "outside": ("be late", "die before", "die after", "die after", "away", "silent"),
    "answer": ("ask again", "die after"),
}  # fmt: skip
_WEATHER: Final = ((0.05, 0.0), (0.1, 0.03), (0.2, 0.1), (0.3, 0.2))
"""How often others go first, and how often a fault comes: one of these for a seed."""
_RARELY: Final = 0.15
"""Reads fail so much more rarely than changes: there are more of them, and less can go wrong."""
_OFTEN: Final = 3.0
"""What happens once in a run, a call outside or an answer, has so much more of them."""


class Place(NamedTuple):
    """The so-many-eth time that somebody does something: what others do, or it does besides, moves no other place."""

    who: str
    what: str
    time: int


class Decision(NamedTuple):
    """What befalls a call; `number` says who goes first, or how long it takes."""

    fate: Fate
    number: int = 0


GO_ON: Final = Decision("go on")


class Decisions:
    """What befalls each call. What is drawn for one depends on nothing but the seed, who does what, and how often they did."""

    def __init__(self, seed: int, given: Mapping[Place, Decision] | None = None) -> None:
        """`given`: these are taken, and nothing is drawn."""
        self._seed, self._given = seed, given
        self.taken: dict[Place, Decision] = {}
        """Those that were other than to go on, in their order."""
        self._others_first, self._faults = _WEATHER[self.number("weather", len(_WEATHER))]

    def number(self, what: str, below: int) -> int:
        """A number for whatever else is to be chosen."""
        return int(_drawn(f"{self._seed} {what}") * below)

    def at(self, place: Place, kind: Kind) -> Decision:
        """What befalls a call."""
        decision = self._draw(place, kind) if self._given is None else self._given.get(place, GO_ON)
        if not _fits(decision.fate, kind):
            return GO_ON
        if decision is not GO_ON:
            self.taken[place] = decision
        return decision

    def _draw(self, place: Place, kind: Kind) -> Decision:
        name = f"{self._seed} {place.who} {place.what} {place.time}"
        faults = self._faults * {"read": _RARELY, "write": 1.0}.get(kind, _OFTEN)
        chance = _drawn(name)
        if chance < faults:
            fates = _FATES[kind]
            return Decision(fates[int(_drawn(f"{name} fate") * len(fates))], int(_drawn(f"{name} number") * 8))
        if chance < faults + self._others_first:
            return Decision("let others go first", int(_drawn(f"{name} number") * 8))
        return GO_ON


def _fits(fate: Fate, kind: Kind) -> bool:
    return fate in {"go on", "let others go first"} or fate in _FATES[kind]


def _drawn(name: str) -> float:
    """A number from 0 to 1 that follows from a name alone, in every process and on every machine."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") / (1 << 64)
