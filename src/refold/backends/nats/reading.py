"""Pages of events out of the log: by stream, by category, by tag, or by reading through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from refold.backends.nats.facts import Facts
from refold.backends.nats.log import Log
from refold.backends.nats.stored import Found, brief_of, event_of, guard_of, payload_of, row_of
from refold.backends.nats.subjects import Subjects
from refold.backends.nats.ticking import Ticks
from refold.ports import PAGE, InCategory, InStory, InStream, Matching, Selection
from refold.query import Query
from refold.rows import Payload, Row

END: Final = (1 << 62) - 1
LANES: Final = 100
"""A query of more tags than this is answered by reading through the log."""
WINDOW: Final = 4_096
"""How many positions are looked at in one go, backwards, at most."""
_BATCH: Final = 10_000
"""No batch is longer, so a tag's guard stands no farther than this behind its events."""

Wanted: TypeAlias = Callable[[Found], bool]
_tags = msgspec.json.Decoder(frozenset[str]).decode


class Reading:
    """The reads of one store."""

    def __init__(self, log: Log, subjects: Subjects, facts: Facts, ticks: Ticks) -> None:
        self._log, self._subjects, self._facts, self._ticks = log, subjects, facts, ticks

    async def rows(self, selection: Selection) -> Sequence[Row]:
        """A page of whole events."""
        return await self.as_rows(await self._page(selection))

    async def as_rows(self, found: Sequence[Found]) -> list[Row]:
        """What these messages stand for, in their order."""
        rising = sorted(found, key=lambda one: one.sequence)
        times = dict(zip((one.sequence for one in rising), await self._ticks.of(rising), strict=True))
        return [row_of(one, self._subjects.name_of(one.subject), times[one.sequence]) for one in found]

    async def payloads(self, stream: str, after: int, until: int | None) -> Sequence[Payload]:
        """A page of what a fold needs."""
        return [payload_of(one) for one in await self._versions(stream, after, END if until is None else until, PAGE)]

    async def last_match(self, query: Query, after: int, lasts: Mapping[str, int]) -> int:
        """The last position that matches, 0 if none does after `after`.

        `lasts`: where the last messages of the tags' subjects stand, or of the whole log. Whoever answers, all up to there is
        looked at: a leader that is cut off does not know it yet, and would say that there is less.
        """
        low, high = max(after, 0) + 1, max(lasts.values(), default=0)
        if self._subjects.all in lasts:
            wanted = matches(query)
            is_event: Wanted = lambda one: one.subject.startswith(f"{self._subjects.root}e.") and wanted(one)  # noqa: E731
            found = await self._within(self._subjects.all, is_event, low, high, 1, backward=True)
        else:
            found = await self._by_tags(lasts, matches(query), low, high, 1, backward=True)
        return found[0].sequence if found else 0

    async def _page(self, selection: Selection) -> Sequence[Found]:
        s = selection
        low = 1 if s.recorded_from is None else await self._ticks.first_from(s.recorded_from)
        high = END if s.recorded_until is None else await self._ticks.last_until(s.recorded_until)
        high = high if s.position_until is None else min(high, s.position_until)
        if s.limit <= 0 or low > high:
            return []
        if isinstance(s.source, InStream):
            return await self._of_stream(s.source.stream, s, low, high)
        if s.after is not None:
            low, high = (low, min(high, s.after - 1)) if s.backward else (max(low, s.after + 1), high)
        match s.source:
            case InCategory(category):
                return await self._scan(
                    self._subjects.category(category), None, low, high, s.limit, backward=s.backward
                )
            case InStory(story):
                wanted: Wanted = lambda one: event_of(one.body).story == story  # noqa: E731
                return await self._scan(self._subjects.events, wanted, low, high, s.limit, backward=s.backward)
            case Matching(query):
                return await self._matching(query, low, high, s.limit, backward=s.backward)

    # One stream: its versions have no holes, so it is known what is to come -------------------------------------------

    async def _of_stream(self, stream: str, s: Selection, low: int, high: int) -> Sequence[Found]:
        if not s.backward:
            found = await self._versions(stream, s.after or 0, END, s.limit, low)
            return [one for one in found if one.sequence <= high]
        until = END if s.after is None else s.after - 1
        last = await self._log.last(self._subjects.stream(stream))
        version = brief_of(last.body).version if last else 0
        if last and last.sequence > high:
            version = brief_of((await self._log.following(last.subject, high + 1)).body).version - 1
        top = min(until, version)
        found = await self._versions(stream, max(top - s.limit, 0), top, s.limit)
        return [one for one in reversed(found) if one.sequence >= low]

    async def _versions(self, stream: str, after: int, until: int, limit: int, low: int = 1) -> list[Found]:
        """Up to `limit` messages after a version and up to another one, from a position on."""
        subject = self._subjects.stream(stream)
        last = await self._log.last(subject)
        if last is None:
            return []
        self._facts.hear(last)
        after, until = max(after, 0), min(until, brief_of(last.body).version)
        if after >= until:
            return []
        start = await self._place(last, after) + 1
        before = max(0, until - after)
        found = await self._log.stretch(subject, max(start, low), last.sequence, min(limit, before))
        if found:
            self._facts.note_place(subject, brief_of(found[-1].body).version, found[-1].sequence)
        return [one for one in found if brief_of(one.body).version <= until] if low > 1 else found

    async def _place(self, last: Found, version: int) -> int:
        """Where a version of the stream stands that `last` is the last of: known, or found by bisecting."""
        if version == 0:
            return 0
        if (known := self._facts.place(last.subject, version)) is not None:
            return known
        low, high = 1, last.sequence
        while True:
            middle = (low + high) // 2
            found = await self._log.following(last.subject, middle)
            at = brief_of(found.body).version
            self._facts.note_place(last.subject, at, found.sequence)
            if at == version:
                return found.sequence
            low, high = (found.sequence + 1, high) if at < version else (low, middle - 1)

    # All else: by position --------------------------------------------------------------------------------------------

    async def _matching(self, query: Query, low: int, high: int, limit: int, *, backward: bool) -> Sequence[Found]:
        if not query.items:
            return await self._scan(self._subjects.events, None, low, high, limit, backward=backward)
        tags = lanes(query)
        if tags is None or len(tags) > LANES:
            return await self._scan(self._subjects.events, matches(query), low, high, limit, backward=backward)
        told = [await self._log.last(self._subjects.tag(tag)) for tag in tags]
        lasts = {last.subject: last.sequence for last in told if last}
        return await self._by_tags(lasts, matches(query), low, high, limit, backward=backward)

    async def _scan(
        self, subject: str, wanted: Wanted | None, low: int, high: int, limit: int, *, backward: bool
    ) -> Sequence[Found]:
        last = await self._log.last(subject)
        high = min(high, last.sequence) if last else 0
        return await self._within(subject, wanted, low, high, limit, backward=backward)

    async def _within(
        self, subject: str, wanted: Wanted | None, low: int, high: int, limit: int, *, backward: bool
    ) -> Sequence[Found]:
        """Reading through from `low` to `high`, at or after which a message of the subject is known to stand."""
        found: list[Found] = []
        width = min(WINDOW, max(4 * limit, 64))
        while low <= high and len(found) < limit:
            if backward:
                start = max(low, high - width + 1)
                part = (await self._log.stretch(subject, start, high, width))[::-1]
                high, width = start - 1, min(4 * width, WINDOW)
            else:
                part = await self._log.stretch(subject, low, high, PAGE if wanted else limit - len(found))
                low = part[-1].sequence + 1 if part else high + 1
            found += [one for one in part if wanted is None or wanted(one)]
        return found[:limit]

    async def _by_tags(
        self, lasts: Mapping[str, int], wanted: Wanted, low: int, high: int, limit: int, *, backward: bool
    ) -> Sequence[Found]:
        if not lasts:
            return []
        found: list[Found] = []
        if not backward:
            while low <= high and len(found) < limit:
                positions, reached = await self._stretch_of_tags(lasts, low)
                page = sorted(one for one in positions if low <= one <= min(high, reached))
                found += filter(wanted, await self._log.at(page))
                low = reached + 1
            return found[:limit]
        top = min(max(lasts.values()), high + _BATCH)
        width, waiting = max(4 * limit, 64), set[int]()
        while (waiting or top >= low) and len(found) < limit:
            start = max(low, top - width + 1)
            for subject, last in lasts.items():
                if last >= start:
                    guards = await self._log.stretch(subject, start, min(top, last), width)
                    waiting.update(position for guard in guards for position in _positions(guard))
            page = sorted((one for one in waiting if max(start, low) <= one <= high), reverse=True)
            found += filter(wanted, (await self._log.at(page)))
            waiting = {one for one in waiting if low <= one < start}
            top, width = start - 1, min(4 * width, 16 * WINDOW)
        return found[:limit]

    async def _stretch_of_tags(self, lasts: Mapping[str, int], low: int) -> tuple[set[int], int]:
        """The next positions of each tag, and up to where they are all of them."""
        positions: set[int] = set()
        reached = END
        for subject, last in lasts.items():
            if last < low:
                continue
            guards = await self._log.stretch(subject, low, last, PAGE)
            positions.update(position for guard in guards for position in _positions(guard))
            if guards and guards[-1].sequence < last:
                reached = min(reached, max(_positions(guards[-1])))
        return positions, reached


def lanes(query: Query) -> list[str] | None:
    """A tag of each item, whose guard every event that matches moves; `None` if an item has no tag, or all is meant."""
    if not query.items or not all(item.tags for item in query.items):
        return None
    return sorted({min(item.tags) for item in query.items})


def matches(query: Query) -> Wanted:
    """Whether an event is meant."""

    def wanted(one: Found) -> bool:
        event = event_of(one.body)
        return query.matches(event.type, _tags(event.tags))

    return wanted


def _positions(guard: Found) -> Sequence[int]:
    return [guard.position(place) for place in guard_of(guard.body).events]
