"""Closing the books: a decider whose long streams end now and then, and go on in new ones that begin with the state so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, cast

from refold.errors import UsageError
from refold.fold import Decider
from refold.messages import NAME_LIMIT, StreamName
from refold.query import Query

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")

_MARK: Final = "@"


def _tag(first: StreamName) -> str:
    return f"$period:{first}"


def periods_of(stream: StreamName) -> Query | None:
    """Every event that opened a period of the thing that a stream would be a period of; `None` if it cannot be one.

    Whether its books are ever closed is not known here: if not, there is no such event.
    """
    id, mark, number = stream.id.partition(_MARK)
    tag = _tag(StreamName(stream.category, id)) if id else ""
    if not tag or len(tag) > NAME_LIMIT or (mark and not number.isdigit()):
        return None
    return Query.of(tags=[tag])


@dataclass(frozen=True)
class Closing(Generic[C, S, E]):
    """A decider, the class of the event that ends a period, and what the next one opens with, given the state at the end.

    The opening event must carry the whole state over: folded alone, it gives the same state. Both are events of the decider,
    which its `evolve` knows. The periods of `account-7` are the streams `account-7`, `account-7@2`, `account-7@3`, ...
    """

    decider: Decider[C, S, E]
    closed_by: type[Any]
    opening: Callable[[S], E]

    def __post_init__(self) -> None:
        if self.closed_by not in self.decider.event_types:
            raise UsageError(
                f"{self.closed_by.__qualname__} closes the books of {self.decider.category!r}, but is none of its events: "
                "name it in the annotation of `evolve`."
            )

    def stream(self, id: str, period: int = 1) -> StreamName:
        """The stream of a period, which counts from 1.

        Raises:
            UsageError: the id contains `@`, which parts it from the number of the period.
        """
        text = "" if cast("object", id) is None else str(id)  # who passes a number means its digits, as for any decider
        if _MARK in text:
            raise UsageError(
                f"id {text!r} contains '@', which stands before the number of a period: name the thing itself."
            )
        return self.decider.stream(text if period == 1 else f"{text}{_MARK}{period}")

    def id_of(self, stream: StreamName) -> str:
        """The id of the thing that a stream is a period of: the key for read models."""
        return stream.id.partition(_MARK)[0]

    def period_of(self, stream: StreamName) -> int:
        """The number of the period that a stream is."""
        return int(stream.id.partition(_MARK)[2] or 1)

    def tag(self, id: str) -> str:
        """What every opening event of a thing is tagged with, so that the newest is found at once."""
        return _tag(self.stream(id))

    def openings(self, id: str) -> Query:
        """Every event that opened a period of a thing, but the first, which nothing opens."""
        return Query.of(tags=[self.tag(id)])

    def ends(self, events: tuple[Any, ...]) -> bool:
        """Whether decided events end the period.

        Raises:
            UsageError: something follows the event that does.
        """
        if any(isinstance(event, self.closed_by) for event in events[:-1]):
            raise UsageError(
                f"{self.closed_by.__qualname__} closes the period, so nothing can follow it in one decision."
            )
        return bool(events) and isinstance(events[-1], self.closed_by)

    def opened_with(self, state: S) -> E:
        """The event that opens the next period.

        Raises:
            UsageError: folded alone, it gives another state.
        """
        event = self.opening(state)
        carried = self.decider((event,))
        if carried != state:
            raise UsageError(f"{event!r} does not carry the state over: {state!r} would become {carried!r}.")
        return event
