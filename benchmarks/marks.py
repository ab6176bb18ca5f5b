"""Marks: what a figure should reach, beside others of the same run, and whether it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Literal

from benchmarks.neighbours import IN_PYTHON

Figures = Sequence[float]
"""One of each round."""

ACKNOWLEDGED = "every acknowledged event is there, in order, and no update was lost"
"""The verdict over a run that wrote."""


@dataclass(frozen=True)
class Mark:
    """At least so many times as good as something else. "within": a time at most so many times another; "limit": at most this.

    "beside" and "within" are held against Refold itself at other work, which `what` names.
    """

    value: float
    than: Literal["raw", "peer", "python peer", "beside", "within", "limit"]
    what: str = ""


@dataclass(frozen=True)
class Row:
    """What came of one piece of work: a figure of each round, of each who did it; and what any of them lost or failed at."""

    work: str
    what: str
    store: str
    unit: str
    refold: Figures = ()
    raw: Figures = ()
    peers: Mapping[str, Figures] = field(default_factory=dict[str, Figures])
    beside: Figures = ()
    marks: Sequence[Mark] = ()
    wrong: Mapping[str, str] = field(default_factory=dict[str, str])
    verdict: str = ACKNOWLEDGED

    @property
    def less_is_better(self) -> bool:
        """Whether it is a time or a size, or else a rate."""
        return not self.unit.endswith("/s")

    @property
    def of_raw(self) -> float | None:
        """How many times as good as the raw limit."""
        return self._better_than(self.raw)

    @property
    def of_best_peer(self) -> float | None:
        """How many times as good as the best of the peers."""
        return self._better_than(self._best(self.peers))

    @property
    def mark(self) -> str | None:
        """The marks, in words."""
        return "; ".join(map(self._in_words, self.marks)) or None

    @property
    def met(self) -> bool | None:
        """Whether every mark is reached; unknown if one has nothing to be held against here."""
        if not self.refold:
            return False if self.marks and self.wrong.get("refold") else None
        each = [self._met(mark) for mark in self.marks]
        return False if False in each else None if None in each or not each else True

    def _met(self, mark: Mark) -> bool | None:
        if mark.than == "limit":
            return median(self.refold) <= mark.value
        ratio = self._better_than(self._others(mark))
        return None if ratio is None else ratio >= (1 / mark.value if mark.than == "within" else mark.value)

    def _others(self, mark: Mark) -> Figures:
        match mark.than:
            case "raw":
                return self.raw
            case "beside" | "within":
                return self.beside
            case "python peer":
                return self._best({name: each for name, each in self.peers.items() if name in IN_PYTHON})
            case _:
                return self._best(self.peers)

    def _in_words(self, mark: Mark) -> str:
        if mark.than == "limit":
            return f"<= {mark.value:g} {self.unit}"
        if mark.than == "raw":
            return f">= {mark.value:g} of raw"
        if mark.than in {"peer", "python peer"}:
            return f">= {mark.value:g} x the best {mark.than.replace('python', 'Python')}"
        beside = f" ({shown(median(self.beside))})" if self.beside else ""
        return f"{'within' if mark.than == 'within' else '>='} {mark.value:g} x {mark.what}{beside}"

    def _best(self, peers: Mapping[str, Figures]) -> Figures:
        figures = [each for each in peers.values() if each]
        best: Callable[..., Figures] = min if self.less_is_better else max
        return best(figures, key=median) if figures else ()

    def _better_than(self, others: Figures) -> float | None:
        if not others or not self.refold:
            return None
        ours, theirs = median(self.refold), median(others)
        above, below = (theirs, ours) if self.less_is_better else (ours, theirs)
        return above / below if below else None

    def as_json(self) -> Mapping[str, object]:
        """For `results/latest.json`."""
        return {
            "work": self.work,
            "store": self.store,
            "unit": self.unit,
            "refold": spread(self.refold),
            "raw": spread(self.raw),
            "peers": {name: spread(figures) for name, figures in self.peers.items() if figures},
            "of_raw": _rounded(self.of_raw),
            "of_best_peer": _rounded(self.of_best_peer),
            "mark": self.mark,
            "met": self.met,
            "verdict": "; ".join([*([self.verdict] if self.refold else []), *_complaints(self.wrong)]),
        }


def _complaints(wrong: Mapping[str, str]) -> Sequence[str]:
    return [f"{name}: {what}" for name, what in wrong.items()]


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 2)


def spread(figures: Figures) -> Sequence[float] | None:
    """The least, the median and the most, to four digits; None without any."""
    if not figures:
        return None
    return [float(f"{each:.4g}") for each in (min(figures), median(figures), max(figures))]


def shown(figure: float) -> str:
    """A figure for people: three digits are enough."""
    if figure >= 9_999.5:
        return f"{figure / 1e3:.0f}k" if figure >= 99_950 else f"{figure / 1e3:.1f}k"
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"


def percentile(values: Sequence[float], hundredth: int) -> float:
    """The value that so many of a hundred do not exceed."""
    if len(values) < 2:
        return values[0]
    return quantiles(values, n=100, method="inclusive")[hundredth - 1]
