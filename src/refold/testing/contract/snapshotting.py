"""Contract: a state that was saved or cached is what all events give, and nothing that is wrong with one is ever seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from inspect import isawaitable
from typing import Any

import pytest

from refold.aio import AsyncStore
from refold.errors import InvalidEvent, NoSuchVersion, SnapshotMismatch, UndecodableEvent, Unsupported, UsageError
from refold.flows import snapshots
from refold.flows.shortcuts import Standing
from refold.fold import Fold
from refold.messages import Position, RawEvent, event
from refold.ports import Backend, Own
from refold.snapshot import Snapshots
from refold.testing.clock import ManualClock
from refold.testing.contract.base import Contract, Place, Stores, listed
from refold.testing.contract.sample import (
    Deposit,
    Deposited,
    Noted,
    Overdrawn,
    Said,
    Withdraw,
    Withdrawn,
    accounts,
    balance,
    notes,
)

EVERY_5 = Snapshots(every=5)


def doubled(before: int, event: Deposited) -> int:
    """Another fold of the same events."""
    return before + 2 * event.amount


@event("total.added")
class Added:
    amount: float


def _with_more(total: float, event: Added) -> float:
    return total + event.amount


totals = Fold[float, Added]("total", lambda: 0, _with_more)


def _adds(amount: float) -> Callable[[float], Iterator[Added]]:
    def add(_: float) -> Iterator[Added]:
        yield Added(amount)

    return add


async def saved(store: AsyncStore, fold: Fold[Any, Any] = accounts, policy: Snapshots = EVERY_5) -> list[int]:
    """The versions that states were saved at and are sound."""
    checks = await store.bind(fold, snapshots=policy).check_snapshots("1")
    return [check.version for check in checks if check.verdict == "sound"]


async def verdicts(store: AsyncStore) -> list[tuple[int, str]]:
    """What is said of each saved state of account 1."""
    checks = await store.bind(accounts, snapshots=EVERY_5).check_snapshots()
    return [(check.version, check.verdict) for check in checks]


async def plant(store: AsyncStore, text: str) -> None:
    """Change the saved states behind the store's back."""
    blocking: Any = getattr(store, "_blocking", store)

    async def change(backend: Backend) -> None:
        await backend.work([Own(text, {})])

    done: Any = blocking._engine.outside(change)
    if isawaitable(done):
        await done


