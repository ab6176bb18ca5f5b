"""What if: the same history with some events left out, replaced or put in, beside what happened. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final, Generic, TypeVar, cast

from msgspec import Struct

from refold.errors import NoSuchVersion, UsageError, shortened
from refold.flows.history import Walk
from refold.flows.load import AsOf, Loaded, version_at
from refold.flows.prepare import Runtime, checked_stream
from refold.fold import Fold
from refold.messages import Position, Recorded, spec_of
from refold.patching import Operation, difference
from refold.ports import Backend

S = TypeVar("S")
E = TypeVar("E")

SHOWN: Final = 100
"""How many steps that differ are kept, if nobody says otherwise."""


class Divergence(Struct, Generic[S, E], frozen=True):
    """A version at which the hypothetical history is not as the actual one: in its events, or in the state after them.

    `happened` is the event there: several or none, if an upcaster reads it so; none at the beginning, where `version` is 0.
    `instead` is what is folded in its place: nothing, if it is dropped; the same, if only the states differ; the same and
    what follows, if something is inserted.
    """

    version: int
    happened: tuple[Recorded[E], ...]
    instead: tuple[E, ...]
    actual: S
    hypothetical: S

    @property
    def diff(self) -> tuple[Operation, ...]:
        """What makes the hypothetical state of the actual one.

        Raises:
            UsageError: a state holds what JSON has no form for.
        """
        return difference(self.actual, self.hypothetical)

    @property
    def is_edited(self) -> bool:
        """Whether other events are folded here, and not the same ones onto another state."""
        return self.instead != tuple(event.data for event in self.happened)


class WhatIf(Struct, Generic[S, E], frozen=True):
    """What happened, and what would have: the states at `version`, and the steps that differ.

    `differing` counts them all; `steps` holds the first of them.
    """

    version: int
    actual: S
    hypothetical: S
    differing: int
    steps: tuple[Divergence[S, E], ...]

    @property
    def diff(self) -> tuple[Operation, ...]:
        """What makes the hypothetical state of the actual one.

        Raises:
            UsageError: a state holds what JSON has no form for.
        """
        return difference(self.actual, self.hypothetical)


class Edits(Struct, Generic[E], frozen=True):
    """What is to be otherwise: events by the versions that they have, and what is inserted by those that it follows."""

    drop: frozenset[int]
    replace: Mapping[int, tuple[E, ...]]
    insert: Mapping[int, tuple[E, ...]]

    @staticmethod
    def of(
        drop: Iterable[int], replace: Mapping[int, E | Iterable[E]], insert: Mapping[int, E | Iterable[E]]
    ) -> Edits[E]:
        """As a caller says it.

        Raises:
            UsageError: what is said names no versions, or an event is both dropped and replaced.
        """
        edits = Edits(_versions(drop), _by_version("replace", replace), _by_version("insert", insert))
        if both := sorted(edits.drop & {*edits.replace}):
            raise UsageError(f"version {both[0]} is both dropped and replaced: say one of them.")
        return edits

    def checked(self, fold: Fold[Any, Any], stream: str, last: int) -> None:
        """Whether a history of so many events can be edited so.

        Raises:
            NoSuchVersion: it has no such event.
            UsageError: an event is of no class of the fold.
        """
        for version in sorted({*self.drop, *self.replace}):
            if not 1 <= version <= last:
                raise NoSuchVersion(stream, version, last)
        for version in sorted(self.insert):
            if not 0 <= version <= last:
                raise NoSuchVersion(stream, version, last)
        for event in chain.from_iterable((*self.replace.values(), *self.insert.values())):
            if type(event) not in fold.event_types:
                raise UsageError(f"{shortened(event)} is of no class that the fold of {fold.category!r} takes in.")

    def at(self, version: int, happened: Sequence[E]) -> tuple[E, ...]:
        """What is folded in place of what happened at a version."""
        kept = () if version in self.drop else self.replace.get(version, tuple(happened))
        return (*kept, *self.insert.get(version, ()))


def _versions(drop: object) -> frozenset[int]:
    if isinstance(drop, str | bytes) or not isinstance(drop, Iterable):
        raise UsageError(f"drop={shortened(drop)}: give versions, such as drop=[3].")
    return frozenset(_version("drop", each) for each in cast("Iterable[object]", drop))


def _by_version(option: str, edits: object) -> Mapping[int, tuple[Any, ...]]:
    if not isinstance(edits, Mapping):
        raise UsageError(f"{option}={shortened(edits)}: give events by versions, such as {option}={{3: event}}.")
    found = cast("Mapping[object, object]", edits)
    return {_version(option, version): _several(events) for version, events in found.items()}


def _version(option: str, version: object) -> int:
    """A plain number: True is none, and a position counts something else."""
    if type(version) is not int:
        raise UsageError(f"{option} names {shortened(version)}, which is no version: give an int, such as 3.")
    return version


def _several(events: object) -> tuple[Any, ...]:
    """Several events, or one, even if that can be gone through itself."""
    found: Any = events
    if isinstance(events, Iterable) and not isinstance(events, str | bytes | Mapping) and not _is_event(found):
        return tuple(found)
    return (found,)


def _is_event(value: object) -> bool:
    try:
        spec_of(value.__class__)
    except UsageError:
        return False
    return True


class Hypothesis(Generic[S, E]):
    """How a stream would stand if its history had been otherwise."""

    def __init__(self, fold: Fold[S, E], edits: Edits[E]) -> None:
        self._fold, self._edits, self.state = fold, edits, fold.initial()

    def after(self, version: int, happened: Sequence[E]) -> tuple[E, ...]:
        """Take in what stands at a version in place of what happened, and say what that was.

        What the fold raises comes out as it is, with a note where.
        """
        instead = self._edits.at(version, happened)
        try:
            self.state = self._fold(instead, self.state)
        except Exception as error:
            error.add_note(f"This was at version {version} of the hypothetical history.")
            raise
        return instead


class Comparing(Generic[S, E]):
    """Takes in two histories step by step, and keeps what differs: the first steps, and how many."""

    def __init__(self, limit: int) -> None:
        self._limit, self._steps, self._differing = limit, list[Divergence[S, E]](), 0

    def take(
        self, version: int, happened: Iterable[Recorded[E]], instead: tuple[E, ...], actual: S, hypothetical: S
    ) -> None:
        """One version of both."""
        self._last = version, actual, hypothetical
        step = Divergence(version, tuple(happened), instead, actual, hypothetical)
        if actual == hypothetical and not step.is_edited:
            return
        self._differing += 1
        if len(self._steps) < self._limit:
            self._steps.append(step)

    def result(self) -> WhatIf[S, E]:
        """What came of it; at least one step was taken."""
        return WhatIf(*self._last, self._differing, tuple(self._steps))


async def whatif(
    backend: Backend, runtime: Runtime, fold: Fold[S, E], id: str, edits: Edits[E], as_of: AsOf | None, limit: int
) -> WhatIf[S, E]:
    """What would be if the history of a stream, as far as it was known `as_of` then, were otherwise.

    Raises:
        NoSuchVersion: the stream has not reached a version.
        UsageError: an event is of no class of the fold, or the limit is no number of steps.
        UnknownEventType, UndecodableEvent: the fold cannot read the stream.
    """
    if type(limit) is not int or limit < 0:
        raise UsageError(f"limit={shortened(limit)} is no number of steps: give 0 or more.")
    stream = checked_stream(fold.stream(id))
    last = await backend.version(stream) if as_of is None else await version_at(backend, stream, as_of)
    edits.checked(fold, stream, last)
    walk = Walk(fold, runtime.codec.decoders(fold.event_types), stream, Loaded(fold.initial(), 0, Position(0)), last)
    hypothesis, comparing = Hypothesis(fold, edits), Comparing[S, E](limit)
    comparing.take(0, (), hypothesis.after(0, ()), walk.state, hypothesis.state)
    while rows := await walk.page(backend):
        for row in rows:
            happened = [step.event for step in walk.steps(row)]
            instead = hypothesis.after(row.version, [event.data for event in happened])
            comparing.take(row.version, happened, instead, walk.state, hypothesis.state)
    return comparing.result()
