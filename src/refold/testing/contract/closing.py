"""Contract: a thing whose books are closed is one thing, whatever the period, also when many write and close at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias, assert_never

import pytest

from refold.aio import AsyncStore
from refold.aio_periods import AsyncPeriods
from refold.closing import Closing
from refold.errors import Conflict, InvalidName, KeyReused, NoSuchVersion, UsageError
from refold.fold import Decider, Fold
from refold.inverse import undoes
from refold.messages import Position, command, event
from refold.testing.clock import ManualClock
from refold.testing.contract.base import Contract, Stores, listed
from refold.undoing import Obstacle

Book: TypeAlias = tuple[int, int]
"""The balance, and the year."""


@event("book.written")
class Written:
    amount: int


@event("book.closed")
class Closed:
    year: int


@event("book.opened")
class Opened:
    amount: int
    year: int


@command("book.write")
class Write:
    amount: int


@command("book.close")
class Close:
    year: int


BookEvent: TypeAlias = Written | Closed | Opened


def evolve(book: Book, event: BookEvent) -> Book:
    """The book after an event."""
    match event:
        case Written(amount):
            return book[0] + amount, book[1]
        case Closed(year):
            return book[0], year + 1
        case Opened(amount, year):
            return amount, year
        case _:
            assert_never(event)


def decide(command: Write | Close, book: Book) -> Iterator[BookEvent]:
    """A year is closed once; closing an earlier one changes nothing, and neither does writing 0."""
    match command:
        case Write(0):
            return
        case Write(amount):
            yield Written(amount)
        case Close(year) if year < book[1]:
            return
        case Close(year):
            yield Closed(year)
        case _:
            assert_never(command)


def chattering(_: Write | Close, __: Book) -> Iterator[BookEvent]:
    """Something follows the closing event."""
    yield Closed(1)
    yield Written(1)


books = Decider("book", initial=lambda: (0, 1), evolve=evolve, decide=decide)
closing = Closing(books, Closed, lambda book: Opened(*book))


@undoes(Written)
def unwritten(event: Written, _: Book) -> Iterator[BookEvent]:
    """What was written is written back."""
    yield Written(-event.amount)


undoable = Fold("book", initial=books.initial, evolve=evolve, inverses=(unwritten,))


class ClosingBooks(Contract):
    """`bind(Closing(...))`."""

    async def test_what_stands_in_a_closed_period_is_neither_undone_nor_redone(self, store: AsyncStore) -> None:
        ledger = bound(store)
        await ledger.handle("a", Write(5))
        await ledger.handle("a", Write(3))
        five, three = [event.id for event in await listed(store.read("book-a"))]
        await store.undo(await store.plan_undo(five, folds=[undoable]))
        await ledger.handle("a", Close(1))
        await ledger.handle("a", Close(2))
        await ledger.handle("a", Write(2))

        why = "its books are closed, so what is appended here has no effect: make up for it in book-a@3"
        redo = await store.plan_redo(five, folds=[undoable])
        assert redo.obstacles == (Obstacle(five, "book-a@1 (book.written)", why),)
        undo = await store.plan_undo(three, folds=[undoable])
        assert undo.obstacles == (Obstacle(three, "book-a@2 (book.written)", why),)

        two = (await listed(store.read("book-a@3")))[-1].id
        await store.undo(await store.plan_undo(two, folds=[undoable]))
        assert await ledger.state("a") == (3, 3)

    @pytest.mark.guarantee("G5")
    async def test_a_period_that_is_closed_since_the_plan_to_undo_something_of_it_is_a_conflict(
        self, store: AsyncStore
    ) -> None:
        ledger = bound(store)
        await ledger.handle("a", Write(5))
        (five,) = [event.id for event in await listed(store.read("book-a"))]
        plan = await store.plan_undo(five, folds=[undoable])
        await ledger.handle("a", Close(1))
        with pytest.raises(Conflict, match="'book-a' is at version 2, not 1"):
            await store.undo(plan)
        assert [event.data for event in await listed(ledger.read("a"))] == [Written(5), Closed(1), Opened(5, 2)]

    @pytest.mark.parametrize("id", ["x" * 195, "a@home", "@2"], ids=["a long one", "a mark", "nothing before the mark"])
    async def test_what_stands_in_a_stream_that_can_be_no_period_is_undone(self, store: AsyncStore, id: str) -> None:
        bound(store)
        (written,) = (await store.append(f"book-{id}", [Written(5)])).ids
        await store.undo(await store.plan_undo(written, folds=[undoable]))
        assert await store.bind(undoable).state(id) == (0, 1)

    async def test_a_closed_stream_goes_on_in_a_new_one_as_one_thing(self, store: AsyncStore) -> None:
        ledger = bound(store)
        await ledger.handle("a", Write(5))
        closed = await ledger.handle("a", Close(1))
        await ledger.handle("a", Write(2))

        assert (closed.events, closed.version, closed.state) == ((Closed(1),), 2, (5, 2))
        assert await ledger.state("a") == (7, 2)
        assert (await ledger.load("a")).version == 2
        assert [str(name) for name in await ledger.periods("a")] == ["book-a", "book-a@2"]
        assert [(str(e.stream), e.version, e.data) for e in await listed(ledger.read("a"))] == [
            ("book-a", 1, Written(5)), ("book-a", 2, Closed(1)), ("book-a@2", 1, Opened(5, 2)), ("book-a@2", 2, Written(2)),
        ]  # fmt: skip
        before, opened = (await listed(ledger.read("a")))[1:3]
        assert (opened.metadata, opened.recorded_at) == (before.metadata, before.recorded_at)
        assert (opened.position, closed.position) == (before.position + 1, opened.position)

    @pytest.mark.guarantee("G4")
    async def test_an_id_may_be_a_number_and_is_its_digits(self, store: AsyncStore) -> None:
        ledger: Any = store.bind(closing)
        for asked in (Write(5), Close(1), Write(2)):
            await ledger.handle(7, asked)
        assert await ledger.state(7) == await ledger.state("7") == (7, 2)
        assert [str(stream) for stream in await ledger.periods(7)] == ["book-7", "book-7@2"]
        for nothing in (None, ""):
            with pytest.raises(InvalidName, match="there is no id after the category 'book'"):
                await ledger.state(nothing)

    async def test_who_closed_and_asks_again_waits_for_the_next_period_too(self, store: AsyncStore) -> None:
        ledger = bound(store)
        await ledger.handle("a", Write(5))
        first = await ledger.handle("a", Close(1), idempotency_key="k")
        again = await ledger.handle("a", Close(1), idempotency_key="k")
        assert (again.state, again.version, again.events, again.position, again.repeated) == (
            first.state, first.version, first.events, await store.head(), True,
        )  # fmt: skip

    async def test_any_number_of_periods_follow_each_other(self, store: AsyncStore) -> None:
        ledger = bound(store)
        for year in range(1, 13):
            await ledger.handle("a", Write(1))
            await ledger.handle("a", Close(year))
        assert await ledger.state("a") == (12, 13)
        assert [name.id for name in await ledger.periods("a")] == ["a", *(f"a@{n}" for n in range(2, 14))]
        assert await ledger.state("b") == (0, 1)

    async def test_the_past_is_found_in_the_period_that_it_was_in(self, stores: Stores) -> None:
        clock = ManualClock()
        ledger = bound(await stores.open(clock=clock))
        seen: list[tuple[Position, Book]] = []
        times = [clock.time]
        for year in range(1, 4):
            for asked in (Write(year), Close(year)):
                handled = await ledger.handle("a", asked)
                seen.append((handled.position, handled.state))
                times.append(clock.move(timedelta(seconds=1)))

        assert [await ledger.state("a", as_of=position) for position, _ in seen] == [state for _, state in seen]
        assert [await ledger.state("a", as_of=moment - timedelta(microseconds=1)) for moment in times] == [
            (0, 1), *(state for _, state in seen),
        ]  # fmt: skip

    async def test_a_version_counts_the_events_of_all_periods(self, store: AsyncStore) -> None:
        ledger = bound(store)
        for asked in (Write(5), Close(1), Write(2), Close(2)):
            await ledger.handle("a", asked)

        assert [await ledger.state("a", as_of=version) for version in range(7)] == [
            (0, 1), (5, 1), (5, 2), (5, 2), (7, 2), (7, 3), (7, 3),
        ]  # fmt: skip
        opened = await ledger.load("a", as_of=3)
        assert (opened.version, opened.position) == (1, (await listed(ledger.read("a")))[2].position)
        for version in (-1, 7):
            with pytest.raises(
                NoSuchVersion, match=f"no version {version}: .* 6, counted over all its periods"
            ) as caught:
                await ledger.state("a", as_of=version)
            assert (caught.value.stream, caught.value.version, caught.value.actual) == ("book-a", version, 6)
            with pytest.raises(NoSuchVersion):
                await ledger.state("a", as_of=version, valid_at=datetime(2026, 1, 1, tzinfo=UTC))

    async def test_what_was_true_then_may_have_been_learnt_in_a_later_period(self, stores: Stores) -> None:
        clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        store = await stores.open(clock=clock)
        days = [clock.move(timedelta(days=n)) for n in (0, 10, 10, 10)]
        clock.set(days[0])
        await bound(store).handle("a", Write(5))
        clock.set(days[2])
        await bound(store).handle("a", Close(1))
        clock.set(days[3])
        await bound(store.context(valid_at=days[1])).handle("a", Write(2))

        ledger = bound(store)
        assert [await ledger.state("a", valid_at=day) for day in days] == [(5, 1), (7, 1), (7, 2), (7, 2)]
        assert [await ledger.state("a", as_of=days[2], valid_at=day) for day in days] == [
            (5, 1),
            (5, 1),
            (5, 2),
            (5, 2),
        ]
        known = [await ledger.state("a", as_of=version, valid_at=days[1]) for version in range(5)]
        assert known == [(0, 1), (5, 1), (5, 1), (5, 1), (7, 1)]
        late = await ledger.load("a", valid_at=days[1])
        assert (late.version, late.position) == (2, await store.head())
        assert await ledger.state("a", valid_at=days[0] - timedelta(microseconds=1)) == (0, 1)
        with pytest.raises(UsageError, match="valid_at="):
            await ledger.state("a", valid_at=days[0].replace(tzinfo=None))

    async def test_a_repeated_command_gives_the_first_outcome_also_in_a_later_period(self, store: AsyncStore) -> None:
        ledger = bound(store)
        first = await ledger.handle("a", Write(5), idempotency_key="k")
        closed = await ledger.handle("a", Close(1), idempotency_key="close")
        head = await store.head()

        again = await ledger.handle("a", Write(5), idempotency_key="k")
        closed_again = await ledger.handle("a", Close(1), idempotency_key="close")

        assert (again.state, again.version, again.events, again.repeated) == (first.state, 1, first.events, True)
        assert (closed_again.state, closed_again.version, closed_again.events) == (closed.state, 2, closed.events)
        for id, asked in (("a", Write(6)), ("b", Write(5))):
            with pytest.raises(KeyReused):
                await ledger.handle(id, asked, idempotency_key="k")
        assert await store.head() == head

    async def test_a_period_that_is_closed_already_is_not_closed_twice(self, store: AsyncStore) -> None:
        ledger = bound(store)
        await ledger.handle("a", Close(1))
        head = await store.head()
        assert (await ledger.handle("a", Close(1))).events == ()
        assert (await ledger.handle("a", Write(0), idempotency_key="k")).events == ()
        assert (await ledger.handle("a", Write(0), idempotency_key="k")).repeated
        assert await store.head() == head

    async def test_what_would_lose_something_of_the_state_is_refused(self, store: AsyncStore) -> None:
        lossy = store.bind(Closing(books, Closed, lambda book: Opened(book[0], 1)))
        with pytest.raises(UsageError, match="does not carry the state over"):
            await lossy.handle("a", Close(1))
        chatty = Decider("book", initial=books.initial, evolve=evolve, decide=chattering)
        with pytest.raises(UsageError, match="nothing can follow it"):
            await store.bind(Closing(chatty, Closed, closing.opening)).handle("a", Close(1))
        with pytest.raises(UsageError, match="contains '@'"):
            await bound(store).state("a@2")
        with pytest.raises(InvalidName):
            await bound(store).state("a" * 200)
        assert await store.head() == 0

    @pytest.mark.guarantee("G5")
    async def test_many_that_write_and_close_at_once_lose_nothing(self, stores: Stores) -> None:
        crowd = [bound(store) for store in await stores.crowd(6)]

        async def write(ledger: AsyncPeriods[Write | Close, Book, BookEvent]) -> None:
            for n in range(6):
                await ledger.handle("a", Write(1))
                await ledger.handle("a", Close(n + 1))

        await asyncio.gather(*map(write, crowd))

        assert await crowd[0].state("a") == (36, 7)
        streams = [str(name) for name in await crowd[0].periods("a")]
        assert streams == ["book-a", *(f"book-a@{n}" for n in range(2, 8))]
        events = await listed(crowd[0].read("a"))
        assert [e.position for e in events] == sorted(e.position for e in events)
        assert books(e.data for e in events) == (36, 7)
        assert books(e.data for e in events if not isinstance(e.data, Opened)) == (36, 7)


def bound(store: AsyncStore) -> AsyncPeriods[Write | Close, Book, BookEvent]:
    """The books of a store."""
    return store.bind(closing)
