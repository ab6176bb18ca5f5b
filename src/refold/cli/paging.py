"""Part of a list, and the cursor from which to go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Generic, TypeVar

T = TypeVar("T")


class Page(Generic[T]):
    """The first `limit` items. `next` gives the cursor of the last one, if there are more."""

    def __init__(self, items: Iterable[T], limit: int | None, cursor: Callable[[T], object]) -> None:
        self._items, self._limit, self._cursor = iter(items), limit, cursor
        self._last: object = None

    @property
    def is_empty(self) -> bool:
        """Whether there are no items; the first one is read for it."""
        first = next(self._items, None)
        if first is None:
            return True
        self._items = chain([first], self._items)
        return False

    def __iter__(self) -> Iterator[T]:
        for item in islice(self._items, self._limit):
            self._last = self._cursor(item)
            yield item

    def next(self) -> object:
        """What to go on after, None at the end."""
        return None if next(self._items, None) is None else self._last
