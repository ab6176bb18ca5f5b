"""Contract: state as the store knew it then (`as_of`), and as it was in the world then (`valid_at`)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from refold.aio import AsyncStore
from refold.errors import NoSuchVersion, UsageError
from refold.messages import NewEvent, Position
from refold.testing.clock import ManualClock
from refold.testing.contract.base import Contract, Stores, listed
from refold.testing.contract.sample import Deposit, Noted, accounts, notes

MARCH, APRIL, MAY = (datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4, 5))
INSTANT = timedelta(microseconds=1)


def true_since(moment: datetime, text: str) -> NewEvent[Noted]:
    """A note about something that was true from a time on."""
    return NewEvent(Noted(text), valid_at=moment)


class Traveling(Contract):
    """`state` and `load` with `as_of` and `valid_at`."""

    async def test_as_of_a_version_is_the_state_after_that_many_events(self, store: AsyncStore) -> None:
        account = store.bind(accounts)
        for amount in (1, 10, 100):
            await account.handle("1", Deposit(amount))
        assert [await account.state("1", as_of=version) for version in range(4)] == [0, 1, 11, 111]

    @pytest.mark.parametrize("version", [-1, 4, 2**53])
    async def test_a_version_that_is_not_there_is_an_error_with_the_actual_one(
        self, store: AsyncStore, version: int
    ) -> None:
        for _ in range(3):
            await store.append("account-1", [*accounts.decide(Deposit(1), 0)])
        with pytest.raises(NoSuchVersion, match="it is at version 3") as caught:
            await store.bind(accounts).state("1", as_of=version)
        assert (caught.value.stream, caught.value.version, caught.value.actual) == ("account-1", version, 3)

    async def test_as_of_a_position_is_the_state_when_the_store_was_there(self, store: AsyncStore) -> None:
        account = store.bind(accounts)
        first = (await account.handle("1", Deposit(1))).position
        other = (await account.handle("2", Deposit(5))).position
        last = (await account.handle("1", Deposit(10))).position

        states = [await account.state("1", as_of=Position(p)) for p in (0, first - 1, first, other, last, last + 100)]
        assert states == [0, 0, 1, 1, 11, 11]

    async def test_as_of_a_time_is_the_state_by_what_was_recorded_until_then(self, stores: Stores) -> None:
        clock = ManualClock()
        store = await stores.open(clock=clock)
        account = store.bind(accounts)
        early = clock.time
        await account.handle("1", Deposit(1))
        late = clock.move(timedelta(days=1))
        await account.handle("1", Deposit(10))

        times = (early - INSTANT, early, late - INSTANT, late, late + timedelta(days=400))
        assert [await account.state("1", as_of=moment) for moment in times] == [0, 1, 1, 11, 11]

    async def test_load_tells_how_far_the_state_reaches(self, store: AsyncStore) -> None:
        account = store.bind(accounts)
        await account.handle("2", Deposit(5))
        first = await account.handle("1", Deposit(1))
        last = await account.handle("1", Deposit(10))
        now, then, before = [await account.load("1", as_of=as_of) for as_of in (None, 1, 0)]
        assert (now.state, now.version, now.position) == (11, 2, last.position)
        assert (then.state, then.version, then.position) == (1, 1, first.position)
        assert (before.state, before.version, before.position) == (0, 0, 0)
        assert [await account.state("1", as_of=loaded.position) for loaded in (now, then, before)] == [11, 1, 0]

    async def test_valid_at_orders_events_by_when_they_were_true(self, store: AsyncStore) -> None:
        await store.append("note-1", [true_since(MAY, "may"), true_since(MARCH, "march"), true_since(APRIL, "april")])
        note = store.bind(notes)
        moments = (MARCH - INSTANT, MARCH, APRIL - INSTANT, APRIL, MAY, MAY + timedelta(days=999))
        assert [await note.state("1", valid_at=moment) for moment in moments] == [
            (), ("march",), ("march",), ("march", "april"), ("march", "april", "may"), ("march", "april", "may"),
        ]  # fmt: skip
        assert await note.state("1") == ("may", "march", "april")

    async def test_of_events_true_at_the_same_time_the_first_recorded_comes_first(self, store: AsyncStore) -> None:
        await store.append("note-1", [true_since(MARCH, "b"), true_since(MARCH, "a")])
        assert await store.bind(notes).state("1", valid_at=MARCH) == ("b", "a")

    async def test_an_event_that_names_no_time_was_true_when_it_was_recorded(self, stores: Stores) -> None:
        clock = ManualClock(APRIL)
        store = await stores.open(clock=clock)
        await store.append("note-1", [Noted("recorded in april"), true_since(MARCH, "true in march")])
        note = store.bind(notes)
        assert await note.state("1", valid_at=MARCH) == ("true in march",)
        assert await note.state("1", valid_at=APRIL) == ("true in march", "recorded in april")

    async def test_a_correction_changes_what_was_true_but_not_what_was_known(self, stores: Stores) -> None:
        clock = ManualClock(MARCH)
        store = await stores.open(clock=clock)
        note = store.bind(notes)
        await store.append("note-1", [Noted("lives in Oslo")])
        clock.set(MAY)
        await store.append("note-1", [true_since(APRIL, "moved to Bergen in April")])

        assert await note.state("1", valid_at=APRIL) == ("lives in Oslo", "moved to Bergen in April")
        assert await note.state("1", as_of=APRIL, valid_at=APRIL) == ("lives in Oslo",)
        assert await note.state("1", as_of=1, valid_at=MAY) == ("lives in Oslo",)
        assert await note.state("1", as_of=MAY, valid_at=APRIL - INSTANT) == ("lives in Oslo",)
        assert (await note.load("1", valid_at=MARCH)).version == 1

    async def test_every_as_of_and_valid_at_agrees_with_a_filter_in_python(self, stores: Stores) -> None:
        clock = ManualClock(MARCH)
        store = await stores.open(clock=clock)
        for i in range(30):
            valid = MARCH + timedelta(days=(i * 7) % 31)
            await store.append("note-1", [NewEvent(Noted(str(i)), valid_at=valid if i % 3 else None)])
            clock.move(timedelta(days=i % 2))
        stored, note = await listed(store.read()), store.bind(notes)
        for day in range(0, 35, 3):
            for known in range(0, 20, 5):
                valid_at, as_of = MARCH + timedelta(days=day), MARCH + timedelta(days=known)
                true_then = [e for e in stored if e.recorded_at <= as_of and e.valid_at <= valid_at]
                expected = tuple(e.data.text for e in sorted(true_then, key=lambda e: e.valid_at))
                assert await note.state("1", as_of=as_of, valid_at=valid_at) == expected

    async def test_a_time_without_a_time_zone_is_a_usage_error(self, store: AsyncStore) -> None:
        naive = MARCH.replace(tzinfo=None)
        with pytest.raises(UsageError, match="as_of="):
            await store.bind(notes).state("1", as_of=naive)
        with pytest.raises(UsageError, match="valid_at="):
            await store.bind(notes).state("1", valid_at=naive)
