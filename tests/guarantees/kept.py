"""What came of long forms, with the day and the minutes of each: they take hours, and seldom run together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

import msgspec
from tests.guarantees.outcomes import Run

FILE: Final = Path(__file__).with_name("long.json")


class Kept(msgspec.Struct, frozen=True):
    """What came of one long test, when it ran last."""

    day: date
    minutes: float
    outcome: str
    figures: tuple[str, ...]


def kept() -> Mapping[str, Kept]:
    """All, by the names of their tests."""
    return msgspec.json.decode(FILE.read_bytes(), type=dict[str, Kept]) if FILE.exists() else {}


def keep(run: Run, day: date) -> None:
    """Keep what came of the long forms in a run, in the place of what came of them before."""
    came = {
        outcome.test: Kept(day, round(outcome.seconds / 60, 1), outcome.outcome, outcome.figures)
        for outcome in run.outcomes
        if outcome.long and outcome.outcome != "skipped"
    }
    text = msgspec.json.format(msgspec.json.encode({**kept(), **came}, order="sorted"))
    FILE.write_bytes(text + b"\n")
