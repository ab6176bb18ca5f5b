"""The judge of histories, which knows nothing of how appends work: the log, what was asked, what was told, and when.

The log's order is the order in which the appends took effect. So each append that was done must have been allowed right
there, and each that was refused must have been refused rightly at some point of that order between its begin and its end.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from itertools import accumulate
from typing import Any

import msgspec
from tests.postgres.histories import ANYTHING, NOTHING, SOMETHING, Belief, Body, Item, Tried

from refold import Recorded


class Logged(msgspec.Struct, frozen=True):
    """One event of the log."""

    position: int
    stream: str
    version: int
    id: str
    type: str
    tags: tuple[str, ...]


def as_logged(events: Iterable[Recorded[Any]]) -> list[Logged]:
    """As a reader was given them."""
    return [Logged(int(e.position), str(e.stream), e.version, str(e.id), e.type, tuple(sorted(e.tags))) for e in events]


def violations(log: Sequence[Logged], tried: Sequence[Tried]) -> list[str]:
    """Everything that cannot be."""
    return [*_of_the_log(log), *_Judge(log, tried).all()]


def _of_the_log(log: Sequence[Logged]) -> Iterator[str]:
    if [event.position for event in log] != list(range(1, len(log) + 1)):
        yield "the positions have holes, or do not rise"
    if len({event.id for event in log}) < len(log):
        yield "an id stands twice in the log"
    versions: dict[str, int] = defaultdict(int)
    for event in log:
        versions[event.stream] += 1
        if event.version != versions[event.stream]:
            yield f"version {event.version} of {event.stream} follows {versions[event.stream] - 1}"


class _Judge:
    def __init__(self, log: Sequence[Logged], tried: Sequence[Tried]) -> None:
        self._tried = tried
        self._there = {event.id: event for event in log}
        self._known = {id for one in tried for id in one.body.ids}
        self._streams = _places((event.stream, event.position) for event in log)
        self._types = _places((event.type, event.position) for event in log)
        self._tags = _places((tag, event.position) for event in log for tag in event.tags)
        self._of = {event.position: event for event in log}
        self._head = log[-1].position if log else 0
        self._whole = {
            one.body.ids: self._positions(one.body)
            for one in tried
            if one.body.ids and set(one.body.ids) <= self._there.keys()
        }
        self._ends = sorted({0, *(max(positions) for positions in self._whole.values())})
        self._times()

    def _times(self) -> None:
        """The last positions that were acknowledged by a time, and the first that were not yet asked for."""
        done = [one for one in self._tried if one.told == "done" and one.positions]
        self._known_by([(one.ended, max(one.positions)) for one in done])
        self._of_body: dict[tuple[str, ...], list[Tried]] = defaultdict(list)
        for one in self._tried:
            self._of_body[one.body.ids].append(one)
        self._first = {ids: at for ids in self._whole if (at := self._asked(ids)) is not None}
        began = sorted(((at, min(self._whole[ids]) - 1) for ids, at in self._first.items()), reverse=True)
        self._began, self._most = [-at for at, _ in began], list(accumulate((before for _, before in began), min))

    def _asked(self, ids: tuple[str, ...]) -> int | None:
        """When who wrote it began: who was told that it was no repeat, or the first of all that asked for the same."""
        writers = [one for one in self._of_body[ids] if one.told in {"done", "unknown"}]
        fresh = [one for one in writers if one.told == "done" and not one.repeated]
        return min((one.began for one in fresh or writers), default=None)

    def _known_by(self, told: list[tuple[int, int]]) -> None:
        """Up to which position the log was known to reach, by the times of these answers."""
        self._told = sorted(told)
        self._ended, self._least = [at for at, _ in self._told], list(accumulate((last for _, last in self._told), max))

    def all(self) -> Iterator[str]:
        for id in self._there.keys() - self._known:
            yield f"event {id} is in the log, and nobody appended it"
        yield from self._of_all_refused()
        for one in self._tried:
            yield from self._of_one(one)
        for body in {one.body.ids: one.body for one in self._tried if one.body.ids in self._whole}.values():
            yield from self._of_written(body)

    def _of_one(self, one: Tried) -> Iterator[str]:
        there = [id in self._there for id in one.body.ids]
        if any(there) and not all(there):
            yield f"torn: a part of {one} is in the log"
        elif one.told == "done" and not all(there):
            yield f"lost: {one} was acknowledged"
        elif one.told == "done":
            yield from self._of_done(one)
        elif one.told == "reused":
            yield f"{one} was refused as another's ids, which were its own"
        elif one.told == "conflict" and not one.moved and not one.matched:
            yield f"a conflict without a reason: {one}"

    def _of_done(self, one: Tried) -> Iterator[str]:
        if list(one.positions) != self._positions(one.body):
            yield f"told {one.positions}, in the log at {self._positions(one.body)}: {one.body}"
        for (_, _, facts), version in zip(one.body.writes, one.versions, strict=True):
            if self._there[facts[-1].id].version != version:
                yield f"told version {version} for {self._there[facts[-1].id]}"

    def _of_written(self, body: Body) -> Iterator[str]:
        """It stands there as it was given, and was allowed to just there and at that time."""
        positions = self._positions(body)
        first, before = positions[0], positions[0] - 1
        if positions != list(range(first, first + len(positions))):
            yield f"in pieces at {positions}: {body}"
        for stream, _, facts in body.writes:
            events = [self._there[fact.id] for fact in facts]
            if [(e.stream, e.type, e.tags) for e in events] != [(stream, fact.type, fact.tags) for fact in facts]:
                yield f"not as it was given: {events}, {body}"
        if (failing := self._failing(body, before)) != ((), ()):
            yield f"done at {first} although {failing} did not hold there: {body}"
        writers = [one for one in self._of_body[body.ids] if one.told in {"done", "unknown"}]
        fresh = [one for one in writers if one.told == "done" and not one.repeated]
        if len(fresh) > 1:
            yield f"written more than once, as it was told: {fresh}"
        answered = min((one.ended for one in writers if one.told == "done"), default=None)
        late = answered is not None and before > self._latest(answered)
        if body.ids not in self._first or late or self._earliest(self._first[body.ids]) > before:
            yield f"not in the order of time: {body} was done at {first}"

    def _of_all_refused(self) -> Iterator[str]:
        """Each is placed as early as can be: what was seen by one that had ended, who began after that must see, too."""
        refused = sorted((one for one in self._tried if one.told == "conflict"), key=lambda one: one.began)
        placed: list[tuple[int, int]] = []
        seen = 0
        told: list[tuple[int, int]] = []
        for one in refused:
            while placed and placed[0][0] < one.began:
                seen = max(seen, heappop(placed)[1])
            end = self._moment(one, seen)
            if end is None:
                reasons = one.moved, one.matched
                yield f"refused for {reasons}, which was so at no time between its begin and its end: {one}"
            else:
                heappush(placed, (one.ended, end))
                told.append((one.ended, end))
        self._known_by([*self._told, *told])

    def _moment(self, one: Tried, seen: int) -> int | None:
        """The first end of the log at which it was refused for these reasons, and at which others saw no less before."""
        for end in self._between(max(seen, self._earliest(one.began)), self._latest(one.ended)):
            if end >= self._written(one.body):
                return None
            if self._failing(one.body, end) == (one.moved, one.matched):
                return end
        return None

    def _written(self, body: Body) -> int:
        """Where the append came to stand after all, when it was asked for again; it was not refused after that."""
        return min(self._positions(body)) if set(body.ids[:1]) & self._there.keys() else self._head + 1

    def _between(self, low: int, high: int) -> Sequence[int]:
        return self._ends[bisect_left(self._ends, low) : bisect_right(self._ends, high)]

    def _earliest(self, time: int) -> int:
        found = bisect_left(self._ended, time)
        return self._least[found - 1] if found else 0

    def _latest(self, time: int) -> int:
        found = bisect_left(self._began, -time)
        return self._most[found - 1] if found else self._head

    def _positions(self, body: Body) -> list[int]:
        return [self._there[id].position for id in body.ids]

    # What an append would have met when the log ended at a position ------------------------------------------------

    def _failing(self, body: Body, end: int) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
        beliefs = [(stream, belief) for stream, belief, _ in body.writes] + list(body.looks)
        versions = [
            (n, bisect_right(self._streams.get(stream, []), end), belief) for n, (stream, belief) in enumerate(beliefs)
        ]
        moved = tuple((n, version) for n, version, belief in versions if not _true(belief, version))
        lasts = [(n, self._last(items, end), after) for n, (after, items) in enumerate(body.conditions)]
        return moved, tuple((n, last) for n, last, after in lasts if last > after)

    def _last(self, items: Sequence[Item], end: int) -> int:
        """The last position up to `end` that matches."""
        if not items:
            return end
        return max(self._last_of(*item, end) for item in items)

    def _last_of(self, types: Sequence[str], tags: Sequence[str], end: int) -> int:
        lanes = [self._tags.get(tag, []) for tag in tags[:1]] or [self._types.get(type, []) for type in types]
        return max((self._last_in(lane, types, tags, end) for lane in lanes), default=0)

    def _last_in(self, lane: Sequence[int], types: Sequence[str], tags: Sequence[str], end: int) -> int:
        for position in reversed(lane[: bisect_right(lane, end)]):
            event = self._of[position]
            if (not types or event.type in types) and set(tags) <= set(event.tags):
                return position
        return 0


def _true(belief: Belief, version: int) -> bool:
    return {ANYTHING: True, NOTHING: version == 0, SOMETHING: version > 0}.get(str(belief), version == belief)


def _places(found: Iterator[tuple[str, int]]) -> Mapping[str, list[int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for name, position in found:
        places[name].append(position)
    return places
