"""Fold and Decider: the pure functions that an event-sourced thing is, and folds composed into one decision model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from types import UnionType
from typing import (
    Annotated,
    Any,
    Generic,
    TypeVar,
    TypeVarTuple,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

from msgspec import UNSET, UnsetType

from refold.errors import UsageError, shortened
from refold.inverse import Inverse, Way
from refold.messages import Recorded, StreamName, checked_name, made, several, spec_of
from refold.query import Query

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")
Ss = TypeVarTuple("Ss")
S1 = TypeVar("S1")
S2 = TypeVar("S2")
S3 = TypeVar("S3")
S4 = TypeVar("S4")


@dataclass(frozen=True, slots=True)
class Send:
    """A command on its way to one instance of a decider: data, not an action.

    `fallback`: the event that comes back to the process if the decider refuses it; without one it is parked, for an operator.
    """

    category: str
    id: str
    command: object
    fallback: object | None = None

    def otherwise(self, event: object) -> Send:
        """The same command; `event` comes back to the process if the decider refuses it, by raising.

        Raises:
            UsageError: it is the class of an event.
        """
        return replace(self, fallback=made("otherwise()", event))


@dataclass(frozen=True)
class Fold(Generic[S, E]):
    """Where a state starts and how each event changes it; its streams are those of `category`.

    The classes of its events are read from the annotation of `evolve`'s second parameter; name them in `events` where
    that cannot be (a lambda, classes local to a function). `inverses`: how they are undone, made by `@undoes`.
    """

    category: str
    initial: Callable[[], S]
    evolve: Callable[[S, E], S]
    events: tuple[type[Any], ...] = field(default=(), kw_only=True)
    inverses: tuple[Inverse[S, E], ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        StreamName(self.category, "x")
        if not callable(self.initial):
            raise UsageError(
                f"fold {self.category!r} has initial={shortened(self.initial)}: give what makes the state, such as its class, or "
                "lambda: ..."
            )
        several("events", self.events)
        declared = [(inverse.way, inverse.event) for inverse in self.inverses]
        for way, cls in declared:
            if declared.count((way, cls)) > 1:
                raise UsageError(
                    f"fold {self.category!r} has two inverses that {way} {cls.__qualname__}: one function for one event."
                )

    def __call__(self, events: Iterable[E], state: S | UnsetType = UNSET) -> S:
        """The state after `events`, from `state` or, without one, from the start. A state may be `None`."""
        return reduce(self.evolve, events, self.initial() if isinstance(state, UnsetType) else state)

    @cached_property
    def event_types(self) -> tuple[type[Any], ...]:
        """The classes of its events.

        Raises:
            UsageError: they can be read from no annotation, and `events` does not name them.
        """
        return self.events or parameter_classes(self.evolve, 1, f"Fold({self.category!r}, ..., events=(...))")

    def inverse(self, way: Way, cls: type[Any]) -> Inverse[S, E] | None:
        """How events of a class are undone or redone, if it is declared."""
        return next((one for one in self.inverses if (one.way, one.event) == (way, cls)), None)

    def stream(self, id: str) -> StreamName:
        """The name of one of its streams."""
        return StreamName(self.category, id)

    def tagged(self, *tags: str) -> Scoped[S, E]:
        """This fold over its events that carry all of `tags`, whatever stream they are in."""
        return Scoped(self, frozenset(checked_name("tag", tag) for tag in tags))


@dataclass(frozen=True)
class Decider(Fold[S, E], Generic[C, S, E]):
    """A fold that also decides: which events follow from a command, given the state.

    `decide` may run more than once for one command, so it must be a pure function. The pattern is Chassaing's
    functional event sourcing decider (2021).
    """

    decide: Callable[[C, S], Iterable[E]]
    commands: tuple[type[Any], ...] = field(default=(), kw_only=True)

    @cached_property
    def command_types(self) -> tuple[type[Any], ...]:
        """The classes of its commands, read from the annotation of `decide`: what a command is read as that was stored.

        Raises:
            UsageError: they can be read from no annotation, and `commands` does not name them.
        """
        return self.commands or parameter_classes(self.decide, 0, f"Decider({self.category!r}, ..., commands=(...))")

    def tagged(self, *tags: str) -> ScopedDecider[C, S, E]:
        """This decider over its events that carry all of `tags`: what `store.bind` takes in place of its streams."""
        return ScopedDecider(self, frozenset(checked_name("tag", tag) for tag in tags), self.decide)

    def send(self, id: str, command: C) -> Send:
        """The command, addressed to one instance, for a process to emit.

        Raises:
            UsageError: it is the class of one.
        """
        return Send(self.category, id, made("send()", command))


def decided(events: Iterable[E]) -> tuple[E, ...]:
    """What a decision gave, once it has all been yielded.

    Raises:
        UsageError: it is no collection of events.
        What the decision raises.
    """
    try:
        each = iter(events)
    except TypeError:
        raise UsageError(
            f"decide gave {shortened(events)}, and no collection of events: let it yield them, or return them in a list."
        ) from None
    return tuple(each)


def checked_fold(subject: object) -> None:
    """Raises `UsageError` if it is no fold."""
    if not isinstance(subject, Fold):
        raise UsageError(f"{shortened(subject)} is no fold or decider: take what Fold(...) or Decider(...) gave.")


class OwnDecider(Decider[C, S, E]):
    """One of Refold's own, whose category begins with `$`: nobody else writes there."""


