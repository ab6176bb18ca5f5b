"""Inverse: how an event of one type is undone by further events, or done again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from refold.messages import spec_of

T = TypeVar("T")
S = TypeVar("S")
E = TypeVar("E")
S_contra = TypeVar("S_contra", contravariant=True)
E_co = TypeVar("E_co", covariant=True)

Way: TypeAlias = Literal["undo", "redo"]


@dataclass(frozen=True, slots=True)
class Inverse(Generic[S_contra, E_co]):
    """How events of one class are undone, or redone: to be handed to `Fold(..., inverses=(...))`.

    `needed_by` says of an event and another of its stream whether the other stands on it.
    """

    way: Way
    event: type[Any]
    propose: Callable[[Any, S_contra], Iterable[E_co]]
    needed_by: Callable[[Any, object], bool]

    def __call__(self, event: object, state: S_contra) -> tuple[E_co, ...]:
        """What undoes, or redoes, the event in a stream with this state."""
        return tuple(self.propose(event, state))


def undoes(
    event: type[T], *, needed_by: Callable[[T, object], bool] | None = None
) -> Callable[[Callable[[T, S], Iterable[E]]], Inverse[S, E]]:
    """Make an inverse of a pure function: which events undo one of this class, given the state of its stream now.

        @undoes(Reserved, needed_by=lambda reserved, later: isinstance(later, Shipped) and later.item == reserved.item)
        def release(event: Reserved, stock: Stock) -> Iterator[StockEvent]:
            yield Released(event.item, event.count)

    The function raises `CannotUndo(reason)` where the state does not allow it. `needed_by`: whether a later event of the
    stream stands on this one; it must be undone before, or with it.

    Raises:
        UsageError: the class is no event.
    """
    return _made("undo", event, needed_by or _by_none)


def redoes(event: type[T]) -> Callable[[Callable[[T, S], Iterable[E]]], Inverse[S, E]]:
    """Say how an event of this class that was undone is redone, where that is not just by appending it again.

    The function is as for `undoes`: it raises `CannotUndo(reason)` where the state does not allow it any more.

    Raises:
        UsageError: the class is no event.
    """
    return _made("redo", event, _by_none)


def _made(
    way: Way, event: type[T], needed_by: Callable[[T, object], bool]
) -> Callable[[Callable[[T, S], Iterable[E]]], Inverse[S, E]]:
    spec_of(event)

    def make(propose: Callable[[T, S], Iterable[E]]) -> Inverse[S, E]:
        return Inverse(way, event, propose, needed_by)

    return make


def _by_none(_: object, __: object) -> bool:
    return False
