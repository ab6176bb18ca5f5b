"""Comparing: what the process decided beside what the office did, and why they differ where they do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal, TypeAlias

from examples.fines.facts import AppealMade
from examples.fines.office import What
from examples.fines.shadow import Case

WHATS: Final[tuple[What, ...]] = ("notice", "penalty", "collection")

Kind: TypeAlias = Literal[
    "dismissed", "paid already", "appeal pending", "paid without the penalty", "paid after the day"
]
WHY: Final[Mapping[Kind, str]] = {
    "dismissed": "The first event already marks the fine as dismissed, without a date: the process knows it too early.",
    "paid already": "The fine was paid in full weeks before. The office sent a notice nevertheless.",
    "appeal pending": "The process adds nothing while an appeal is pending. The office did, and then took the fine without it.",
    "paid without the penalty": "What was owed before the penalty came late, or in two parts. The office let the penalty go.",
    "paid after the day": "All was paid, penalty included, but after the process's day. The office had not come to it.",
}
"""What the data show about each kind of difference."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of one decision: how many fines it was taken for by both, by one alone, by none.

    `same_day`: of those by both; `days`: by how many the office was later for the others.
    """

    what: What
    both: int
    same_day: int
    days: tuple[int, ...]
    only_office: int
    only_process: int
    neither: int

    @property
    def lateness(self) -> str:
        """How much later the office was."""
        return f"{median(self.days):.0f} days, up to {max(self.days)}" if self.days else ""


def agreements(cases: Iterable[Case]) -> Sequence[Agreement]:
    """For each decision."""
    known = list(cases)
    return [_agreement(what, known) for what in WHATS]


def _agreement(what: What, cases: Sequence[Case]) -> Agreement:
    ours, theirs = ({case.name for case in cases if what in one(case)} for one in (_ours, _theirs))
    late = [(case.theirs[what] - case.ours[what]).days for case in cases if case.name in ours & theirs]
    return Agreement(
        what, len(ours & theirs), late.count(0), tuple(sorted(days for days in late if days)), len(theirs - ours),
        len(ours - theirs), len(cases) - len(ours | theirs),
    )  # fmt: skip


def _ours(case: Case) -> Iterable[What]:
    return case.ours


def _theirs(case: Case) -> Iterable[What]:
    return case.theirs


def differences(cases: Iterable[Case]) -> Mapping[tuple[What, Kind], Sequence[str]]:
    """The fines that the process and the office decided otherwise about, by the decision and the kind of difference."""
    found: dict[tuple[What, Kind], list[str]] = {}
    for case in cases:
        for what in WHATS:
            if (what in case.ours) != (what in case.theirs):
                found.setdefault((what, _kind(case, what)), []).append(case.name)
    return found


def _kind(case: Case, what: What) -> Kind:
    end = case.fine()
    if what == "collection":
        return "paid after the day" if end.is_settled else "paid without the penalty"
    if end.dismissed:
        return "dismissed"
    return "appeal pending" if case.day(AppealMade) is not None else "paid already"
