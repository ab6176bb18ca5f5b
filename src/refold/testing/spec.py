"""given / when / then, for everything that is pure: deciders, folds, processes, decision models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from typing import Any, Concatenate, Generic, NoReturn, ParamSpec, TypeVar, TypeVarTuple, cast, overload
from uuid import UUID

from refold.errors import UsageError
from refold.fold import Decider, DecisionModel, Fold
from refold.messages import Metadata, Position, Recorded, StreamName, spec_of
from refold.process import Effect, Process

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")
Out = TypeVar("Out")
P = ParamSpec("P")
Ss = TypeVarTuple("Ss")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Out]):
    """What came out, to be compared with what should have."""

    outputs: tuple[Out, ...]
    error: Exception | None = None

    def then(self, *expected: Out) -> None:
        """Exactly these came out, in this order."""
        if self.error is not None:
            self._fail(_listed(expected))
        if self.outputs != expected:
            raise AssertionError(f"\n  expected: {_listed(expected)}\n  actual:   {_listed(self.outputs)}")

    def then_nothing(self) -> None:
        """Nothing came out."""
        self.then()

    def then_raises(self, error: type[Exception], match: str = "") -> None:
        """It was refused with this error, whose text contains `match`."""
        if self.error is None:
            raise AssertionError(f"\n  expected: {error.__name__}\n  actual:   {_listed(self.outputs)}")
        if not isinstance(self.error, error) or match not in str(self.error):
            self._fail(error.__name__ + (f" with {match!r}" if match else ""))

    def _fail(self, expected: str) -> NoReturn:
        raise AssertionError(f"\n  expected: {expected}\n  actual:   it raised {self.error!r}") from self.error


def _listed(outputs: Iterable[object]) -> str:
    return ", ".join(map(repr, outputs)) or "nothing"


def _run(outputs: Callable[[], Iterable[Out]]) -> Outcome[Out]:
    try:
        return Outcome(tuple(outputs()))
    except Exception as error:  # noqa: BLE001 - an outcome, too
        return Outcome((), error)


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
        return _run(lambda: decision(self.state, *args, **kwargs))


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
        return _run(lambda: self.process.react(_recorded(event, id, len(self.history) + 1), state))


def _recorded(event: E, id: str, version: int) -> Recorded[E]:
    spec = spec_of(type(event))
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return Recorded(
        data=event,
        type=spec.name,
        schema_version=spec.version,
        stream=StreamName("test", id),
        version=version,
        position=Position(version),
        recorded_at=moment,
        id=UUID(int=version),
        tags=frozenset(spec.tags_of(event)),
        metadata=Metadata("test"),
    )


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
        return _run(lambda: decision(*cast("tuple[*Ss]", states)))


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
def spec(subject: DecisionModel[*Ss]) -> ModelSpec[*Ss]: ...
def spec(subject: Any) -> Any:
    """Begin sentences about one subject; hello.py shows how they go on.

    Raises:
        UsageError: it is no decider, fold, process or decision model.
    """
    kinds: Sequence[tuple[type[Any], Callable[[Any], Any]]] = (
        (Decider, DeciderSpec[Any, Any, Any]),
        (Fold, FoldSpec[Any, Any]),
        (Process, ProcessSpec[Any, Any]),
        (DecisionModel, ModelSpec[*tuple[Any, ...]]),
    )
    for kind, make in kinds:
        if issubclass(type(subject), kind):
            return make(subject)
    raise UsageError(f"spec() takes a Decider, a Fold, a Process or a DecisionModel, not {subject!r}.")
