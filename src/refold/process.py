"""Process: a decider turned around. Events and timeouts in; commands, timers and the end out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Generic, TypeAlias, TypeVar

from refold.errors import UsageError
from refold.fold import Send, parameter_classes
from refold.messages import Recorded, checked_name

E = TypeVar("E")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class After:
    """A timeout: an event that comes back to the process after a delay."""

    delay: timedelta
    timeout: object


@dataclass(frozen=True, slots=True)
class At:
    """A timeout: an event that comes back to the process at a time."""

    moment: datetime
    timeout: object


@dataclass(frozen=True, slots=True)
class Cancel:
    """No timeout of this class shall come back any more."""

    timeout: type[Any]


@dataclass(frozen=True, slots=True)
class Finish:
    """The process has reached its end; later events and timeouts no longer concern it."""


Effect: TypeAlias = Send | After | At | Cancel | Finish
"""What `react` may yield."""


def after(delay: timedelta, timeout: object) -> After:
    """Let `timeout` come back after `delay`."""
    return After(delay, timeout)


def at(moment: datetime, timeout: object) -> At:
    """Let `timeout` come back at `moment`, which must know its time zone.

    Raises:
        UsageError: it does not.
    """
    if moment.tzinfo is None:
        raise UsageError(
            f"the timeout is due at {moment.isoformat()}, which has no time zone: write datetime(..., tzinfo=UTC)."
        )
    return At(moment, timeout)


def cancel(timeout: type[Any]) -> Cancel:
    """Let no timeout of this class come back any more; that there is none is fine."""
    return Cancel(timeout)


def finish() -> Finish:
    """End the process."""
    return Finish()


def by_stream_id(recorded: Recorded[Any]) -> str:
    """The usual key: one instance for each stream id."""
    return recorded.stream.id


@dataclass(frozen=True)
class Process(Generic[E, S]):
    """A process manager: `evolve` folds what it has seen, `react` yields what should follow.

    They are apart so that a replay, which only folds, can never act twice. `react` sees the state *before* the event.
    `key` says which instance an event belongs to.
    """

    name: str
    initial: Callable[[], S]
    react: Callable[[Recorded[E], S], Iterable[Effect]]
    evolve: Callable[[S, E], S]
    key: Callable[[Recorded[E]], str] = by_stream_id
    events: tuple[type[Any], ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        checked_name("process name", self.name)

    @cached_property
    def event_types(self) -> tuple[type[Any], ...]:
        """The classes of the events and timeouts that it reacts to, read from the annotation of `react`.

        Raises:
            UsageError: they can be read from no annotation, and `events` does not name them.
        """
        return self.events or parameter_classes(self.react, 0, f"Process({self.name!r}, ..., events=(...))")
