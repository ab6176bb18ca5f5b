"""A blocking store under the signatures of its awaiting twin, so that a test is written once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from functools import partial
from itertools import islice
from typing import Any, Final

_BOUND: Final = {"bind", "context"}
_STREAMED: Final = {"read", "streams", "verify"}
_AT_ONCE: Final = 250


class Awaited:
    """Each call of `blocking` runs in a thread of `threads`; what it iterates, in stretches."""

    def __init__(self, blocking: Any, threads: Executor) -> None:
        self._blocking, self._threads = blocking, threads

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._blocking, name)
        if name in _BOUND:
            return partial(self._bound, found)
        if name in _STREAMED:
            return partial(self._streamed, found)
        return partial(self._call, found) if callable(found) else found

    def _bound(self, function: Callable[..., Any], *args: Any, **options: Any) -> Awaited:
        return Awaited(function(*args, **options), self._threads)

    def _streamed(self, function: Callable[..., Iterator[Any]], *args: Any, **options: Any) -> AsyncIterator[Any]:
        return self._each(function(*args, **options))

    async def _call(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *args, **options))

    async def _each(self, items: Iterator[Any]) -> AsyncIterator[Any]:
        while stretch := await self._call(list, islice(items, _AT_ONCE)):
            for item in stretch:
                yield item
