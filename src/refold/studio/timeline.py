"""The ticks of a history: one a version as long as they fit, else some of them, evenly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct

TICKS: Final = 60
LABELS: Final = 12
"""Versions up to which each tick has its label."""
Side: TypeAlias = Literal["above", "below"]


class Tick(Struct, frozen=True):
    """A version: where it stands to the one that is looked at, and its label, if it has one."""

    version: int
    label: str
    side: Side
    when: Literal["past", "now", "future"]


class Timeline(Struct, frozen=True):
    """The ticks, and whether every version has one."""

    ticks: Sequence[Tick]
    is_whole: bool


def timeline(head: int, at: int, types: Mapping[int, str]) -> Timeline:
    """The ticks of a stream up to version `head`; `types` are those of the events whose versions may be labelled."""
    versions = sorted({*_sampled(head), at})
    labelled = head <= LABELS
    ticks = [
        Tick(
            version,
            _label(version, types) if labelled or version in {0, at, head} else "",
            "below" if index % 2 else "above",
            "now" if version == at else "past" if version < at else "future",
        )
        for index, version in enumerate(versions)
    ]
    return Timeline(ticks, head < TICKS)


def _sampled(head: int) -> Sequence[int]:
    if head < TICKS:
        return range(head + 1)
    return [round(head * index / (TICKS - 1)) for index in range(TICKS)]


def _label(version: int, types: Mapping[int, str]) -> str:
    return "empty" if version == 0 else types.get(version, f"v{version}")
