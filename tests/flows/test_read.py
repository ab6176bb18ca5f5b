"""Reading page after page: with pages of three every seam shows, and what is given is what a filter in Python gives."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from tests.flows.counting import CountingBackend

from refold import InvalidName, NewEvent, Query, RawEvent, Recorded, StoreCorrupt, UsageError, event, move
from refold._bridge.stepping import run_sync
from refold.codec import Codec
from refold.flows import read
from refold.flows.prepare import Cause, Runtime, prepare
from refold.flows.read import Wanted, all_rows, is_hidden, opened_all, page, wanted
from refold.messages import Context
from refold.ports import EVERYTHING, Append, InStream, Selection, Write
from refold.testing.clock import ManualClock

THEN = datetime(2026, 11, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NAIVE = datetime(2026, 11, 30)  # noqa: DTZ001 - the mistake under test
JOURNAL = "$process.paying-1"


@event("thing.new", upcasters=[move("thing.old", to="thing.new")])
class New:
    n: int = 0


@pytest.fixture(autouse=True)
def _pages_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "PAGE", 3)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(THEN)


@pytest.fixture
def runtime(clock: ManualClock) -> Runtime:
    return Runtime(Codec([New, RawEvent]), clock)


@pytest.fixture
def backend(runtime: Runtime, clock: ManualClock) -> CountingBackend:
    """Eleven events a minute apart: three kinds in two streams, by two tellers, and two in the journal of a process."""
    backend = CountingBackend()
    for number in range(11):
        stream = JOURNAL if number in {2, 3} else ("a-1", "b-1")[number % 2]
        told = NewEvent(RawEvent(("X", "Y", "thing.old")[number % 3], {}), tags=frozenset({f"t:{number % 2}"}))
        rows = prepare(runtime, [told], Cause.of(Context(correlation_id=("s", "z")[number % 2])))
        run_sync(backend.append(Append((Write(stream, rows),), clock.now())))
        clock.move(MINUTE)
    backend.calls.clear()
    return backend


def asked(backend: CountingBackend, runtime: Runtime, **options: Any) -> list[Recorded[Any]]:
    """All pages of a read, as a store asks for them."""
    sources = [options.pop(name, None) for name in ("stream", "category", "query", "correlation_id")]
    given: dict[str, Any] = {"after": None, "since": None, "until": None, "direction": "forward", "limit": None}
    found = list[Recorded[Any]]()
    rest: Wanted | None = wanted(*sources, **{**given, **options})
    while rest is not None:
        one = run_sync(page(backend, runtime, rest))
        found += one.events
        rest = one.rest
    return found


def numbers(found: list[Recorded[Any]]) -> list[int]:
    return [int(each.position) for each in found]


SOURCES: list[tuple[dict[str, Any], Callable[[Recorded[Any]], bool]]] = [
    ({}, lambda e: e.stream.category != "$process.paying"),
    ({"stream": "a-1"}, lambda e: str(e.stream) == "a-1"),
    ({"stream": JOURNAL}, lambda e: str(e.stream) == JOURNAL),
    ({"category": "b"}, lambda e: e.stream.category == "b"),
    ({"correlation_id": "z"}, lambda e: e.metadata.correlation_id == "z"),
    ({"query": Query.of(tags=["t:1"])}, lambda e: "t:1" in e.tags and e.stream.category != "$process.paying"),
    ({"query": Query.of(types=["Y"])}, lambda e: e.type == "Y"),
    ({"query": Query.of(types=["thing.new"])}, lambda e: e.type == "thing.new"),
    ({"query": Query.of(types=["thing.new"], tags=["t:0"])}, lambda e: e.type == "thing.new" and "t:0" in e.tags),
    (
        {"query": Query.of(types=["Y"]) | Query.of(tags=["t:0"])},
        lambda e: e.type == "Y" or ("t:0" in e.tags and e.stream.category != "$process.paying"),
    ),
]


@pytest.mark.parametrize("source", range(len(SOURCES)))
def test_a_read_gives_what_a_filter_gives_whatever_the_pages(
    backend: CountingBackend, runtime: Runtime, source: int
) -> None:
    every = asked(backend, runtime, journals=True)
    assert numbers(every) == list(range(1, 12))
    (options, selects), by_version = SOURCES[source], "stream" in SOURCES[source][0]
    found = [each for each in every if selects(each)]
    for backward, limit, after in product((False, True), (None, 0, 1, 3, 4, 100), (None, 2, 4)):
        place = [each.version if by_version else int(each.position) for each in found]
        kept = [
            each
            for each, at in zip(found, place, strict=True)
            if after is None or (at < after if backward else at > after)
        ]
        expected = (kept[::-1] if backward else kept)[:limit]
        direction = "backward" if backward else "forward"
        got = asked(backend, runtime, **options, after=after, limit=limit, direction=direction)
        assert got == expected, (backward, limit, after)


def test_the_journals_of_processes_are_read_by_who_asks_for_them(backend: CountingBackend, runtime: Runtime) -> None:
    assert numbers(asked(backend, runtime)) == [1, 2, *range(5, 12)]
    assert numbers(asked(backend, runtime, journals=True)) == list(range(1, 12))
    assert numbers(asked(backend, runtime, journals=True, limit=4)) == [1, 2, 3, 4]
    assert numbers(asked(backend, runtime, limit=4)) == [1, 2, 5, 6]


def test_what_was_recorded_at_the_ends_of_a_time_is_in_it(backend: CountingBackend, runtime: Runtime) -> None:
    between = asked(backend, runtime, since=THEN + 4 * MINUTE, until=THEN + 6 * MINUTE)
    assert numbers(between) == [5, 6, 7]
    assert numbers(asked(backend, runtime, until=THEN + MINUTE)) == [1, 2]
    assert numbers(asked(backend, runtime, since=THEN + 10 * MINUTE)) == [11]


def test_no_page_is_read_that_nobody_asked_for(backend: CountingBackend, runtime: Runtime) -> None:
    def reads(**options: Any) -> int:
        backend.calls.clear()
        asked(backend, runtime, **options)
        return backend.calls["read"]

    assert [reads(stream="a-1", limit=limit) for limit in (0, 1, 3, 4, None)] == [0, 1, 1, 2, 2]
    assert [reads(stream="b-1"), reads(journals=True), reads(stream="unknown-1")] == [2, 4, 1]
    backend.calls.clear()

    async def through(selection: Selection) -> list[int]:
        return [row.position async for row in all_rows(backend, selection)]

    assert run_sync(through(Selection(EVERYTHING, limit=1))) == list(range(1, 12))
    assert (run_sync(through(Selection(InStream("unknown-1")))), backend.calls["read"]) == ([], 5)


def test_what_can_be_asked_for_by_nobody_is_refused_as_what_it_was(backend: CountingBackend, runtime: Runtime) -> None:
    for name, kind in (("category", "category"), ("correlation_id", "correlation id")):
        with pytest.raises(InvalidName) as refused:
            asked(backend, runtime, **{name: "\n."})
        assert refused.value.kind == kind
        assert asked(backend, runtime, **{name: ""}) == []
    for name in ("since", "until"):
        with pytest.raises(UsageError, match=f"^{name}=.* is not a time with a time zone"):
            asked(backend, runtime, **{name: NAIVE})
    with pytest.raises(UsageError, match="not 2 of them"):
        asked(backend, runtime, category="a", stream="a-1")


def test_what_stands_in_a_journal_is_hidden_from_who_reads_every_type(backend: CountingBackend) -> None:
    rows = run_sync(backend.read(Selection(EVERYTHING)))
    everything, some = Codec([New, RawEvent]).selecting((New, RawEvent)), Codec([New]).selecting((New,))
    assert [row.position for row in rows if is_hidden(everything, row)] == [4]
    assert [row.position for row in rows if is_hidden(some, row)] == []


@pytest.mark.parametrize(
    "damage",
    [
        {"id": b"x"}, {"recorded_at": 1 << 62}, {"valid_at": 1 << 62}, {"stream": "x"}, {"tags": "[7]"}, {"tags": "{}"},
        {"metadata": b'{"k":7}'}, {"metadata": b"[]"},
    ],
    ids=str,
)  # fmt: skip
def test_what_was_never_written_beside_the_data_is_told_with_its_place(
    backend: CountingBackend, runtime: Runtime, damage: Any
) -> None:
    fine, row, *_ = run_sync(backend.read(Selection(EVERYTHING)))
    with pytest.raises(StoreCorrupt) as told:
        list(opened_all(runtime.codec.known, [fine, row._replace(**damage)]))
    first, _, rest = str(told.value).partition("(")
    assert first == "the event at position 2 is damaged: beside its data stands what was never written "
    assert rest.partition("). ")[2] == "Restore a backup; `refold verify` looks for more."
