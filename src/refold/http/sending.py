"""Sending: what is made ready for a client that takes its time, and answers that go on for as long as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Generic, TypeVar

from starlette.responses import StreamingResponse

T = TypeVar("T")

AHEAD: Final = 1 << 20
"""Bytes that are made ready for a client; further ones are not even read."""
_EACH: Final = 200
"""What an entry takes besides."""


class Ahead(Generic[T]):
    """What is ready, in order. Whoever makes it ready waits while it has so many bytes; an entry on its own is always taken."""

    def __init__(self, most: int | None = None) -> None:
        self._most, self.size = AHEAD if most is None else most, 0
        self._line: asyncio.Queue[tuple[T, int]] = asyncio.Queue()
        self._room = asyncio.Event()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is ready."""
        return self._line.empty()

    async def put(self, entry: T, size: int = 0) -> None:
        """One more, of so many bytes, as soon as there is room."""
        while self.size >= self._most:
            self._room.clear()
            await self._room.wait()
        self.size += size + _EACH
        self._line.put_nowait((entry, size + _EACH))

    async def get(self) -> T:
        """The next one, as soon as there is one."""
        return self._given(await self._line.get())

    def get_nowait(self) -> T:
        """The next one, which is there."""
        return self._given(self._line.get_nowait())

    def _given(self, found: tuple[T, int]) -> T:
        self.size -= found[1]
        self._room.set()
        return found[0]


class Going(StreamingResponse):
    """An answer that goes on, and is counted as a subscription: its slot is given back, also if the client is gone at once."""

    def __init__(self, body: AsyncIterator[bytes], slot: Callable[[], None], **rest: Any) -> None:  # noqa: ANN401
        super().__init__(body, **rest)
        self._slot = slot

    async def __call__(self, *args: Any) -> None:  # noqa: ANN401 - as ASGI has it
        try:
            await super().__call__(*args)
        finally:
            self._slot()
