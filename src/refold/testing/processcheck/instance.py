"""One instance of a process as a value: what it remembers, what may still come to it, and what one input makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from refold.external import Call
from refold.fold import Send
from refold.messages import Recorded
from refold.process import After, At, Cancel, Effect, Fail, Finish

How: TypeAlias = Literal["event", "timeout", "refusal"]
Asked: TypeAlias = Send | Call

_MOST_ALIKE: Final = 2
"""Of equal timers, and of equal commands that may be refused, so many are told apart from one; no more."""


@dataclass(frozen=True, eq=False)
class Input:
    """What may come to an instance: an event, a timeout that it set, or the refusal of what it asked. There is one of each."""

    how: How
    number: int
    recorded: Recorded[Any]
    asked: Asked | None = None

    @property
    def event(self) -> object:
        """What `evolve` is given."""
        return self.recorded.data

    @property
    def cls(self) -> type[Any]:
        """The class of the event."""
        cls: type[Any] = self.recorded.data.__class__
        return cls


class Timer(NamedTuple):
    """A timeout that is yet to come; `due` is a delay or a moment, as it was set."""

    due: timedelta | datetime
    timeout: Input


@dataclass(frozen=True, slots=True)
class Instance:
    """What an instance is between two inputs. States are numbered: equal ones have the same number.

    `timers` stand in the order in which they were set. `seen`: the classes of what it was given and of what it asked.
    """

    state: int
    timers: tuple[Timer, ...] = ()
    refusals: tuple[Input, ...] = ()
    seen: frozenset[type[Any]] = frozenset()
    has_begun: bool = False
    has_ended: bool = False

    def is_set(self, timeout: Input) -> bool:
        """Whether such a timeout is yet to come."""
        return any(timer.timeout is timeout for timer in self.timers)

    def due(self) -> Iterator[Input]:
        """The timeouts that may come next, each once: not those that are certainly due later than another."""
        free = [
            timer.timeout
            for place, timer in enumerate(self.timers)
            if not any(_is_earlier(other, timer, at < place) for at, other in enumerate(self.timers))
        ]
        yield from dict.fromkeys(free)


def _is_earlier(one: Timer, other: Timer, was_set_before: bool) -> bool:  # noqa: FBT001 - private
    """Certainly due before. Two in one reaction are set at the same time, so that the order there does not matter."""
    if isinstance(one.due, timedelta) and isinstance(other.due, timedelta):
        return was_set_before and one.due < other.due
    return isinstance(one.due, datetime) and isinstance(other.due, datetime) and one.due < other.due


class Reaction(NamedTuple):
    """What came of one input in one state: the effects, and the number of the state after it; or what went wrong."""

    effects: tuple[Effect, ...]
    state: int
    trouble: Trouble | None = None

    @property
    def asked(self) -> tuple[Asked, ...]:
        """The commands and calls among the effects."""
        return tuple(effect for effect in self.effects if isinstance(effect, Send | Call))

    @property
    def ends(self) -> bool:
        """Whether the process ends with it."""
        return any(isinstance(effect, Finish | Fail) for effect in self.effects)

    def sets(self, cls: type[Any]) -> bool:
        """Whether it sets a timeout of this class."""
        return any(isinstance(effect, After | At) and effect.timeout.__class__ is cls for effect in self.effects)

    def cancels(self, cls: type[Any]) -> bool:
        """Whether it cancels the timeouts of this class."""
        return any(isinstance(effect, Cancel) and effect.timeout is cls for effect in self.effects)


class Trouble(NamedTuple):
    """Why a function of the process is none that can be run: it raises, is not pure, or yields what is no effect."""

    kind: Literal["raises", "impure", "no effect"]
    what: str


def message(asked: Asked) -> object:
    """The command that is sent, or what an effect is asked."""
    return asked.command if isinstance(asked, Send) else asked.request


def same(one: Asked, other: Asked) -> bool:
    """Whether both ask the same of the same; what is to happen if it is refused does not count."""
    return replace(one, fallback=None) == replace(other, fallback=None)


def in_order(timers: Iterable[Timer]) -> tuple[Timer, ...]:
    """Timers that one reaction sets, the first due first, so that `due` can go by their places."""
    return tuple(sorted(timers, key=_delay))


def _delay(timer: Timer) -> timedelta:
    return timer.due if isinstance(timer.due, timedelta) else timedelta.max


def few(items: Iterable[Any]) -> Iterator[Any]:
    """The items in their order, but no more of one kind than are told apart."""
    counts = dict[Any, int]()
    for item in items:
        counts[item] = counts.get(item, 0) + 1
        if counts[item] <= _MOST_ALIKE:
            yield item
