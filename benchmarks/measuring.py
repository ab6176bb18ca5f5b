"""One run of one piece of work: its time, the time of each call, and how it was found to be whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

Place: TypeAlias = tuple[int, str, int]
"""Where an event stands: its position in the store, its stream, its version in that."""


class Lost(AssertionError):
    """A store is not as it said it would be. The sentence says what is missing."""


@dataclass
class Clock:
    """The time between `with` and its end, and nothing of the set-up around it; and of each call that is timed alone."""

    seconds: float = 0.0
    laps: list[float] = field(default_factory=list[float])

    @contextmanager
    def running(self) -> Generator[None]:
        """Count this."""
        start = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - start

    @staticmethod
    def now() -> float:
        """When a call begins, for `lap`."""
        return time.perf_counter()

    def lap(self, start: float) -> None:
        """A call that began then has ended."""
        self.laps.append(time.perf_counter() - start)


Run: TypeAlias = Callable[[str, Clock, int], int]
"""Does so much work at a place, a URL, and says how many units it did, all of which it has seen in the store; else `Lost`."""


def judge(
    acknowledged: Iterable[tuple[str, int]], stored: Iterable[Place], tailed: Iterable[Place] | None = None
) -> None:
    """The verdict over a run.

    It is of what was acknowledged, by stream and version; of what a read of everything finds afterwards; and of what a
    reader beside the writers was given.

    Raises:
        Lost: an event that was acknowledged is missing or there twice, positions do not rise, versions have holes, two
            writers were told that they wrote the same version, or the reader was not given what is there.
    """
    told = list(acknowledged)
    known = set(told)
    if len(known) < len(told):
        raise Lost(f"{len(told) - len(known)} of {len(told)} updates were lost: two writers wrote one version")
    found = in_order(stored)
    if missing := len(known - set(found)):
        raise Lost(f"{missing} of {len(told)} acknowledged events are not in the store")
    if tailed is not None and (skipped := len(set(found) - set(in_order(tailed)))):
        raise Lost(f"{skipped} of {len(found)} events never reached the reader beside the writers")


def in_order(places: Iterable[Place]) -> list[tuple[str, int]]:
    """Streams and versions of events, as they were read.

    Raises:
        Lost: their positions do not rise, or the versions of a stream have holes.
    """
    versions: dict[str, int] = {}
    found: list[tuple[str, int]] = []
    last = -1
    for position, stream, version in places:
        if position <= last:
            raise Lost(f"position {position} was read after {last}")
        if stream in versions and version != versions[stream] + 1:
            raise Lost(f"version {version} of a stream was read after {versions[stream]}")
        versions[stream], last = version, position
        found.append((stream, version))
    return found
