"""The judge of histories, which knows nothing of how appends work: the log, what was asked, what was told, and when.

The log's order is the order in which the appends took effect. So each append that was done must have been allowed right
there, and each that was refused must have been refused rightly at some point of that order between its begin and its end.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

import msgspec
from tests.postgres.histories import ANYTHING, NOTHING, SOMETHING, Belief, Body, Item, Tried


class Logged(msgspec.Struct, frozen=True):
    """One event of the log."""

    position: int
    stream: str
    version: int
    id: str
    type: str
    tags: tuple[str, ...]


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
        whole = {
            one.body.ids: max(self._positions(one.body)) for one in tried if set(one.body.ids) <= self._there.keys()
        }
        self._ends = sorted({0, *whole.values()})
        self._times()

    def _times(self) -> None:
        """The last positions that were acknowledged by a time, and the first that were not yet asked for."""
        done = [one for one in self._tried if one.told == "done" and one.positions]
        ended = sorted((one.ended, max(one.positions)) for one in done)
        self._ended, self._least = [at for at, _ in ended], list(accumulate((last for _, last in ended), max))
        first: dict[tuple[str, ...], int] = {}
        for one in self._tried:  # the first of all that asked for the same, since any of them may have written it
            first[one.body.ids] = min(one.began, first.get(one.body.ids, one.began))
        began = sorted(((first[one.body.ids], min(one.positions) - 1) for one in done), reverse=True)
        self._began, self._most = [-at for at, _ in began], list(accumulate((before for _, before in began), min))

    def all(self) -> Iterator[str]:
        for id in self._there.keys() - self._known:
            yield f"event {id} is in the log, and nobody appended it"
        for one in self._tried:
            yield from self._of_one(one)

    def _of_one(self, one: Tried) -> Iterator[str]:
        there = [id in self._there for id in one.body.ids]
        if any(there) and not all(there):
            yield f"torn: a part of {one} is in the log"
        elif one.told == "done" and not all(there):
            yield f"lost: {one} was acknowledged"
        elif one.told == "done":
            yield from self._of_done(one)
        elif one.told == "conflict":
            yield from self._of_refused(one)
        elif one.told == "reused":
            yield f"{one} was refused as another's ids, which were its own"

    def _of_done(self, one: Tried) -> Iterator[str]:
        body = one.body
        positions = self._positions(body)
        if list(one.positions) != positions or positions != list(range(positions[0], positions[0] + len(positions))):
            yield f"told {one.positions}, in the log at {positions}: {body}"
            return
        for (stream, _, facts), version in zip(body.writes, one.versions, strict=True):
            events = [self._there[fact.id] for fact in facts]
            if [(e.stream, e.type, e.tags) for e in events] != [(stream, fact.type, fact.tags) for fact in facts]:
                yield f"not as it was given: {events}, {body}"
            if events[-1].version != version:
                yield f"told version {version} for {events[-1]}"
        before = positions[0] - 1
        if (failing := self._failing(body, before)) != ((), ()):
            yield f"done at {positions[0]} although {failing} did not hold there: {body}"
        if not one.repeated and not self._earliest(one.began) <= before <= self._latest(one.ended):
            yield f"not in the order of time: {one} was done at {positions[0]}"

    def _of_refused(self, one: Tried) -> Iterator[str]:
        told = one.moved, one.matched
        if not one.moved and not one.matched:
            yield f"a conflict without a reason: {one}"
        for end in self._between(self._earliest(one.began), self._latest(one.ended)):
            if end >= self._written(one.body):
                break
            if self._failing(one.body, end) == told:
                return
        yield f"refused for {told}, which was so at no time between its begin and its end: {one}"

    def _written(self, body: Body) -> int:
        """Where the append came to stand after all, when it was asked for again; it was not refused after that."""
        return min(self._positions(body)) if body.ids[0] in self._there else self._head + 1

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
