"""The second judge of histories: a search for an order in which a store that does one thing at a time gives every answer.

It walks along the time at which each request began and was answered, and holds all the ways in which it can have come so
far: how many events of the final read there are by then, and which requests that are under way have had their effect. A
request is given its effect at the latest when it is answered. Where no way is left, the history is not linearizable.

The condition: Herlihy & Wing, "Linearizability: a correctness condition for concurrent objects", TOPLAS 12(3), 1990. The
search: Wing & Gong, "Testing and verifying concurrent objects", JPDC 17, 1993, in its just-in-time form by Lowe, "Testing
for linearizability", Concurrency and Computation 29(4), 2017, section 3. It has no code in common with the first judge,
tests/postgres/checking.py.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from tests.postgres.histories import Belief, Body, Item, Tried


class Event(Protocol):
    """One event of the final read."""

    @property
    def position(self) -> int: ...
    @property
    def stream(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def id(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def tags(self) -> tuple[str, ...]: ...


class Way(NamedTuple):
    """One way to have come so far. `size`: so many events there are. `ahead`: what has had its effect and no answer yet."""

    size: int
    ahead: frozenset[int]


Failures: TypeAlias = tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]
"""The streams that moved and the conditions that did not hold, by their numbers, with what was there."""


def contradiction(log: Sequence[Event], tried: Sequence[Tried], *, gapless: bool = True) -> str | None:
    """Why no order explains the history, `None` if one does. `log`: all events, read when all was over."""
    if wrong := _misshapen(log, gapless=gapless):
        return wrong
    search = _Search(_Model(log, gapless=gapless), tried)
    for is_answer, number in _moments(tried):
        if not is_answer:
            search.begin(number)
        elif not search.answer(number):
            return f"no order of what was under way explains {tried[number]}"
    if not search.can_end():
        return "the final read holds what nobody can have appended just there"
    return None


def _misshapen(log: Sequence[Event], *, gapless: bool) -> str | None:
    sizes: dict[str, int] = defaultdict(int)
    last = 0
    for event in log:
        sizes[event.stream] += 1
        if event.version != sizes[event.stream]:
            return f"version {event.version} is the event number {sizes[event.stream]} of its stream: {event}"
        if event.position <= last or (gapless and event.position != last + 1):
            return f"position {event.position} follows {last}"
        last = event.position
    return None if len({event.id for event in log}) == len(log) else "an id stands in the final read twice"


def _moments(tried: Sequence[Tried]) -> Iterator[tuple[bool, int]]:
    """Beginnings and answers in the order of time; what may be still under way has no answer."""
    begun = [(one.began, False, number) for number, one in enumerate(tried)]
    answered = [(one.ended, True, number) for number, one in enumerate(tried) if one.told != "unknown"]
    return ((is_answer, number) for _, is_answer, number in sorted([*begun, *answered]))


class _Search:
    """All the ways that are left. `_quiet`: what is under way and may be answered without an effect."""

    def __init__(self, model: _Model, tried: Sequence[Tried]) -> None:
        self._model, self._tried = model, tried
        self._ways = {Way(0, frozenset())}
        self._quiet = set[int]()
        self._writers: dict[str, list[int]] = defaultdict(list)

    def begin(self, number: int) -> None:
        """From now on it may have its effect at any time."""
        one = self._tried[number]
        if one.told in {"done", "unknown"} and one.body.ids:
            self._writers[one.body.ids[0]].append(number)
        if one.told != "unknown" and (one.told != "done" or one.repeated):
            self._quiet.add(number)

    def answer(self, number: int) -> bool:
        """By now it must have had its effect. Says whether that leaves a way."""
        done = set[Way]()
        seen, left = set(self._ways), list(self._ways)
        while left:
            way = left.pop()
            if number in way.ahead:
                done.add(Way(way.size, way.ahead - {number}))
                continue
            further = [next for next in self._further(way) if next not in seen]
            seen.update(further)
            left += further
        self._ways = done
        self._forget(number)
        return bool(done)

    def can_end(self) -> bool:
        """Whether what was never answered can have led to the rest of the final read."""
        seen, left = set(self._ways), list(self._ways)
        while left:
            way = left.pop()
            if way.size == self._model.size:
                return True
            further = [next for next in self._further(way) if next not in seen]
            seen.update(further)
            left += further
        return False

    def _further(self, way: Way) -> Iterator[Way]:
        for number in self._quiet - way.ahead:
            if self._model.after(self._tried[number], way.size) == way.size:
                yield Way(
                    way.size, way.ahead | {number}
                )  # it changes nothing for others, so sooner is as good as later
                return
        for number in self._writers.get(self._model.next(way.size), ()):
            one = self._tried[number]
            size = None if number in way.ahead else self._model.after(one, way.size)
            if size is not None and size > way.size:
                yield Way(size, way.ahead if one.told == "unknown" else way.ahead | {number})

    def _forget(self, number: int) -> None:
        self._quiet.discard(number)
        ids = self._tried[number].body.ids
        if ids and number in self._writers.get(ids[0], ()):
            self._writers[ids[0]].remove(number)


class _Model:
    """What a store does that does one thing at a time: a pure function of how many events of the final read there are."""

    def __init__(self, log: Sequence[Event], *, gapless: bool) -> None:
        self.size = len(log)
        self._log, self._gapless = log, gapless
        self._positions = [event.position for event in log]
        self._numbers = {event.id: number for number, event in enumerate(log)}
        self._streams = _lanes((event.stream, number) for number, event in enumerate(log))
        self._types = _lanes((event.type, number) for number, event in enumerate(log))
        self._tags = _lanes((tag, number) for number, event in enumerate(log) for tag in event.tags)

    def next(self, size: int) -> str:
        """The id of the event after so many."""
        return self._log[size].id if size < self.size else ""

    def after(self, one: Tried, size: int) -> int | None:
        """How many events there are after it gave this answer; `None` if it would have given another."""
        ids = one.body.ids
        standing = sum(self._numbers.get(id, size) < size for id in ids)
        if ids and standing == len(ids) and self._is_as_given(one.body):
            return size if one.told == "done" and one.repeated and self._is_told_right(one) else None
        if standing:
            return size if one.told == "reused" else None
        if (failures := self._failures(one.body, size)) != ((), ()):
            return size if one.told == "conflict" and self._are_those(failures, (one.moved, one.matched)) else None
        comes_next = [self._numbers.get(id) for id in ids] == list(range(size, size + len(ids)))
        if one.told in {"done", "unknown"} and ids and comes_next and self._is_as_given(one.body):
            return size + len(ids) if one.told == "unknown" or self._is_told_right(one) else None
        return None

    def _is_as_given(self, body: Body) -> bool:
        given = [(fact.id, stream, fact.type, fact.tags) for stream, _, facts in body.writes for fact in facts]
        events = [self._log[self._numbers[id]] for id in body.ids]
        return given == [(event.id, event.stream, event.type, event.tags) for event in events]

    def _is_told_right(self, one: Tried) -> bool:
        events = [self._log[self._numbers[id]] for id in one.body.ids]
        ends = [self._log[self._numbers[facts[-1].id]].version for _, _, facts in one.body.writes]
        return [*one.positions] == [event.position for event in events] and [*one.versions] == ends

    def _failures(self, body: Body, size: int) -> Failures:
        beliefs = [*((stream, belief) for stream, belief, _ in body.writes), *body.looks]
        versions = [bisect_left(self._streams.get(stream, ()), size) for stream, _ in beliefs]
        moved = [(n, v) for n, (v, (_, belief)) in enumerate(zip(versions, beliefs, strict=True)) if _denies(v, belief)]
        lasts = [self._last(items, after, size) for after, items in body.conditions]
        return tuple(moved), tuple((n, last) for n, last in enumerate(lasts) if last)

    def _are_those(self, failures: Failures, told: Failures) -> bool:
        """Where positions have holes, one in the hole behind an event means that event."""
        if self._gapless or failures == told:
            return failures == told
        places = [[(n, bisect_right(self._positions, position)) for n, position in one[1]] for one in (failures, told)]
        return failures[0] == told[0] and places[0] == places[1]

    def _last(self, items: Sequence[Item], after: int, size: int) -> int:
        """The last position of so many events that matches one of the items, 0 if that is not above `after`."""
        low = bisect_right(self._positions, after)
        wanted = items or (((), ()),)
        return max((self._last_of(set(types), set(tags), low, size) for types, tags in wanted), default=0)

    def _last_of(self, types: set[str], tags: set[str], low: int, size: int) -> int:
        lanes = [self._tags.get(tag, ()) for tag in tags][:1] or [self._types.get(type, ()) for type in types]
        for number in self._backwards(lanes or [range(self.size)], low, size):
            event = self._log[number]
            if tags <= set(event.tags) and (not types or event.type in types):
                return event.position
        return 0

    def _backwards(self, lanes: Sequence[Sequence[int]], low: int, size: int) -> Iterator[int]:
        if len(lanes) == 1:
            return (lanes[0][n] for n in range(bisect_left(lanes[0], size) - 1, bisect_left(lanes[0], low) - 1, -1))
        between = (lane[bisect_left(lane, low) : bisect_left(lane, size)] for lane in lanes)
        return iter(sorted((number for part in between for number in part), reverse=True))


def _denies(version: int, belief: Belief) -> bool:
    match belief:
        case "any":
            return False
        case "no stream":
            return version > 0
        case "exists":
            return version == 0
        case _:
            return version != belief


def _lanes(found: Iterator[tuple[str, int]]) -> Mapping[str, list[int]]:
    lanes: dict[str, list[int]] = defaultdict(list)
    for name, number in found:
        lanes[name].append(number)
    return lanes
