"""Pauses, in the two colours."""

from __future__ import annotations

import time


class BlockingPace:
    """For threads."""

    def now(self) -> float:
        return time.monotonic()

    async def pause(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - this is the blocking one


class AwaitingPace:
    """For the tasks of an event loop."""

    def now(self) -> float:
        return time.monotonic()

    async def pause(self, seconds: float) -> None:
        import asyncio  # noqa: PLC0415 - blocking code never loads it

        await asyncio.sleep(seconds)
