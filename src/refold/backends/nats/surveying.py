"""What a store on JetStream holds: streams, counts, and damage."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence

from refold.backends.nats.answering import Json
from refold.backends.nats.foundation import problems
from refold.backends.nats.identities import Identities
from refold.backends.nats.log import Log
from refold.backends.nats.stored import Found, brief_of, event_of, tick_of
from refold.backends.nats.subjects import Subjects
from refold.backends.nats.ticking import Ticks
from refold.clock import FIRST, LAST, as_datetime
from refold.ports import NO_TIME, PAGE, Damage, Stats, StreamInfo


class Survey:
    """The surveys of one store."""

    def __init__(self, log: Log, subjects: Subjects, ticks: Ticks, ids: Identities) -> None:
        self._log, self._subjects, self._ticks, self._ids = log, subjects, ticks, ids
        self._names: tuple[str, str, list[str]] = "", "", []

    async def info(self, subjects: str | None = None, offset: int = 0) -> Json:
        """What the leader says of the stream, with the counts of the subjects that a wildcard takes in."""
        asked: dict[str, object] = {"subjects_filter": subjects, "offset": offset} if subjects else {}
        return await self._log.api(f"STREAM.INFO.{self._log.name}", asked)

    async def streams(self, after: str, prefix: str, limit: int) -> Sequence[StreamInfo]:
        """A page of streams by name."""
        asked_before, last, known = self._names
        if not after or (asked_before, last) != (prefix, after):  # it is no next page
            counts = await self._counts(self._within(prefix))
            known = sorted(name for name in counts if name.startswith(prefix))
        names = [name for name in known if name > after][:limit]
        self._names = prefix, names[-1] if names else after, known
        return await self._described(names)

    def _within(self, prefix: str) -> str:
        category, dash, _ = prefix.partition("-")
        return self._subjects.category(category) if dash and category else self._subjects.events

    async def _counts(self, subjects: str) -> Counter[str]:
        found: Counter[str] = Counter()
        while True:
            said = await self.info(subjects, len(found))
            page: dict[str, int] = said["state"].get("subjects") or {}
            found.update({self._subjects.name_of(subject): count for subject, count in page.items()})
            if not page or len(found) >= said.get("total", 0):
                return found

    async def _described(self, names: Sequence[str]) -> list[StreamInfo]:
        subjects = [self._subjects.stream(name) for name in names]
        firsts = await asyncio.gather(*(self._log.following(subject, 1) for subject in subjects))
        lasts = await asyncio.gather(*(self._log.last(subject) for subject in subjects))
        ends = {one.sequence: one for one in (*firsts, *lasts) if one}
        times = dict(zip(sorted(ends), await self._ticks.of([ends[one] for one in sorted(ends)]), strict=True))
        return [
            StreamInfo(
                name,
                brief_of(last.body).version,
                last.sequence,
                as_datetime(times[first.sequence]),
                as_datetime(times[last.sequence]),
            )
            for name, first, last in zip(names, firsts, lasts, strict=True)
            if last
        ]

    async def stats(self) -> Stats:
        """Counts; those of types by reading through the log."""
        counts = await self._counts(self._subjects.events)
        categories: Counter[str] = Counter()
        for name, count in counts.items():
            categories[name.partition("-")[0]] += count
        last = await self._log.last(self._subjects.events)
        ends = await self._ticks.of([await self._log.following(self._subjects.events, 1), last]) if last else []
        return Stats(
            events=counts.total(),
            streams=len(counts),
            types=Counter([brief_of(one.body).type async for one in self._all(self._subjects.events, 1)]),
            categories=categories,
            head=last.sequence if last else 0,
            first_recorded_at=as_datetime(ends[0]) if ends else None,
            last_recorded_at=as_datetime(ends[1]) if ends else None,
            bytes=(await self.info())["state"]["bytes"],
        )

    async def _all(self, subject: str, low: int, high: int | None = None) -> AsyncIterator[Found]:
        last = await self._log.last(subject)
        top = min(last.sequence if last else 0, high or (1 << 62))
        while low <= top and (part := await self._log.stretch(subject, low, top, PAGE)):
            for one in part:
                yield one
            low = part[-1].sequence + 1

    async def damages(self, after: int, limit: int) -> Sequence[Damage]:
        """What is wrong: with the stream as a whole when `after` is 0, and with the next `limit` positions."""
        found: list[Damage] = []
        if after == 0:
            said = await self.info()
            found += [Damage(None, problem) for problem in problems(said["config"])]
        newest = await self._log.last(self._subjects.all)  # before the rest is read: others may be writing
        top = min(after + limit, newest.sequence if newest else 0)
        messages = [one async for one in self._all(self._subjects.all, after + 1, top)]
        found += _holes(messages, after, top)
        found += await self._unsound(messages)
        found += await self._ticks_back(messages)
        return sorted(found, key=lambda one: one.position or 0)

    async def _unsound(self, messages: Sequence[Found]) -> list[Damage]:
        """Events whose versions do not follow the one before them in their stream, or whose times are none."""
        found: list[Damage] = []
        before: dict[str, int] = {}
        for place, one in enumerate(messages):
            if not one.subject.startswith(f"{self._subjects.root}e."):
                continue
            event = event_of(one.body)
            version = event.version
            if event.valid_at is not None and not FIRST <= event.valid_at <= LAST:
                found.append(Damage(one.sequence, NO_TIME))
            if one.subject not in before:
                last = await self._last_before(messages, place)
                before[one.subject] = brief_of(last.body).version if last else 0
            if version != before[one.subject] + 1:
                name = self._subjects.name_of(one.subject)
                problem = f"version {version} of stream {name} does not follow version {version - 1}"
                found.append(Damage(one.sequence, problem))
            before[one.subject] = version
        return found

    async def _ticks_back(self, messages: Sequence[Found]) -> list[Damage]:
        found: list[Damage] = []
        at: int | None = None
        for place, one in enumerate(messages):
            if one.subject != self._subjects.clock:
                continue
            if at is None:
                last = await self._last_before(messages, place)
                at = tick_of(last.body).at if last else 0
            if tick_of(one.body).at < at:
                found.append(Damage(one.sequence, "its time is before that of the tick before it"))
            at = tick_of(one.body).at
        return found

    async def _last_before(self, messages: Sequence[Found], place: int) -> Found | None:
        """The last message of the same subject before it, from a replica that has what stands just before it."""
        one = messages[place]
        beside = (
            messages[place - 1 : place] if place else await self._log.at(range(max(one.sequence - 1, 1), one.sequence))
        )
        return (await self._log.lasts([one.subject], beside[0])).get(one.subject) if beside else None


def _holes(messages: Sequence[Found], after: int, top: int) -> Iterator[Damage]:
    """JetStream removes nothing from this stream, so a sequence that is not there was lost or taken away."""
    there = {one.sequence for one in messages}
    for sequence in range(after + 1, top + 1):
        if sequence not in there:
            yield Damage(sequence, "the message that stood here is missing")
