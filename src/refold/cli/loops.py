"""Senders that await, used from commands, which block: they have an event loop on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar, cast

from refold.cloudevents import CloudEvent
from refold.external import EffectHandler
from refold.publication import Publication, Sender

if TYPE_CHECKING:
    import asyncio


P = TypeVar("P")


class Looped:
    """The event loop, begun when the first sender needs it."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._senders: list[Sender] = []

    def blocking(self, part: P) -> P:
        """A part of an application, which does not await."""
        if isinstance(part, EffectHandler):
            return cast("P", self._effect(cast("EffectHandler[Any]", part)))
        if not isinstance(part, Publication) or not part.sender.awaits:
            return part
        self._senders.append(part.sender)
        return cast("P", part.sent_by(_Sending(part.sender, self._running())))

    def _effect(self, handler: EffectHandler[Any]) -> EffectHandler[Any]:
        return _waited_for(handler, self._running()) if iscoroutinefunction(handler.function) else handler

    def _running(self) -> asyncio.AbstractEventLoop:
        import asyncio  # noqa: PLC0415 - most commands need none

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="refold-senders", daemon=True)
            self._thread.start()
        return self._loop

    def close(self) -> None:
        """End the loop, if it was begun, and what runs on it."""
        if self._loop is None or self._thread is None:
            return
        import asyncio  # noqa: PLC0415 - as above

        asyncio.run_coroutine_threadsafe(_closed(self._senders), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _waited_for(handler: EffectHandler[Any], loop: asyncio.AbstractEventLoop) -> EffectHandler[Any]:
    """The effect, whose coroutine function runs on the loop and is cut off there."""
    import asyncio  # noqa: PLC0415 - as above

    function: Any = handler.function

    @wraps(function)
    def wait(request: object, key: str) -> object:
        limited = asyncio.wait_for(function(request, key), handler.timeout.total_seconds())
        return asyncio.run_coroutine_threadsafe(limited, loop).result()

    return replace(handler, function=wait)


class _Sending:
    """A sender that awaits, which is waited for."""

    awaits = False

    def __init__(self, sender: Sender, loop: asyncio.AbstractEventLoop) -> None:
        self._sender, self._loop = sender, loop

    async def send(self, message: CloudEvent) -> None:
        import asyncio  # noqa: PLC0415 - as above

        asyncio.run_coroutine_threadsafe(self._sender.send(message), self._loop).result()

    def __repr__(self) -> str:
        return repr(self._sender)


async def _closed(senders: Sequence[Sender]) -> None:
    """Let them say good-bye, and end what they left."""
    import asyncio  # noqa: PLC0415 - as above

    closing = [close() for sender in senders if (close := getattr(sender, "close", None)) is not None]
    await asyncio.gather(*closing, return_exceptions=True)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
