"""External effects: what a process asks of the world outside the store, and how hard that is tried."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

from refold.errors import UsageError
from refold.fold import parameter_classes
from refold.messages import checked_name, made, spec_of

C = TypeVar("C")

Answer: TypeAlias = object | None
"""The event that comes of an effect, and goes back to the process that asked for it; `None` if there is none."""
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Retry:
    """How often something is tried, and the wait in between: `first`, then twice as long each time, at most `longest`."""

    attempts: int = 5
    first: timedelta = _SECOND
    longest: timedelta = 60 * _SECOND

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise UsageError(f"Retry(attempts={self.attempts}) never tries: the first attempt counts, too.")
        if not timedelta() < self.first <= self.longest:
            raise UsageError(
                f"Retry waits {self.first} first and {self.longest} at most: neither 0 nor the other way round."
            )

    def wait(self, attempts: int) -> timedelta | None:
        """How long to wait after so many attempts; `None` if that was the last."""
        if attempts >= self.attempts:
            return None
        doublings = attempts - 1
        if not self.longest // self.first >> doublings:  # what is longer than the longest may be no timedelta at all
            return self.longest
        return self.first * (1 << doublings)


@dataclass(frozen=True, slots=True)
class Breaker:
    """After so many failures in a row, of whatever instances, nothing is tried for a while; then one attempt tells."""

    failures: int = 5
    pause: timedelta = 30 * _SECOND


@dataclass(frozen=True, slots=True)
class Call:
    """Something asked of the world outside: data, not an action. `fallback`: the event that comes back if it fails for good."""

    effect: str
    request: object
    fallback: object | None = None

    def otherwise(self, event: object) -> Call:
        """The same call; `event` comes back to the process when every attempt has failed.

        Raises:
            UsageError: it is the class of an event.
        """
        return replace(self, fallback=made("otherwise()", event))


@dataclass(frozen=True)
class EffectHandler(Generic[C]):
    """A function that does something outside the store, under a name, with how hard it is tried. Made by `@effect`."""

    name: str
    function: Callable[[C, str], Answer | Awaitable[Answer]]
    retry: Retry
    timeout: timedelta
    breaker: Breaker

    def send(self, request: C) -> Call:
        """The request, for a process to emit.

        Raises:
            UsageError: it is the class of one.
        """
        return Call(self.name, made("send()", request))

    def __call__(self, request: C, key: str) -> Answer | Awaitable[Answer]:
        """Do it."""
        return self.function(request, key)

    @cached_property
    def request_types(self) -> tuple[type[Any], ...]:
        """The classes of what it can be asked, read from the annotation of its first parameter.

        Raises:
            UsageError: they can be read from no annotation, or are no commands.
        """
        found = parameter_classes(self.function, 0, f"@effect({self.name!r}) on a function with annotations")
        for cls in found:
            spec_of(cls, "command")
        return found


class Marking(Protocol):
    """What `@effect(...)` gives."""

    def __call__(self, function: Callable[[C, str], Answer | Awaitable[Answer]], /) -> EffectHandler[C]:
        """The handler around a function."""
        ...


def effect(
    name: str,
    *,
    retry: Retry = Retry(),
    timeout: timedelta = 30 * _SECOND,
    breaker: Breaker = Breaker(),
) -> Marking:
    """Let a function do something outside the store: send a mail, take money, call a service.

        @effect("card.charge", retry=Retry(attempts=8))
        def charge(request: Charge, key: str) -> Charged | Declined:
            return gateway.charge(request.cents, idempotency_key=key)

    It runs outside of any transaction, at least once for each time that a process yields `charge.send(...)`, with the same
    `key` each time: hand that on, so that the other side can tell a repeat. What it returns, an event, goes back to the
    process. What it raises counts as a failure, to be tried again; so does taking longer than `timeout`, for a coroutine
    function. A function that blocks sets its own time-out.

    Raises:
        UsageError, InvalidName: the name is none, or the time-out is none.
    """
    checked_name("effect name", name)
    if timeout <= timedelta():
        raise UsageError(f"effect {name!r} has a timeout of {timeout}: give it some time.")

    def mark(function: Callable[[C, str], Answer | Awaitable[Answer]], /) -> EffectHandler[C]:
        return EffectHandler(name, function, retry, timeout, breaker)

    return mark
