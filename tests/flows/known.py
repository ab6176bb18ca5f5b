"""What flows run with where a state of some fold is known in this process."""

from __future__ import annotations

from typing import Any

from refold.clock import SystemClock
from refold.codec import Codec
from refold.flows.prepare import Runtime
from refold.flows.shortcuts import Saving, Shortcut, Standing, StateCache
from refold.fold import Fold
from refold.snapshot import Snapshots


class Ticking(SystemClock):
    """Each look at it is so many microseconds after the one before."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self._step, self._now = step, 0

    def now(self) -> int:
        self._now += self._step
        return self._now


def knowing(
    fold: Fold[Any, Any],
    stream: str,
    standing: Standing[Any] | None,
    policy: Snapshots | None = None,
    *,
    verifying: bool = False,
    step: int = 5,
) -> Runtime:
    """Of one stream that, and of all others nothing."""
    cache = StateCache(8)
    if standing is not None:
        cache.learn(stream, standing)
    shortcut = Shortcut(None if policy is None else Saving(fold, policy), cache)
    return Runtime(Codec(), Ticking(step), shortcuts={fold: shortcut}, verifying=verifying)
