"""What is told of a run: of each room how many of its mutants were killed, and what those that survived change."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeAlias

from tests.mutation.core import MARK, ROOMS
from tests.mutation.planting import ROOT

PAGE: Final = ROOT / "docs" / "explanation" / "mutation.md"
BEGIN, END = "<!-- written by `make mutation ARGS=--page` -->", "<!-- until here -->"
KILLED: Final = frozenset({"killed", "hung"})
"""A test failed, or never came to its end: somebody would see it."""


@dataclass(frozen=True, slots=True)
class Score:
    """Of one room; `when` it was reached, and by which source."""

    room: str
    mutants: int
    killed: int
    when: str = ""
    source: str = ""

    @property
    def is_below_the_mark(self) -> bool:
        return self.killed * 100 < self.mutants * MARK

    def __str__(self) -> str:
        return f"{self.room}: {self.killed} of {self.mutants} killed, {self.percent}"

    @property
    def percent(self) -> str:
        """Rounded down, so that it is not said to be at the mark before it is."""
        return f"{self.killed * 100 // self.mutants} %"


Scores: TypeAlias = Sequence[Score]


def source_of(room: str) -> str:
    """A digest of the room as it stands: a score holds for just this text."""
    return sha256((ROOT / "src" / "refold" / f"{room}.py").read_bytes()).hexdigest()


def score_of(room: str, found: Mapping[str, str], when: date | None = None) -> Score:
    """What came of a room's mutants, in numbers."""
    return Score(
        room, len(found), sum(verdict in KILLED for verdict in found.values()), f"{when or ''}", source_of(room)
    )


def survivors(found: Mapping[str, str], changes: Mapping[str, str]) -> str:
    """What survived, and what it changes."""
    living = (f"{mutant} {said}\n{changes[mutant]}\n" for mutant, said in found.items() if said not in KILLED)
    return "\n".join(living)


def kept(scores: Scores, file: Path) -> Scores:
    """All that is known by now: these scores beside those of earlier runs, of the rooms that have not changed since."""
    earlier = [Score(**score) for score in json.loads(file.read_text("utf-8"))] if file.exists() else []
    known = {score.room: score for score in (*earlier, *scores)}
    current = [known[room] for room in ROOMS if room in known and known[room].source == source_of(room)]
    file.write_text(json.dumps([asdict(score) for score in current], indent=1), "utf-8")
    return current


def table(scores: Scores) -> Iterator[str]:
    """As Markdown, with all of them at its end."""
    yield "| room | mutants | killed | | last run |"
    yield "|---|--:|--:|--:|---|"
    for score in (*scores, Score("all", sum(s.mutants for s in scores), sum(s.killed for s in scores))):
        yield f"| {score.room} | {score.mutants:,} | {score.killed:,} | {score.percent} | {score.when} |"


def written(scores: Scores) -> None:
    """Put the table into its page, in place of the one before."""
    head, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    told = "\n".join([BEGIN, "", *table(scores), "", END])
    PAGE.write_text(head + told + rest.partition(END)[2], "utf-8")
