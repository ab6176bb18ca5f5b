"""given / when / then, for everything that is pure: deciders, folds, processes, sagas, projections, decision models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, TypeVarTuple, cast, overload

from refold.errors import UsageError
from refold.fold import Decider, DecisionModel, Fold
from refold.inverse import Way
from refold.messages import StreamName, spec_of
from refold.process import Effect, Process
from refold.projection import Projection
from refold.sagas import Saga
from refold.testing.history import in_stream, placed
from refold.testing.outcomes import Outcome, outcome_of
from refold.testing.projections import ProjectionSpec
from refold.testing.sagas import SagaSpec

B = TypeVar("B")
C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")
Out = TypeVar("Out")
P = ParamSpec("P")
Ss = TypeVarTuple("Ss")


@dataclass(frozen=True)
class FoldCase(Generic[S, E]):
    """A history, and what may be asked after it."""

    fold: Fold[S, E]
    history: tuple[E, ...]

    @property
    def state(self) -> S:
        """The state after the history."""
        return self.fold(self.history)

    def doing(
        self, decision: Callable[Concatenate[S, P], Iterable[E]], *args: P.args, **kwargs: P.kwargs
    ) -> Outcome[E]:
        """What a method of the state yields."""
        return outcome_of(lambda: decision(self.state, *args, **kwargs))

    def undoing(self, event: E) -> Outcome[E]:
        """What undoes an event of the history, by its `@undoes`."""
        return self._proposed("undo", event)

    def redoing(self, event: E) -> Outcome[E]:
        """What redoes an event that was undone: itself, or what its `@redoes` says."""
        return self._proposed("redo", event)

    def _proposed(self, way: Way, event: E) -> Outcome[E]:
        inverse = self.fold.inverse(way, type(event))
        if inverse is None and way == "undo":
            raise UsageError(
                f"fold {self.fold.category!r} declares no inverse of {type(event).__name__}: write @undoes(...)."
            )
        return outcome_of(lambda: (event,) if inverse is None else inverse(event, self.state))


@dataclass(frozen=True)
class DeciderCase(FoldCase[S, E], Generic[C, S, E]):
    """A history, and the command that comes after it."""

    decider: Decider[C, S, E]

    def when(self, command: C) -> Outcome[E]:
        """What the decider yields upon the command."""
        return self.doing(lambda state: self.decider.decide(command, state))


@dataclass(frozen=True, slots=True)
class ProcessCase(Generic[E, S]):
    """What a process has seen, and the event that comes after it."""

    process: Process[E, S]
    history: tuple[E, ...]

    def when(self, event: E, *, id: str = "1") -> Outcome[Effect]:
        """What the process yields upon the event, of the stream with this id."""
        state = reduce(self.process.evolve, self.history, self.process.initial())
        recorded = placed(in_stream(StreamName("test", id), *self.history, event))[-1]
        return outcome_of(lambda: self.process.react(recorded, state))


@dataclass(frozen=True, slots=True)
class ModelCase(Generic[*Ss]):
    """What has happened within a decision model's boundary and beyond, and the decision that comes after it."""

    model: DecisionModel[*Ss]
    history: tuple[object, ...]

    def deciding(self, decision: Callable[[*Ss], Iterable[Out]]) -> Outcome[Out]:
        """What the decision yields for the states of the model."""
        states = self.model.initial()
        for event in self.history:
            spec = spec_of(type(event))
            states = self.model.evolve(states, event, spec.name, frozenset(spec.tags_of(event)))
        return outcome_of(lambda: decision(*cast("tuple[*Ss]", states)))


class ModelSpec(Generic[*Ss]):
    """`given(...)` for a decision model."""

    def __init__(self, model: DecisionModel[*Ss]) -> None:
        self._model = model

    def __call__(self, *history: object) -> ModelCase[*Ss]:
        """After this history, of whatever streams."""
        return ModelCase(self._model, history)


class FoldSpec(Generic[S, E]):
    """`given(...)` for a fold."""

    def __init__(self, fold: Fold[S, E]) -> None:
        self._fold = fold

    def __call__(self, *history: E) -> FoldCase[S, E]:
        """After this history."""
        return FoldCase(self._fold, history)


class DeciderSpec(FoldSpec[S, E], Generic[C, S, E]):
    """`given(...)` for a decider."""

    def __init__(self, decider: Decider[C, S, E]) -> None:
        super().__init__(decider)
        self._decider = decider

    def __call__(self, *history: E) -> DeciderCase[C, S, E]:
        """After this history."""
        return DeciderCase(self._decider, history, self._decider)


class ProcessSpec(Generic[E, S]):
    """`given(...)` for a process."""

    def __init__(self, process: Process[E, S]) -> None:
        self._process = process

    def __call__(self, *history: E) -> ProcessCase[E, S]:
        """After it has seen these."""
        return ProcessCase(self._process, history)


@overload
def spec(subject: Decider[C, S, E]) -> DeciderSpec[C, S, E]: ...
@overload
def spec(subject: Fold[S, E]) -> FoldSpec[S, E]: ...
@overload
def spec(subject: Process[E, S]) -> ProcessSpec[E, S]: ...
@overload
def spec(subject: Saga[B]) -> SagaSpec[B]: ...
@overload
def spec(subject: Projection) -> ProjectionSpec: ...
@overload
def spec(subject: DecisionModel[*Ss]) -> ModelSpec[*Ss]: ...
def spec(subject: Any) -> Any:
    """Begin sentences about one subject; hello.py shows how they go on.

    Raises:
        UsageError: it is no decider, fold, process, saga, projection or decision model.
    """
    kinds: Sequence[tuple[type[Any], Callable[[Any], Any]]] = (
        (Decider, DeciderSpec[Any, Any, Any]),
        (Fold, FoldSpec[Any, Any]),
        (Process, ProcessSpec[Any, Any]),
        (Saga, SagaSpec[Any]),
        (Projection, ProjectionSpec),
        (DecisionModel, ModelSpec[*tuple[Any, ...]]),
    )
    for kind, make in kinds:
        if issubclass(type(subject), kind):
            return make(subject)
    raise UsageError(
        f"spec() takes a Decider, a Fold, a Process, a Saga, a Projection or a DecisionModel, not {subject!r}."
    )
