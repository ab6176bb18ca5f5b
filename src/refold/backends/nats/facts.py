"""What this process knows of the last message of each subject: so that the usual append asks nothing before it writes.

It may be behind. The server checks every sequence that is relied on, so that costs a retry and nothing else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from refold.backends.nats.log import Log
from refold.backends.nats.stored import Found, brief_of, guard_of, outcome_at, tick_of
from refold.backends.nats.subjects import Subjects
from refold.ports import Outcome

KNOWN: Final = 100_000
"""Of how many subjects something is kept in mind."""


class Fact(Struct, frozen=True):
    """The last message of a subject: its sequence, 0 if there is none, and what it says.

    `value` is the version of a stream, the last position of a tag, or the time of the clock.
    """

    sequence: int
    value: int
    outcome: Outcome | None = None


NOTHING: Final = Fact(0, 0)


class Facts:
    """The facts of one store."""

    def __init__(self, log: Log, subjects: Subjects) -> None:
        self._log, self._subjects = log, subjects
        self._known: OrderedDict[str, Fact] = OrderedDict()
        self._places: OrderedDict[tuple[str, int], int] = OrderedDict()

    def __getitem__(self, subject: str) -> Fact:
        return self._known.get(subject, NOTHING)

    def note(self, subject: str, sequence: int, value: int, outcome: Outcome | None = None) -> None:
        """Keep in mind what the last message of a subject says, if it is later than what is known."""
        if sequence >= self[subject].sequence:
            self._known[subject] = Fact(sequence, value, outcome)
            self._known.move_to_end(subject)
            if len(self._known) > KNOWN:
                self._known.popitem(last=False)

    def note_place(self, subject: str, version: int, sequence: int) -> None:
        """Keep in mind where a version of a stream stands."""
        self._places[subject, version] = sequence
        if len(self._places) > KNOWN:
            self._places.popitem(last=False)

    def place(self, subject: str, version: int) -> int | None:
        """Where a version of a stream stands, if that is in mind."""
        return self._places.get((subject, version))

    async def ensure(self, subjects: Iterable[str]) -> None:
        """Ask for what is not known."""
        if missing := [subject for subject in subjects if subject not in self._known]:
            await self.learn(missing)

    async def learn(self, subjects: Iterable[str]) -> Mapping[str, Fact]:
        """Ask for what is so now: of all subjects at the same moment."""
        newest = await self._log.last(self._subjects.all)
        return await self.as_of(subjects, newest) if newest else dict.fromkeys(subjects, NOTHING)

    async def as_of(self, subjects: Iterable[str], newest: Found) -> Mapping[str, Fact]:
        """Ask for what was so when that message was the last."""
        asked = [*dict.fromkeys(subjects)]
        found = await self._log.lasts(asked, newest)
        for one in found.values():
            self.hear(one)
        for subject in asked:
            self._known.setdefault(subject, NOTHING)
        return {subject: self._fact(found[subject]) if subject in found else NOTHING for subject in asked}

    def hear(self, found: Found) -> None:
        """Take in a message that is the last of its subject, or was."""
        fact = self._fact(found)
        self.note(found.subject, fact.sequence, fact.value, fact.outcome)
        if found.subject.startswith(f"{self._subjects.root}e."):
            self.note_place(found.subject, fact.value, fact.sequence)

    def _fact(self, found: Found) -> Fact:
        kind = found.subject.removeprefix(self._subjects.root).partition(".")[0]
        match kind:
            case "e":
                return Fact(found.sequence, brief_of(found.body).version)
            case "t":
                return Fact(found.sequence, found.position(max(guard_of(found.body).events)))
            case "clock":
                return Fact(found.sequence, tick_of(found.body).at)
            case "k":
                return Fact(found.sequence, 0, outcome_at(found))
            case _:
                return Fact(found.sequence, 0)