class Snapshotting(Contract):
    """`bind(..., snapshots=..., cache=...)`, `snapshot`, `check_snapshots`, `drop_snapshots`."""

    @pytest.fixture
    def sql_place(self, place: Place) -> Place:
        """The place, if it can keep snapshots."""
        if not place.sql:
            pytest.skip(f"{place.url} keeps no snapshots")
        return place

    async def _filled(self, store: AsyncStore, events: int = 12) -> AsyncStore:
        for amount in range(1, events + 1):
            await store.bind(accounts, snapshots=EVERY_5).handle("1", Deposit(amount))
        return store

    # When one is taken ----------------------------------------------------------

    async def test_one_is_taken_after_every_so_many_events(self, sql_place: Place, store: AsyncStore) -> None:
        await self._filled(store)
        assert await saved(store) == [5, 10]

    async def test_a_load_that_folded_many_events_leaves_one_behind(self, sql_place: Place, store: AsyncStore) -> None:
        await store.append("account-1", [Deposited(1)] * 12)
        bound = store.bind(accounts, snapshots=EVERY_5)
        assert (await bound.load("1")).began == 0
        assert (await bound.load("1")).began == 12
        assert [(await bound.load("1", as_of=version)).began for version in (8, 8, 9)] == [0, 8, 8]
        assert await saved(store) == [8, 12]

    async def test_one_is_taken_when_a_load_was_slow(self, sql_place: Place, stores: Stores) -> None:
        class Slow(ManualClock):
            def now(self) -> int:
                self.move(timedelta(seconds=1))
                return super().now()

        slow, quick = Snapshots(slower_than=timedelta(milliseconds=10)), Snapshots(slower_than=timedelta(hours=1))
        store = await stores.open(clock=Slow())
        await store.append("account-1", [Deposited(1)] * 3)
        await store.bind(accounts, snapshots=quick).state("1")
        assert await saved(store) == []
        await store.bind(accounts, snapshots=slow).state("1")
        assert await saved(store) == [3]

    async def test_one_is_taken_when_the_state_is_so(self, sql_place: Place, store: AsyncStore) -> None:
        policy = Snapshots(when=lambda balance: balance == 0)
        for command in (Deposit(1), Withdraw(1), Deposit(2)):
            await store.bind(accounts, snapshots=policy).handle("1", command)
        assert await saved(store) == [2]

    async def test_one_is_taken_on_demand_now_and_as_of_then(self, sql_place: Place, store: AsyncStore) -> None:
        await store.append("account-1", [Deposited(1)] * 4)
        bound = store.bind(accounts, snapshots=Snapshots())
        assert [await bound.snapshot("1"), await bound.snapshot("1", as_of=2), await bound.snapshot("2")] == [4, 2, 0]
        assert await saved(store) == [2, 4]
        with pytest.raises(NoSuchVersion, match="version 9"):
            await bound.snapshot("1", as_of=9)

    async def test_those_that_are_kept_are_spread_over_the_past(self, sql_place: Place, store: AsyncStore) -> None:
        policy = Snapshots(every=1, keep=4)
        for _ in range(33):
            await store.bind(accounts, snapshots=policy).handle("1", Deposit(1))
        kept = await saved(store, policy=policy)
        gaps = [after - before for before, after in zip([0, *kept], kept, strict=False)]
        assert (len(kept), kept[-1]) == (4, 33)
        assert max(gaps) <= 16

    async def test_a_policy_that_raises_and_a_state_that_cannot_be_saved_fail_no_command(
        self, sql_place: Place, store: AsyncStore
    ) -> None:
        raising = Snapshots(when=lambda balance: 1 // (balance - balance) > 0)
        assert (await store.bind(accounts, snapshots=raising).handle("1", Deposit(1))).version == 1

        def last(before: object, event: Said) -> object:
            return event.what

        said = Fold("said", object, last)
        await store.append("said-1", [Said("a")])
        bound = store.bind(said, snapshots=Snapshots(every=1))
        assert await bound.state("1") == "a"
        with pytest.raises(UsageError, match="said state"):
            await bound.snapshot("1")

    # What a load makes of them ----------------------------------------------------

    async def test_with_any_of_them_there_every_as_of_is_the_fold_of_the_prefix(
        self, sql_place: Place, store: AsyncStore
    ) -> None:
        for i in range(23):
            await store.append("note-1", [Noted(str(i))])
            await store.append("note-2", [Noted("other")])
        bound = store.bind(notes, snapshots=Snapshots(keep=99))
        events = await listed(store.read("note-1"))
        for taken in ((), (1,), (7, 20), (23, 13, 2)):
            for version in taken:
                await bound.snapshot("1", as_of=version)
            for known in range(24):
                expected = tuple(event.data.text for event in events[:known])
                assert await bound.state("1", as_of=known) == expected
                assert await bound.state("1", as_of=Position(events[known - 1].position if known else 0)) == expected

    async def test_valid_at_never_begins_with_one(self, sql_place: Place, stores: Stores) -> None:
        clock = ManualClock()
        store = await stores.open(clock=clock)
        await store.append("note-1", [Noted("a")])
        bound = store.bind(notes, snapshots=Snapshots(every=1))
        assert await bound.state("1") == ("a",)
        assert await bound.state("1", valid_at=clock.time - timedelta(days=1)) == ()

    async def test_a_changed_fold_and_a_raised_version_read_none_of_the_old(
        self, sql_place: Place, store: AsyncStore
    ) -> None:
        await self._filled(store, 5)
        other = Fold("account", int, doubled)
        assert await store.bind(other, snapshots=Snapshots()).state("1") == 30
        loaded = await store.bind(accounts, snapshots=Snapshots(version=2)).load("1")
        assert (loaded.state, loaded.began) == (15, 0)
        checks = await store.bind(other, snapshots=Snapshots()).check_snapshots()
        assert [check.verdict for check in checks] == ["outdated"]

    @pytest.mark.parametrize(
        ("change", "verdict"),
        [
            ("state = :four", "damaged"),
            ("checksum = state", "damaged"),
            ("position = position + 1", "foreign"),
            ("version = version + 100", "foreign"),
            ("fingerprint = 'of a newer one'", "outdated"),
        ],
    )
    async def test_damaged_foreign_and_newer_ones_are_passed_over_and_told(
        self, sql_place: Place, stores: Stores, store: AsyncStore, change: str, verdict: str
    ) -> None:
        await self._filled(store, 12)
        four = "'4'::bytea" if sql_place.url.startswith("postgres") and sql_place.together else "x'34'"
        await plant(store, f"update {{refold}}snapshots set {change.replace(':four', four)} where version = 10")  # noqa: S608 - ours
        loaded = await store.bind(accounts, snapshots=Snapshots()).load("1")
        assert (loaded.state, loaded.version, loaded.began) == (78, 12, 5)
        assert sorted(kind for _, kind in await verdicts(store)) == sorted(["sound", verdict])

    async def test_one_that_is_wrong_is_found_by_a_check_and_by_a_store_that_verifies(
        self, sql_place: Place, stores: Stores, store: AsyncStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await store.append("account-1", [Deposited(1)] * 3)
        real = snapshots.save

        async def lying(backend: Any, clock: Any, saving: Any, stream: str, standing: Standing[int]) -> bool:
            wrong = Standing(standing.state + 1, standing.version, standing.position, standing.began)
            return await real(backend, clock, saving, stream, wrong)

        monkeypatch.setattr("refold.flows.snapshotting.save", lying)
        await store.bind(accounts, snapshots=EVERY_5).snapshot("1")
        assert await verdicts(store) == [(3, "differs")]
        if sql_place.durable:
            verifying = await stores.open(verify_snapshots=True)
            with pytest.raises(SnapshotMismatch, match="it is 4, from the first event 3"):
                await verifying.bind(accounts, snapshots=EVERY_5).state("1")
            assert await verifying.bind(accounts).state("1") == 3

    async def test_they_may_all_be_dropped(self, sql_place: Place, store: AsyncStore) -> None:
        await self._filled(store)
        bound = store.bind(accounts, snapshots=EVERY_5)
        assert await bound.drop_snapshots(outdated=True) == 0
        assert await store.bind(accounts, snapshots=Snapshots(version=2)).drop_snapshots(outdated=True) == 2
        await bound.snapshot("1")
        assert [await bound.drop_snapshots("2"), await bound.drop_snapshots("1")] == [0, 1]
        assert await bound.state("1") == 78

    async def test_a_backend_without_sql_takes_none_and_says_so_when_asked(
        self, place: Place, store: AsyncStore
    ) -> None:
        bound = store.bind(accounts, snapshots=Snapshots(every=1))
        for _ in range(3):
            await bound.handle("1", Deposit(1))
        assert await bound.state("1") == 3
        if not place.sql:
            with pytest.raises(Unsupported, match="no place for snapshots"):
                await bound.snapshot("1")

    async def test_a_state_that_cannot_be_saved_keeps_no_other_from_it(
        self, sql_place: Place, store: AsyncStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        bound = store.bind(totals, snapshots=Snapshots(every=1))
        await bound.do("1", _adds(1))  # an int, where the state and the event say a float
        await bound.do("2", _adds(2.5))
        await bound.do("1", _adds(1.5))
        await bound.do("3", _adds(1))
        assert [(check.stream, check.version, check.verdict) for check in await bound.check_snapshots()] == [
            ("total-1", 2, "sound"),
            ("total-2", 1, "sound"),
        ]
        assert [record.levelname for record in caplog.records if record.name == "refold.snapshots"] == ["WARNING"]

    async def test_writers_of_snapshots_race_with_appends_and_every_one_is_sound(
        self, sql_place: Place, stores: Stores
    ) -> None:
        crowd = await stores.crowd(4)
        policy = Snapshots(every=3, keep=5)

        async def work(store: AsyncStore, number: int) -> None:
            bound = store.bind(accounts, snapshots=policy, cache=2 * (number % 2))
            for _ in range(15):
                await bound.handle("1", Deposit(1))
                if number == 0:
                    await bound.snapshot("1")

        await asyncio.gather(*(work(store, number) for number, store in enumerate(crowd)))
        assert await crowd[0].bind(accounts).state("1") == 60
        checks = await crowd[0].bind(accounts, snapshots=policy).check_snapshots()
        assert {check.verdict for check in checks} == {"sound"}
        assert await crowd[0].bind(accounts, snapshots=policy).state("1") == 60

    # The cache --------------------------------------------------------------------

    async def test_a_cached_state_that_is_old_never_shows(self, stores: Stores, store: AsyncStore) -> None:
        cached = store.bind(accounts, cache=10)
        for _ in range(3):
            await cached.handle("1", Deposit(10))
        await store.append("account-1", [Deposited(100)])
        assert await cached.state("1") == 130
        await store.append("account-1", [Deposited(1_000)])
        assert await cached.state("1", as_of=4) == 130
        handled = await cached.handle("1", Deposit(1))
        assert (handled.state, handled.version) == (1_131, 6)

    async def test_no_refusal_stands_on_a_cached_state_that_is_old(self, store: AsyncStore) -> None:
        cached = store.bind(accounts, cache=10)
        await cached.handle("1", Deposit(1))
        await store.append("account-1", [Deposited(100)])
        assert (await cached.handle("1", Withdraw(101))).state == 0
        with pytest.raises(Overdrawn):
            await cached.handle("1", Withdraw(1))

    async def test_no_decision_for_nothing_stands_on_a_cached_state_that_is_old(self, store: AsyncStore) -> None:
        def fill(balance: int) -> Iterator[Deposited]:
            if balance < 10:
                yield Deposited(10 - balance)

        cached = store.bind(accounts, cache=10)
        await cached.do("1", fill)
        await store.append("account-1", [Withdrawn(4)])
        assert (await cached.do("1", fill)).state == 10
        assert await store.bind(accounts).state("1") == 10

    async def test_what_was_not_committed_is_not_cached(self, store: AsyncStore) -> None:
        cached = store.bind(accounts, cache=10)
        await cached.handle("1", Deposit(1))

        def unreadable(balance: int) -> Iterator[Deposited]:
            yield Deposited(float("nan"))  # type: ignore[arg-type] # so that it is refused after the decision

        with pytest.raises(InvalidEvent):
            await cached.do("1", unreadable)
        assert (await cached.handle("1", Deposit(1))).state == 2

    async def test_the_cache_is_bounded_and_shared_by_all_who_bind_the_fold(self, store: AsyncStore) -> None:
        for i in range(5):
            await store.context(actor="ann").bind(accounts, cache=3).handle(str(i), Deposit(i + 1))
        bound = store.bind(accounts, cache=3)
        assert [await bound.state(str(i)) for i in range(5)] == [1, 2, 3, 4, 5]

    async def test_states_that_can_be_changed_in_place_are_not_cached(self, store: AsyncStore) -> None:
        def listing(before: list[int], event: Deposited) -> list[int]:
            before.append(event.amount)
            return before

        with pytest.raises(UsageError, match="cannot be cached: the state is list"):
            store.bind(Fold("account", list[int], listing), cache=10)

    async def test_an_event_that_cannot_be_read_is_told_with_a_snapshot_there_as_without(
        self, sql_place: Place, store: AsyncStore
    ) -> None:
        await self._filled(store, 5)
        await store.append("account-1", [RawEvent("account.deposited", {"amount": "much"})])
        with pytest.raises(UndecodableEvent, match="version 6"):
            await store.bind(accounts, snapshots=EVERY_5).state("1")
        assert await store.bind(accounts, snapshots=EVERY_5).state("1", as_of=5) == balance(10, Deposited(5))
