"""What it costs when a store has grown: an append, a load, an append with a condition (DCB), and projecting all of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.marks import Mark, Row, percentile
from benchmarks.measuring import Clock
from benchmarks.rounds import Pace
from refold import (
    NO_STREAM,
    AppendCondition,
    Fold,
    Projection,
    Query,
    Recorded,
    Statement,
    Store,
    StreamWrite,
    event,
    sql,
)

TAGS = 100_000
"""So many courses, each a tag; from as many events on, every one of them is in use."""
STREAM = 20
"""Events of each stream."""
CALLS = 100
"""Of each kind, in one round."""
NOTE = "hello world, some text"


@event("enrolled", tags=("course",))
class Enrolled:
    course: int
    note: str


def _one_more(count: int, event: Enrolled) -> int:
    return count + 1


students = Fold("student", initial=int, evolve=_one_more, events=(Enrolled,))


@dataclass
class Growing:
    """A store that grows, and how many events were acknowledged."""

    store: Store
    size: int = 0
    laps: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    def grow(self, size: int) -> None:
        """To so many events, in streams of twenty, a thousand in one append."""
        while self.size < size:
            streams = range(self.size // STREAM, min(size, self.size + 1_000) // STREAM)
            self.store.append_all([StreamWrite(f"student-{each}", _events(each), NO_STREAM) for each in streams])
            self.size += len(streams) * STREAM

    def round(self, number: int) -> Mapping[str, float]:
        """The median milliseconds of each kind of call, in turn."""
        bound, known, laps = self.store.bind(students), range(self.size // STREAM), {k: Clock() for k in KINDS}
        for call in range(CALLS):
            start, name = Clock.now(), f"{self.size}x{number}x{call}"
            self.store.append(f"plain-{name}", [Enrolled(-1, NOTE)], expected=NO_STREAM)
            laps["append"].lap(start)
            start = Clock.now()
            state = bound.state(str(random.choice(known)))
            laps["load"].lap(start)
            assert state == STREAM, f"a stream of {STREAM} events has {state}"
            course, start = random.randrange(TAGS), Clock.now()
            query = Query.of(types=["enrolled"], tags=[f"course:{course}"])
            self.store.append(
                f"dcb-{name}", [Enrolled(course, NOTE)], condition=AppendCondition(query, self.store.head())
            )
            laps["DCB"].lap(start)
        return {kind: percentile(clock.laps, 50) * 1e3 for kind, clock in laps.items()}


def _events(stream: int) -> Sequence[Enrolled]:
    return [Enrolled((stream * STREAM + each) % TAGS, NOTE) for each in range(STREAM)]


KINDS: Mapping[str, str] = {
    "append": "append one event",
    "load": f"load a stream of {STREAM} events",
    "DCB": "append on a condition over a tag",
}


def grown(store: str, place: Callable[[], str], sizes: Sequence[int], pace: Pace) -> Iterator[Row]:
    """The rows of one store, size by size. Each is held against the size before that has a mark: 10,000, from 1M on 100,000."""
    found: dict[tuple[str, int], Sequence[float]] = {}
    with Store.open(place(), events=[Enrolled]) as opened:
        growing, extra = Growing(opened), 0
        for size in sizes:
            growing.grow(size)
            growing.round(-1)
            rounds = [growing.round(number) for number in range(pace.rounds)]
            extra += 2 * CALLS * (pace.rounds + 1)
            for kind, what in KINDS.items():
                found[kind, size] = [each[kind] for each in rounds]
                yield _row(store, kind, what, size, found)
            yield _projected(store, opened, size, growing.size + extra)


def _row(store: str, kind: str, what: str, size: int, found: Mapping[tuple[str, int], Sequence[float]]) -> Row:
    base = 100_000 if size > 100_000 else 10_000
    marks = [Mark(1.5, "within", f"that at {base:,}")] if size > base and kind != "DCB" else []
    beside = found[kind, base] if size > base and (kind, base) in found else ()
    if kind == "DCB":
        marks, beside = [Mark(2, "within", "the plain append")], found["append", size]
    return Row(
        f"{kind}@{_short(size)}",
        f"{what}, among {size:,}",
        store,
        "ms p50",
        found[kind, size],
        marks=marks,
        beside=beside,
    )


def _projected(store: str, opened: Store, size: int, there: int) -> Row:
    table, clock = f"courses_{size}", Clock()
    projection = Projection(table, schema=f"create table {table} (course bigint primary key, students bigint)")
    add = f"insert into {table} values (:course, 1) on conflict (course) do update set students = {table}.students + 1"  # noqa: S608 - a name of our own

    @projection.on(Enrolled)
    def enrolled(event: Recorded[Enrolled]) -> Iterator[Statement]:
        yield sql(add, course=event.data.course)

    with clock.running():
        opened.catch_up(projection)
    ((total,),) = opened.query(f"select sum(students) from {table}")  # noqa: S608 - as above
    assert (total, opened.head()) == (there, there), f"{total!r} of {there} events were projected"
    verdict = "every acknowledged event was projected, once"
    return Row(
        f"project@{_short(size)}",
        f"project all of {size:,}",
        store,
        "events/s",
        [there / clock.seconds],
        verdict=verdict,
    )


def _short(size: int) -> str:
    return f"{size // 1_000_000}M" if size >= 1_000_000 else f"{size // 1_000}k"
