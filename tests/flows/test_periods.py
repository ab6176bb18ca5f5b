"""Closing the books: what a load costs, and that periods are one thing, by law."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.flows.counting import CountingBackend, runtime

from refold import Position, Store
from refold._bridge.stepping import run_sync
from refold.flows.periods import handle_in_period, load_period
from refold.messages import Context
from refold.testing import ManualClock
from refold.testing.contract.closing import Close, Closed, Opened, Write, Written, books, closing

ONE = st.builds(Write, st.integers(-3, 3)) | st.builds(Close, st.integers(1, 4)) | st.just(None)
COMMANDS = st.lists(ONE, max_size=30)


def test_a_load_takes_one_read_more_than_that_of_a_plain_stream_however_many_periods_there_were() -> None:
    backend, known = CountingBackend(), runtime(Written, Closed, Opened)
    for year in range(1, 30):
        run_sync(handle_in_period(backend, known, closing, "a", Close(year), Context(), None))
    backend.calls.clear()
    assert run_sync(load_period(backend, known, closing, "a", None)).state == (0, 30)
    assert backend.calls == Counter(read=1, payloads=1)


def test_who_closes_while_another_decides_is_decided_after() -> None:
    async def close(backend: CountingBackend) -> None:
        await handle_in_period(backend, known, closing, "a", Close(1), Context(), None)

    backend, known = CountingBackend(close), runtime(Written, Closed, Opened)
    handled = run_sync(handle_in_period(backend, known, closing, "a", Write(5), Context(), None))
    assert (handled.state, handled.version) == ((5, 2), 2)
    assert [row.stream for row in backend._all] == ["book-a", "book-a@2", "book-a@2"]


@given(COMMANDS)
def test_periods_are_one_fold_of_all_that_happened_at_any_time(commands: list[Write | Close | None]) -> None:
    with Store.open("memory://") as store:
        ledger = store.bind(closing)
        model, past = books.initial(), [(Position(0), books.initial())]
        for command in commands:
            asked = Close(model[1]) if command is None else command
            model = books(books.decide(asked, model), model)
            assert ledger.handle("a", asked).state == model
            past.append((store.head(), model))
        happened = [e.data for e in ledger.read("a")]
        assert ledger.state("a") == model == books(e for e in happened if not isinstance(e, Opened))
        assert [ledger.state("a", as_of=position) for position, _ in past] == [state for _, state in past]


START = datetime(2026, 1, 1, tzinfo=UTC)
AT = st.none() | st.integers(0, 12).map(lambda hours: START + timedelta(hours=hours))


@given(st.lists(st.tuples(ONE, AT), max_size=12), st.data())
def test_what_was_known_then_of_how_it_was_then_is_one_fold_of_all_that_happened(
    told: list[tuple[Write | Close | None, datetime | None]], data: st.DataObject
) -> None:
    clock = ManualClock(START)
    with Store.open("memory://", clock=clock) as store:
        for command, valid_at in told:
            clock.move(timedelta(hours=1))
            ledger = store.context(valid_at=valid_at).bind(closing)
            ledger.handle("a", Close(ledger.state("a")[1]) if command is None else command)
        ledger, events = store.bind(closing), [*store.bind(closing).read("a")]
        version = data.draw(st.integers(0, len(events)))
        moment = START + timedelta(hours=data.draw(st.integers(0, 13)))
        valid_at = START + timedelta(hours=data.draw(st.integers(0, 13)))
        position = Position(data.draw(st.integers(0, len(events) + 1)))
        for as_of, known in (
            (None, events),
            (version, events[:version]),
            (moment, [e for e in events if e.recorded_at <= moment]),
            (position, [e for e in events if e.position <= position]),
        ):
            happened = [e for e in known if not isinstance(e.data, Opened)]
            assert ledger.state("a", as_of=as_of) == books(e.data for e in happened)
            true_then = sorted((e for e in happened if e.valid_at <= valid_at), key=lambda e: e.valid_at)
            assert ledger.state("a", as_of=as_of, valid_at=valid_at) == books(e.data for e in true_then)


def test_what_is_left_of_closed_periods_begins_with_its_opening_whatever_became_true_before() -> None:
    clock = ManualClock(START)
    with Store.open("memory://", clock=clock) as old, Store.open("memory://") as new:
        commands: list[Write | Close] = [Write(5), Close(1), Write(2), Close(2), Write(1)]
        for hour, command in enumerate(commands):
            late = None if hour < 4 else START
            old.context(valid_at=late).bind(closing).handle("a", command)
            clock.move(timedelta(hours=1))
        old.copy_to(new, transform=lambda e: [e] if closing.period_of(e.stream) > 1 else [])
        ledger, end = new.bind(closing), START + timedelta(hours=9)
        assert ledger.state("a", valid_at=end) == ledger.state("a") == old.bind(closing).state("a") == (8, 3)
        assert ledger.state("a", valid_at=START + timedelta(hours=1)) == (6, 2)
        assert [ledger.state("a", as_of=version) for version in (0, 1, 2)] == [(0, 1), (5, 2), (7, 2)]


def test_a_copy_may_leave_the_closed_periods_out() -> None:
    with Store.open("memory://") as old, Store.open("memory://") as new:
        for command in (Write(5), Close(1), Write(2), Close(2), Write(1)):
            old.bind(closing).handle("a", command)
        old.copy_to(new, transform=lambda e: [e] if closing.period_of(e.stream) == 3 else [])
        assert new.bind(closing).state("a") == old.bind(closing).state("a") == (8, 3)
        new.bind(closing).handle("a", Close(3))
        assert new.bind(closing).periods("a")[-1].id == "a@4"