@dataclass(frozen=True)
class Scoped(Generic[S, E]):
    """A fold over what its types and some tags select, in place of one stream."""

    fold: Fold[S, E]
    tags: frozenset[str]

    @cached_property
    def query(self) -> Query:
        """The events it folds: one of the fold's types, all of the tags."""
        return Query.of(types=[spec_of(cls).name for cls in self.fold.event_types], tags=self.tags)


@dataclass(frozen=True)
class ScopedDecider(Scoped[S, E], Generic[C, S, E]):
    """A decider over what its types and some tags select, in place of one stream."""

    decide: Callable[[C, S], Iterable[E]]


@dataclass(frozen=True)
class DecisionModel(Generic[*Ss]):
    """Several scoped folds that one decision needs; its query is derived from theirs.

    `guard` is a query of its own for what must not have happened meanwhile, where that is not all that was read.
    """

    parts: tuple[Scoped[Any, Any], ...]
    guard: Query | None = None

    @cached_property
    def query(self) -> Query:
        """Every event that any part folds: what is read, and without a guard also the boundary of the decision."""
        return reduce(Query.__or__, (part.query for part in self.parts))

    def guarded_by(self, query: Query) -> DecisionModel[*Ss]:
        """The same model, with another boundary: the decision holds unless an event that matches `query` was appended.

        Narrower than what is read, it forgives changes that do not matter; wider, it also rules out what is not folded.
        """
        return replace(self, guard=query)

    @cached_property
    def event_types(self) -> tuple[type[Any], ...]:
        """The classes of all parts, each once."""
        return tuple(dict.fromkeys(cls for part in self.parts for cls in part.fold.event_types))

    def initial(self) -> tuple[Any, ...]:
        """The state of each part before any event."""
        return tuple(part.fold.initial() for part in self.parts)

    def evolve(self, states: tuple[Any, ...], event: object, type: str, tags: frozenset[str]) -> tuple[Any, ...]:
        """The states after one event: only the parts that select it change."""
        return tuple(
            part.fold.evolve(state, event) if part.query.matches(type, tags) else state
            for part, state in zip(self.parts, states, strict=True)
        )


@overload
def compose(first: Scoped[S1, Any], /) -> DecisionModel[S1]: ...
@overload
def compose(first: Scoped[S1, Any], second: Scoped[S2, Any], /) -> DecisionModel[S1, S2]: ...
@overload
def compose(
    first: Scoped[S1, Any], second: Scoped[S2, Any], third: Scoped[S3, Any], /
) -> DecisionModel[S1, S2, S3]: ...
@overload
def compose(
    first: Scoped[S1, Any], second: Scoped[S2, Any], third: Scoped[S3, Any], fourth: Scoped[S4, Any], /
) -> DecisionModel[S1, S2, S3, S4]: ...
def compose(*parts: Scoped[Any, Any]) -> DecisionModel[*tuple[Any, ...]]:
    """One decision model of up to four scoped folds, for `store.decide`.

    Raises:
        UsageError: there is none, or one is not scoped.
    """
    if not parts:
        raise UsageError("compose() has nothing to decide on: give it folds over tags, fold.tagged(...).")
    for part in cast("tuple[object, ...]", parts):
        if not isinstance(part, Scoped):
            raise UsageError(f"compose takes folds over tags, fold.tagged(...), not {shortened(part)}.")
    return DecisionModel(parts)


def parameter_classes(function: Callable[..., object], index: int, way_out: str) -> tuple[type[Any], ...]:
    """The classes in the annotation of a function's parameter: those of a union, of an alias, of a `Recorded[...]`.

    Raises:
        UsageError: there is no annotation, or it names something that cannot be found; it ends with `way_out`.
    """
    try:
        name = list(inspect.signature(function).parameters)[index]
        hint = get_type_hints(function)[name]
    except (IndexError, KeyError, NameError, TypeError, ValueError) as error:
        raise UsageError(
            f"the event classes cannot be read from the annotations of {function!r} ({error!r}): "
            f"annotate parameter {index + 1} with their union, or name them, as in {way_out}."
        ) from error
    return tuple(dict.fromkeys(_classes(hint)))


def _classes(hint: object) -> Iterator[type[Any]]:
    alias = getattr(hint, "__value__", None)
    if alias is not None:
        yield from _classes(alias)
    elif get_origin(hint) in (Union, UnionType):
        for part in get_args(hint):
            yield from _classes(part)
    elif get_origin(hint) in (Annotated, Recorded):
        yield from _classes(get_args(hint)[0])
    elif isinstance(hint, type):
        yield hint
