"""How long something is tried again, and how quickly."""

from __future__ import annotations

import asyncio
import time
from random import uniform
from typing import Final

SHORT: Final = 0.02
"""Seconds between tries, at most, when others were first: they are done soon."""
LONG: Final = 0.25
"""Seconds between tries, at most, when nobody answers."""


class Patience:
    """Runs out after some seconds."""

    def __init__(self, seconds: float) -> None:
        self._deadline, self._pause = time.monotonic() + seconds, 0.001

    @property
    def is_over(self) -> bool:
        """Whether it ran out."""
        return time.monotonic() > self._deadline

    async def rest(self, longest: float = LONG) -> None:
        """Wait, longer each time, and not as long as others who began to wait now."""
        await asyncio.sleep(uniform(0.5, 1.0) * min(self._pause, longest))  # noqa: S311 - it only has to differ
        self._pause = min(2 * self._pause, LONG)
