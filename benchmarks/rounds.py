"""Rounds in turn, after a warm-up that also tells how much each can do in the time that a run may take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.marks import ACKNOWLEDGED, Figures, Mark, Row, percentile
from benchmarks.measuring import Clock, Lost, Run
from benchmarks.neighbours import Failed

Figure = Callable[[int, Clock], float]
"""Of what a run took, from its units and its clock."""


@dataclass(frozen=True)
class View:
    """A figure that is taken of each run, and its marks."""

    unit: str
    figure: Figure
    marks: Sequence[Mark] = ()
    beside_raw: bool = True


def rate(unit: str, *marks: Mark) -> View:
    """Units a second."""
    return View(f"{unit}/s", lambda units, clock: units / clock.seconds, marks)


def each(*marks: Mark) -> View:
    """Milliseconds of each unit, on average."""
    return View("ms", lambda units, clock: clock.seconds / units * 1e3, marks)


def quantile(hundredth: int, *, beside_raw: bool = True) -> View:
    """Milliseconds that so many of a hundred calls did not exceed. Not `beside_raw`, if that has fewer clients."""

    def figure(_: int, clock: Clock) -> float:
        return percentile(clock.laps, hundredth) * 1e3

    return View(f"ms p{hundredth}", figure, beside_raw=beside_raw)


@dataclass(frozen=True)
class Work:
    """What is done, who does it, between how many and how many times in one run, and what is looked at."""

    name: str
    what: str
    store: str
    least: int
    most: int
    views: Sequence[View]
    refold: Run
    raw: Run | None = None
    beside: Run | None = None
    peers: Mapping[str, Run] = field(default_factory=dict[str, Run])
    verdict: str = ACKNOWLEDGED

    @property
    def runs(self) -> Mapping[str, Run]:
        """Who takes part, in the order of their turns."""
        others = {"raw": self.raw, "beside": self.beside}
        return {"refold": self.refold, **{name: run for name, run in others.items() if run}, **self.peers}


@dataclass(frozen=True)
class Pace:
    """How many rounds count, and how many seconds one run may take."""

    rounds: int
    seconds: float


def measured(work: Work, pace: Pace, place: Callable[[], str]) -> Sequence[Row]:
    """A row of each view. Whoever loses anything in any round, or fails, has no figures, and it is said why."""
    wrong: dict[str, str] = {}
    sizes = dict.fromkeys(work.runs, work.least)
    taken: dict[str, list[tuple[int, Clock]]] = {name: [] for name in work.runs}
    for number in range(pace.rounds + 1):
        for name, run in work.runs.items():
            if name in wrong:
                continue
            clock = Clock()
            try:
                units = run(place(), clock, sizes[name])
            except (Lost, Failed) as error:
                wrong[name] = str(error)
                continue
            if number:
                taken[name].append((units, clock))
            else:
                sizes[name] = _fitting(work, sizes[name], clock.seconds, pace.seconds)
    return [_row(work, view, taken, wrong) for view in work.views]


def _fitting(work: Work, size: int, took: float, seconds: float) -> int:
    return max(work.least, min(work.most, int(size * seconds / max(took, 1e-6))))


def _row(work: Work, view: View, taken: Mapping[str, Sequence[tuple[int, Clock]]], wrong: Mapping[str, str]) -> Row:
    figures: dict[str, Figures] = {
        name: [] if name in wrong else [view.figure(units, clock) for units, clock in runs]
        for name, runs in taken.items()
    }
    return Row(
        work.name, work.what, work.store, view.unit, figures["refold"],
        figures.get("raw", ()) if view.beside_raw else (),
        {name: figures[name] for name in work.peers}, figures.get("beside", ()), view.marks, wrong, work.verdict,
    )  # fmt: skip
