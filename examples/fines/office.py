"""The office: takes down what the process decides about a fine, each decision once. Nothing is sent to anybody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from refold import Decider, command, event

What: TypeAlias = Literal["notice", "penalty", "collection"]


@command("office.decide")
class Decide:
    what: What


@event("office.decided")
class Decided:
    what: What


def decide(command: Decide, known: frozenset[What]) -> Iterator[Decided]:
    """Once is enough."""
    if command.what not in known:
        yield Decided(command.what)


def evolve(known: frozenset[What], event: Decided) -> frozenset[What]:
    """What was decided so far."""
    return known.union((event.what,))


def nothing() -> frozenset[What]:
    """Before any decision."""
    return frozenset()


office = Decider("office", initial=nothing, evolve=evolve, decide=decide)
