"""A blocking store under the signatures of its awaiting twin, so that a test is written once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Executor
from functools import partial
from itertools import islice
from typing import Any, Final, Self

from refold.read_model import ReadModel

_BOUND: Final = {"bind", "context", "live", "model", "process", "received", "run"}
_STREAMED: Final = {"history", "read", "redecide", "streams", "verify"}
_AT_ONCE: Final = 250
_OVER: Final = object()


class Awaited:
    """Each call of `blocking` runs in a thread of `threads`; what it iterates, in stretches."""

    def __init__(self, blocking: Any, threads: Executor) -> None:
        self._blocking, self._threads = blocking, threads

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._blocking, name)
        if name in _BOUND:
            return partial(self._bound, found)
        if name in _STREAMED and not isinstance(self._blocking, ReadModel):
            return partial(self._streamed, found)
        return partial(self._call, found) if callable(found) else found

    def subscribe(self, *args: Any, **options: Any) -> AwaitedSubscription:
        """The subscription, each step of which runs in a thread."""
        return AwaitedSubscription(self._blocking.subscribe(*args, **options), self._call)

    async def inline(self, *projections: Any) -> Awaited:
        """The store that keeps read models inline."""
        return Awaited(await self._call(self._blocking.inline, *projections), self._threads)

    async def __aenter__(self) -> Self:
        await self._call(self._blocking.__enter__)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._call(self._blocking.__exit__, *error)

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


class AwaitedSubscription:
    """A blocking subscription, each step of which is a call that is awaited."""

    def __init__(self, blocking: Any, call: Callable[..., Awaitable[Any]]) -> None:
        self._blocking, self._call = blocking, call

    @property
    def position(self) -> int:
        """As it is."""
        position: int = self._blocking.position
        return position

    async def close(self) -> None:
        """Close it, from another thread than the one that may be waiting."""
        await self._call(self._blocking.close)

    def __aiter__(self) -> AwaitedSubscription:
        return self

    async def __anext__(self) -> Any:
        event = await self._call(next, self._blocking, _OVER)
        if event is _OVER:
            raise StopAsyncIteration
        return event

    async def __aenter__(self) -> Self:
        await self._call(self._blocking.__enter__)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._call(self._blocking.__exit__, *error)
