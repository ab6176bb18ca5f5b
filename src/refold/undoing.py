"""Undo and redo, planned: which events would do it, and what is in the way."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar
from uuid import UUID, uuid5

from msgspec import Struct

from refold.errors import CannotUndo
from refold.fold import Fold
from refold.inverse import Way
from refold.marks import Fact, Marks
from refold.messages import Recorded, StreamName

P = TypeVar("P", bound="Plan")


class Obstacle(Struct, frozen=True):
    """Why an event cannot be undone or redone now. `id` is None where it is about no event that is there."""

    id: UUID | None
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


class UndoStep(Struct, frozen=True):
    """One event that is undone or redone, and the events that do it, to be appended to its stream.

    `rest`: where the stored event is read as several, those after the first. They go together.
    """

    event: Recorded[Any]
    proposed: tuple[Any, ...]
    rest: tuple[Recorded[Any], ...] = ()


class Plan(Struct, frozen=True):
    """What is to be appended, in this order, to streams that are still at these `versions`; and what is in the way."""

    way: ClassVar[Way]
    steps: tuple[UndoStep, ...]
    obstacles: tuple[Obstacle, ...]
    versions: Mapping[str, int]

    @property
    def is_possible(self) -> bool:
        """Whether nothing is in the way."""
        return not self.obstacles


class Undo(Plan, frozen=True):
    """The events that undo others, the last of them first; nothing is appended yet."""

    way: ClassVar[Way] = "undo"


class Redo(Plan, frozen=True):
    """The events that bring undone ones about again, in their order; nothing is appended yet."""

    way: ClassVar[Way] = "redo"


def id_of(way: Way, undone: UUID, number: int) -> UUID:
    """The id of the event that undoes or redoes another: the same one whenever it is made, so that it is stored once."""
    return uuid5(undone, f"{way}:{number}")


class History(Struct, frozen=True):
    """One stream at a version: its fold, and its events by id, in order; a stored event may be read as several, or as none.

    `newest`: the period in which it has gone on, if it is one whose books are closed.
    """

    fold: Fold[Any, Any]
    version: int
    events: Mapping[UUID, Sequence[Recorded[Any]]]
    newest: StreamName | None = None

    @staticmethod
    def of(
        fold: Fold[Any, Any], version: int, events: Iterable[Recorded[Any]], newest: StreamName | None = None
    ) -> History:
        """The history of these events, in their order."""
        found: dict[UUID, list[Recorded[Any]]] = {}
        for event in events:
            found.setdefault(event.id, []).append(event)
        return History(fold, version, found, newest)

    @property
    def state(self) -> Any:  # noqa: ANN401 - of any fold
        """The state after all of them."""
        return self.fold(event.data for parts in self.events.values() for event in parts)


def planned(
    kind: type[P],
    marks: Marks,
    histories: Mapping[str, History],
    chosen: Iterable[Fact],
    missing: Iterable[Obstacle],
) -> P:
    """How the chosen events are undone, or redone."""
    facts = sorted(chosen, key=lambda fact: _order(marks, fact), reverse=kind.way == "undo")
    planning = _Planning(kind.way, marks, histories, facts)
    obstacles, steps = list(missing), list[UndoStep]()
    for fact in facts:
        found = planning.step(fact)
        if isinstance(found, UndoStep):
            steps.append(found)
        else:
            obstacles += [Obstacle(fact.id, fact.place, reason) for reason in found]
    versions = {stream: histories[stream].version for stream in {str(step.event.stream) for step in steps}}
    return kind(tuple(steps), tuple(obstacles), versions)


def caused(way: Way, marks: Marks, fact: Fact, chosen: Collection[UUID]) -> Iterator[str]:
    """What of all that it caused, or was caused by, is in the way of undoing it, or redoing it."""
    if way == "undo":
        for effect in marks.effects(fact):
            if effect.id not in chosen:
                yield f"it caused {effect.place}, which stands"
        return
    for undoing in marks.undoing.get(fact.id, ()):
        for effect in marks.effects(undoing):
            yield f"undoing it caused {effect.place}, which stands"
    for cause in marks.undone_causes(fact):
        if not any(latest.id in chosen for latest in marks.latest(cause.id)):
            yield f"{cause.place} caused it, and is undone"


def _order(marks: Marks, fact: Fact) -> tuple[int, int]:
    """Where an event stood the first time; of those that redid the same one, where it stands."""
    return marks.first(fact).position, fact.position


class _Planning:
    """The steps of one plan: each is proposed upon the state that those before it leave behind."""

    def __init__(self, way: Way, marks: Marks, histories: Mapping[str, History], chosen: Iterable[Fact]) -> None:
        self._way: Way = way
        self._marks, self._histories = marks, histories
        self._chosen = {fact.id for fact in chosen}
        self._states = {stream: history.state for stream, history in histories.items()}
        self._blocked = set[str]()

    def step(self, fact: Fact) -> UndoStep | Sequence[str]:
        """How one event is undone or redone, or why not."""
        reasons = list(self._reasons(fact))
        if not reasons and fact.stream not in self._blocked:
            found = self._proposed(fact)
            if isinstance(found, UndoStep):
                return found
            reasons = list(found)
        self._blocked.add(fact.stream)  # what comes after it would be asked about a state that it will not meet
        return reasons

    def _reasons(self, fact: Fact) -> Iterator[str]:
        history = self._histories.get(fact.stream)
        if history is None:
            yield f"no fold of category {fact.stream.partition('-')[0]!r} was given"
        elif fact.id not in history.events:
            yield f"it is read as nothing, so there is nothing to {self._way}"
        elif history.newest is not None:
            yield f"its books are closed, so what is appended here has no effect: make up for it in {history.newest}"
        elif self._way == "undo":
            yield from self._against_undoing(fact, history)
        else:
            yield from self._against_redoing(fact, history)

    def _against_undoing(self, fact: Fact, history: History) -> Iterator[str]:
        for event in history.events[fact.id]:
            if history.fold.inverse("undo", event.data.__class__) is None:
                cls = event.data.__class__.__name__
                yield f"fold {history.fold.category!r} declares no inverse of it: @undoes({cls})"
        yield from caused("undo", self._marks, fact, self._chosen)
        for later in self._others(history):
            if self._marks.stands(later) and self._is_before(fact, later) and _needs(history, fact, later):
                yield f"{later.place} needs it"

    def _against_redoing(self, fact: Fact, history: History) -> Iterator[str]:
        yield from caused("redo", self._marks, fact, self._chosen)
        for earlier in self._others(history):
            is_earlier = self._marks.is_undone(earlier) and self._is_before(earlier, fact)
            if is_earlier and _needs(history, earlier, fact):
                yield f"it needs {earlier.place}, which is undone"

    def _others(self, history: History) -> Iterator[Fact]:
        return (self._marks.facts[id] for id in history.events if id not in self._chosen)

    def _is_before(self, one: Fact, other: Fact) -> bool:
        return _order(self._marks, one) < _order(self._marks, other)

    def _proposed(self, fact: Fact) -> UndoStep | Sequence[str]:
        history, proposed, state = self._histories[fact.stream], list[Any](), self._states[fact.stream]
        parts = history.events[fact.id]
        try:
            for event in reversed(parts) if self._way == "undo" else parts:
                inverse = history.fold.inverse(self._way, event.data.__class__)
                more = (event.data,) if inverse is None else inverse(event.data, state)
                state = history.fold(more, state)
                proposed += more
        except CannotUndo as no:
            return [str(reason) for reason in no.reasons]
        if not proposed:
            return [f"its inverse yields nothing, so no fact would tell that it was {self._way}ne"]
        self._states[fact.stream] = state
        return UndoStep(parts[0], tuple(proposed), tuple(parts[1:]))


def _needs(history: History, one: Fact, other: Fact) -> bool:
    inverses = [(history.fold.inverse("undo", event.data.__class__), event) for event in history.events[one.id]]
    return any(
        inverse.needed_by(event.data, later.data)
        for inverse, event in inverses
        if inverse is not None
        for later in history.events[other.id]
    )
