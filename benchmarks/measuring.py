"""Rounds in turn, after a warm-up, each with its verdict; the median of each with its smallest and largest."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import TypeAlias


@dataclass
class Clock:
    """The time between `with` and its end, and nothing of the set-up around it."""

    seconds: float = 0.0

    @contextmanager
    def running(self) -> Generator[None]:
        """Count this."""
        start = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - start


Run: TypeAlias = Callable[[str, Clock], int]
"""Does the work at a place (a URL or a path), and says how many units it did, all of which it has seen in the store."""


@dataclass(frozen=True)
class Work:
    """One row: what is done, by Refold and by hand."""

    name: str
    what: str
    store: str
    unit: str
    mark: float | None
    refold: Run
    raw: Run | None = None


@dataclass(frozen=True)
class Row:
    """What came of one row: units a second of each round."""

    work: Work
    refold: Sequence[float]
    raw: Sequence[float] = field(default=())

    @property
    def of_raw(self) -> float | None:
        """The ratio of the medians."""
        return median(self.refold) / median(self.raw) if self.raw else None

    @property
    def met(self) -> bool | None:
        """Whether the mark is reached."""
        return None if self.of_raw is None or self.work.mark is None else self.of_raw >= self.work.mark

    def as_json(self) -> Mapping[str, object]:
        """For `results/latest.json`."""
        return {
            "work": self.work.name,
            "what": self.work.what,
            "store": self.work.store,
            "unit": self.work.unit,
            "refold": _spread(self.refold),
            "raw": _spread(self.raw) if self.raw else None,
            "of_raw": None if self.of_raw is None else round(self.of_raw, 2),
            "mark": None if self.work.mark is None else f">= {self.work.mark:g} of raw",
            "met": self.met,
            "verdict": "every acknowledged event was read back, in order",
        }


def _spread(figures: Sequence[float]) -> list[int]:
    return [round(min(figures)), round(median(figures)), round(max(figures))]


def measured(work: Work, rounds: int, place: Callable[[], str]) -> Row:
    """Run both in turn, `rounds` times after one that does not count."""
    refold: list[float] = []
    raw: list[float] = []
    for number in range(rounds + 1):
        for run, figures in ((work.refold, refold), (work.raw, raw)):
            if run is not None:
                figure = _once(run, place())
                if number:
                    figures.append(figure)
    return Row(work, refold, raw)


def _once(run: Run, place: str) -> float:
    clock = Clock()
    return run(place, clock) / clock.seconds
