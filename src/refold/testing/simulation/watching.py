"""Watching: what is to be pure is called twice, what it is given is looked at again, and states are held against invariants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial, wraps
from typing import Any, TypeVar

from refold.app import App
from refold.errors import shortened
from refold.fold import Decider, Fold, parameter_classes
from refold.messages import Recorded, StreamName
from refold.process import Process
from refold.testing.outcomes import Outcome, outcome_of
from refold.testing.purity import copied
from refold.testing.simulation.findings import FindingKind, Findings, asserting, told

F = TypeVar("F", bound=Fold[Any, Any])
Invariant = Callable[[Any], object]
"""Takes the state of a stream, of the class that it is annotated with, and says False, or raises, if that must not be."""


class Watched:
    """The parts of an application, which say so when they are not pure."""

    def __init__(self, app: App, findings: Findings) -> None:
        self._findings = findings
        self._decisions: list[tuple[Decider[Any, Any, Any], Any, Any, Outcome[Any]]] = []
        self.folds = {name: self._fold(fold) for name, fold in app.folds.items()}
        folds: Mapping[str, Any] = self.folds
        self.closings = {name: replace(each, decider=folds[name]) for name, each in app.closings.items()}
        self.processes = [_whole(self, each) for each in app.processes.values()]

    @property
    def deciders(self) -> Mapping[str, Decider[Any, Any, Any]]:
        """Those of the folds that decide, but where books are closed."""
        found: dict[str, Decider[Any, Any, Any]] = {
            name: fold for name, fold in self.folds.items() if isinstance(fold, Decider) and name not in self.closings
        }
        return found

    def decide_again(self) -> None:
        """Take every decision of the run once more, now that all else has happened."""
        for decider, command, state, first in self._decisions:
            again = outcome_of(partial(decider.decide, command, state))
            self._same("decider", f"decider {decider.category!r}", command, first, again, "at the end of the run")

    def _fold(self, fold: Fold[Any, Any]) -> Fold[Any, Any]:
        same: Any = fold
        evolve = self._evolving("fold", f"fold {fold.category!r}", fold.evolve, fold.initial)
        if not isinstance(fold, Decider):
            return replace(fold, evolve=evolve, events=fold.event_types)
        decider: Decider[Any, Any, Any] = same

        @wraps(decider.decide)
        def decide(command: object, state: object) -> Iterable[Any]:
            name, before = f"decider {decider.category!r}", copied((command, state))
            first, again = (outcome_of(lambda: decider.decide(command, state)) for _ in range(2))
            self._same("decider", name, command, first, again, "the second time")
            self._unchanged("decider", name, before, (command, state))
            self._decisions.append((decider, command, state, first))
            if first.error is not None:
                raise first.error
            return first.outputs

        return replace(
            decider, decide=decide, evolve=evolve, events=decider.event_types, commands=decider.command_types
        )

    def process(self, process: Process[Any, Any]) -> Process[Any, Any]:
        """The same process, watched."""
        name = f"process {process.name!r}"

        @wraps(process.react)
        def react(recorded: Recorded[Any], state: object) -> Iterable[Any]:
            before = copied((recorded.data, state))
            first, again = (outcome_of(lambda: process.react(recorded, state)) for _ in range(2))
            self._same("process", name, recorded.data, first, again, "the second time")
            self._unchanged("process", name, before, (recorded.data, state))
            if first.error is not None:
                raise first.error
            return first.outputs

        evolve = self._evolving("process", name, process.evolve, process.initial)
        return replace(process, react=react, evolve=evolve, events=process.named)

    def _evolving(
        self, kind: FindingKind, name: str, evolve: Callable[[Any, Any], Any], initial: Callable[[], Any]
    ) -> Callable[[Any, Any], Any]:
        are_comparable = initial() == initial()

        @wraps(evolve)
        def evolving(state: object, event: object) -> object:
            before = copied((state, event))
            first = evolve(state, event)
            self._unchanged(kind, name, before, (state, event))
            if are_comparable and (again := evolve(state, event)) != first:
                self._findings.note(
                    kind,
                    f"{name} makes {shortened(first)} of {shortened(event)}, and {shortened(again)} the second time.",
                )
            return first

        return evolving

    def _same(
        self, kind: FindingKind, name: str, given: object, first: Outcome[Any], again: Outcome[Any], when: str
    ) -> None:
        if _shown(first) != _shown(again) and (first.error is not None or again.error is not None or first != again):
            self._findings.note(
                kind, f"{name} answers {shortened(given)} with {_shown(first)}, and with {_shown(again)} {when}."
            )

    def _unchanged(self, kind: FindingKind, name: str, before: object, now: object) -> None:
        if before is not None and before != now:
            self._findings.note(kind, f"{name} changes what it is given: {shortened(before)} becomes {shortened(now)}.")


def _whole(watched: Watched, part: Any) -> Any:  # noqa: ANN401 - sagas are run again by Refold itself
    same: Any = part
    return watched.process(same) if isinstance(part, Process) else part


class States:
    """The states of all streams, folded event by event, and what must always hold of them."""

    def __init__(self, folds: Mapping[str, Fold[Any, Any]], always: Sequence[Invariant], findings: Findings) -> None:
        """Raises `UsageError` if an invariant says of no class that it is about."""
        self._folds, self._findings = folds, findings
        self._always = [
            (each, parameter_classes(each, 0, "def never_negative(stock: Stock) -> bool")) for each in always
        ]
        self.known: dict[StreamName, Any] = {}

    def take(self, events: Sequence[Recorded[Any]]) -> None:
        """Fold events that were appended together, and look at the streams that they changed."""
        changed: dict[StreamName, Recorded[Any]] = {}
        for each in events:
            fold = self._folds.get(each.stream.category)
            if fold is not None and each.data.__class__ in fold.event_types and self._folded(fold, each):
                changed[each.stream] = each
        for stream, last in changed.items():
            self._hold(stream, last)

    def _folded(self, fold: Fold[Any, Any], event: Recorded[Any]) -> bool:
        try:
            before = self.known[event.stream] if event.stream in self.known else fold.initial()
            self.known[event.stream] = fold.evolve(before, event.data)
        except Exception as error:  # noqa: BLE001 - whatever a user's function raises is found
            self._findings.note("raised", f"fold {fold.category!r} raises {told(error)} on {shortened(event.data)}.")
            return False
        return True

    def _hold(self, stream: StreamName, last: Recorded[Any]) -> None:
        state = self.known[stream]
        for check, classes in self._always:
            if isinstance(state, classes) and (wrong := asserting(check, state)):
                self._findings.note(
                    "invariant",
                    f"{check.__name__} does not hold of {stream}@{last.version}, after {shortened(last.data)}: "
                    f"{wrong}; its state is {shortened(state)}.",
                )


def _shown(outcome: Outcome[Any]) -> str:
    if outcome.error is not None:
        return told(outcome.error)
    return shortened(outcome.outputs)
