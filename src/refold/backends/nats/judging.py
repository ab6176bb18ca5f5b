"""Judging an append: whether it was written before, and what of all that it expects is not so."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from refold.backends.nats.facts import Fact
from refold.backends.nats.identities import Identities
from refold.backends.nats.planning import guarded
from refold.backends.nats.reading import Reading
from refold.backends.nats.stored import Found
from refold.backends.nats.subjects import Subjects
from refold.ports import PAGE, Append, Appended, Check, Failure, QueryMatched, StreamCheck, StreamMoved
from refold.query import AppendCondition, ExpectedVersion, holds
from refold.repeats import repeated


class Seen(Struct, frozen=True):
    """What an append is judged by: `facts` of the subjects that it needs, and the last sequences of its `old` ids' buckets.

    `is_fresh`: all facts are as they were when `newest` was the last message of all, none if there was none. Else they are
    what this process has in mind, and nobody is told a conflict by them.
    """

    facts: Mapping[str, Fact]
    old: Mapping[str, int]
    is_fresh: bool
    newest: Found | None

    @property
    def end(self) -> int:
        """The last position of all, where that is known: of fresh facts."""
        return self.newest.sequence if self.newest else 0


class Judge:
    """Judges the appends to one store."""

    def __init__(self, subjects: Subjects, ids: Identities, reading: Reading) -> None:
        self._subjects, self._ids, self._reading = subjects, ids, reading

    async def first(self, append: Append, *, asked: bool) -> Appended | None:
        """What came of it when it was written before, if it was; of fresh ids only if the server is to be `asked`."""
        standing = await self._ids.standing(append, asked=asked)
        return repeated(append, await self._reading.as_rows(standing)) if standing else None

    async def failures(self, append: Append, seen: Seen) -> list[Failure]:
        """All that does not hold."""
        checks: list[Check] = [StreamCheck(write.stream, write.expected) for write in append.writes]
        return [failure for check in (*checks, *append.checks) if (failure := await self._failure(check, seen))]

    async def _failure(self, check: Check, seen: Seen) -> Failure | None:
        if isinstance(check, AppendCondition):
            lasts = self._lasts(check, seen)
            last = await self._reading.last_match(check.query, check.after, lasts) if lasts else 0
            return QueryMatched(check, last) if last > check.after else None
        actual = seen.facts[self._subjects.stream(check.stream)].value
        return None if holds(check.expected, actual) else await self._moved(check.stream, check.expected, actual)

    def _lasts(self, condition: AppendCondition, seen: Seen) -> Mapping[str, int]:
        """How far to look for what matches: where those messages stand that the append will be held to. Empty: nothing moved."""
        tags = guarded(condition)
        if tags is None:
            return {self._subjects.all: seen.end}
        facts = {subject: seen.facts[subject] for subject in map(self._subjects.tag, tags)}
        if all(fact.value <= condition.after for fact in facts.values()):
            return {}
        return {subject: fact.sequence for subject, fact in facts.items() if fact.sequence}

    async def _moved(self, stream: str, expected: ExpectedVersion, actual: int) -> StreamMoved:
        if not isinstance(expected, int):
            return StreamMoved(stream, expected, actual)
        tail = tuple(await self._reading.payloads(stream, expected, actual)) if expected < actual else ()
        return StreamMoved(stream, expected, actual, tail, len(tail) < PAGE)


def of_the_whole(append: Append) -> bool:
    """Whether only the end of the whole store can hold a condition."""
    return any(isinstance(check, AppendCondition) and guarded(check) is None for check in append.checks)
