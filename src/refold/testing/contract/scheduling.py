"""Contract: scheduled commands are sent when their times have come, each once, whoever runs them and however late."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from refold.aio import AsyncStore
from refold.errors import InvalidName, Unsupported, UsageError
from refold.flows.processes.scheduling import schedules
from refold.fold import Send
from refold.schedule import Misfire, Schedule
from refold.testing.clock import ManualClock
from refold.testing.contract.base import Place, Stores, listed
from refold.testing.contract.keys import Label, labelling
from refold.testing.contract.projecting import ModelContract
from refold.testing.contract.sample import Deposit, Deposited, Withdraw, accounts

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def rent(amount: int = 5) -> Send:
    """What is scheduled."""
    return accounts.send("1", Deposit(amount))


async def at_work(store: AsyncStore, clock: ManualClock, *passing: timedelta) -> Sequence[datetime]:
    """When deposits were made, if somebody looks after each of these spans."""
    for span in passing:
        clock.move(span)
        await store.process(schedules).catch_up(accounts)
    return [event.recorded_at for event in await listed(store.read("account-1"))]


class Scheduling(ModelContract):
    """`schedule`, `unschedule`, `schedules`, and the process that sends."""

    @pytest.fixture
    def hands(self) -> ManualClock:
        """A clock that is moved by hand, from noon of the first day of 2026."""
        return ManualClock(START)

    @pytest_asyncio.fixture
    async def clocked(self, stores: Stores, place: Place, hands: ManualClock) -> AsyncStore:
        """A store with SQL, without which nothing is run, that goes by this clock."""
        if not place.sql:
            pytest.skip(f"{place.url} has no SQL, so no timers either")
        return await stores.open(clock=hands)

    async def test_a_command_is_sent_at_its_time_and_once(self, clocked: AsyncStore, hands: ManualClock) -> None:
        assert await clocked.schedule("rent", send=rent(), at=START + HOUR) == Schedule(
            "rent", "account", "1", "account.deposit", {"amount": 5}, None, "UTC", START + HOUR, "once", START + HOUR
        )
        assert await at_work(clocked, hands, timedelta(), HOUR - timedelta(microseconds=1)) == []
        assert await at_work(clocked, hands, timedelta(microseconds=1), DAY) == [START + HOUR]
        assert await clocked.schedules() == ()

    async def test_a_command_is_sent_by_its_expression_on_the_clocks_of_its_zone(
        self, clocked: AsyncStore, hands: ManualClock
    ) -> None:
        made = await clocked.schedule("rent", send=rent(), cron="0 3 * * *", timezone="Europe/Rome")
        assert made.next == datetime(2026, 1, 2, 2, tzinfo=UTC)
        assert len(await at_work(clocked, hands, timedelta(), *[HOUR] * 48)) == 2
        assert [each.next for each in await clocked.schedules()] == [datetime(2026, 1, 4, 2, tzinfo=UTC)]

    @pytest.mark.parametrize(("misfire", "sent"), [("once", 1), ("all", 5), ("skip", 0)])
    async def test_times_that_were_missed_are_made_up_for_as_was_said(
        self, clocked: AsyncStore, hands: ManualClock, misfire: Misfire, sent: int
    ) -> None:
        await clocked.schedule("rent", send=rent(), cron="0 * * * *", misfire=misfire)
        await at_work(clocked, hands, timedelta())
        assert await at_work(clocked, hands, 5 * HOUR + timedelta(minutes=30)) == [hands.time] * sent
        assert len(await at_work(clocked, hands, timedelta(minutes=30))) == sent + 1

    async def test_one_time_that_was_missed_may_be_skipped_too(self, clocked: AsyncStore, hands: ManualClock) -> None:
        await clocked.schedule("rent", send=rent(), at=START + HOUR, misfire="skip")
        assert await at_work(clocked, hands, timedelta(), HOUR + timedelta(minutes=1)) == []
        assert await clocked.schedules() == ()

    async def test_the_same_again_changes_nothing_and_sends_nothing_twice(
        self, clocked: AsyncStore, hands: ManualClock
    ) -> None:
        for _ in range(3):
            await clocked.schedule("rent", send=rent(), cron="0 * * * *")
            await clocked.schedule("once", send=rent(), at=START + HOUR)
            await at_work(clocked, hands, timedelta(), HOUR)
        assert len(await at_work(clocked, hands)) == 3 + 1
        assert [each.name for each in await clocked.schedules()] == ["rent"]

    async def test_the_same_again_with_a_set_changes_nothing_in_whatever_order_the_set_is_gone_through(
        self, clocked: AsyncStore, hands: ManualClock
    ) -> None:
        for labels in ([0, 8], [8, 0]):
            await clocked.schedule("label", send=labelling.send("1", Label(frozenset(labels))), cron="0 * * * *")
            hands.move(HOUR)
        await clocked.process(schedules).catch_up(labelling)
        assert len(await listed(clocked.read("label-1"))) == 1

    async def test_what_is_set_anew_takes_the_place_of_what_was(self, clocked: AsyncStore, hands: ManualClock) -> None:
        await clocked.schedule("rent", send=rent(5), cron="0 * * * *")
        await at_work(clocked, hands, timedelta(), HOUR)
        made = await clocked.schedule("rent", send=rent(7), cron="0 0 * * *")
        assert (made.data, made.next) == ({"amount": 7}, datetime(2026, 1, 2, tzinfo=UTC))
        await at_work(clocked, hands, timedelta(), *[HOUR] * 24)
        assert [event.data for event in await listed(clocked.read("account-1"))] == [Deposited(5), Deposited(7)]

    async def test_what_was_removed_sends_nothing_any_more(self, clocked: AsyncStore, hands: ManualClock) -> None:
        await clocked.schedule("rent", send=rent(), cron="0 * * * *")
        await at_work(clocked, hands, timedelta(), HOUR)
        assert await clocked.unschedule("rent")
        assert not await clocked.unschedule("rent")
        assert len(await at_work(clocked, hands, timedelta(), HOUR)) == 1
        assert (await clocked.schedules(), await clocked.process(schedules).timers()) == ((), ())
        await clocked.schedule("rent", send=rent(), cron="0 * * * *")
        assert len(await at_work(clocked, hands, timedelta(), HOUR)) == 2

    async def test_what_was_removed_before_anybody_looked_never_begins(
        self, clocked: AsyncStore, hands: ManualClock
    ) -> None:
        await clocked.schedule("rent", send=rent(), cron="0 * * * *")
        await clocked.unschedule("rent")
        assert await at_work(clocked, hands, timedelta(), HOUR) == []

    async def test_a_command_that_is_refused_is_parked_and_holds_up_nothing(
        self, clocked: AsyncStore, hands: ManualClock
    ) -> None:
        await clocked.schedule("fee", send=accounts.send("1", Withdraw(7)), cron="0 * * * *")
        await at_work(clocked, hands, timedelta(), HOUR, *[timedelta(minutes=1)] * 3)
        (parked,) = await clocked.process(schedules).outgoing(parked=True)
        assert (parked.type, parked.attempts, parked.state) == ("account.withdraw", 3, "parked")
        await clocked.append("account-1", [Deposited(7)])
        assert len(await at_work(clocked, hands, HOUR - timedelta(minutes=3))) == 2

    async def test_journals_do_not_grow_without_end(
        self, clocked: AsyncStore, hands: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("refold.flows.processes.scheduling.TURNS", 5)
        await clocked.schedule("rent", send=rent(), cron="* * * * *", misfire="all")
        await at_work(clocked, hands, timedelta())
        assert len(await at_work(clocked, hands, timedelta(minutes=11))) == 11
        states = {each.id: (each.state, each.inputs) for each in await clocked.process(schedules).list()}
        assert states == {"rent.1": ("finished", 6), "rent.2": ("finished", 6), "rent.3": ("running", 2)}
        assert [each.next for each in await clocked.schedules()] == [hands.time + timedelta(minutes=1)]

    async def test_a_runner_sends_beside_everything_else(self, sql_store: AsyncStore) -> None:
        await sql_store.schedule("past", send=rent(), at=START)
        async with sql_store.run(schedules, accounts), asyncio.timeout(30):
            await sql_store.schedule("soon", send=rent(7), at=datetime.now(UTC) + timedelta(seconds=0.5))
            head = 0
            while await sql_store.bind(accounts).state("1") < 12:
                head = await sql_store.wait(head, timeout=30)
        assert [event.data for event in await listed(sql_store.read("account-1"))] == [Deposited(5), Deposited(7)]

    async def test_many_who_set_the_same_set_it_once(self, stores: Stores, sql_store: AsyncStore) -> None:
        crowd = await stores.crowd(8)
        await asyncio.gather(*(each.schedule("rent", send=rent(), cron="0 3 * * *") for each in crowd))
        assert [each.name for each in await sql_store.schedules()] == ["rent"]
        assert len(await listed(sql_store.read(category="$schedule"))) == 1

    async def test_schedules_are_told_by_name_and_are_no_events_of_the_application(self, sql_store: AsyncStore) -> None:
        for name in ("b", "a", "a b-c"):
            await sql_store.schedule(name, send=rent(), cron="0 3 * * *")
        assert [each.name for each in await sql_store.schedules()] == ["a", "a b-c", "b"]
        assert await listed(sql_store.read()) == []

    @pytest.mark.parametrize(
        ("name", "options", "said"),
        [
            ("rent", {}, "one of the two"),
            ("rent", {"cron": "0 3 * * *", "at": START}, "one of the two"),
            ("rent", {"at": START.replace(tzinfo=None)}, "no time zone"),
            ("rent", {"cron": "0 3 * *"}, "has 4 fields"),
            ("rent", {"cron": "0 24 * * *"}, "bad hour"),
            ("rent", {"cron": "0 0 30 2 *"}, "bad day-of-month"),
            ("rent", {"cron": "0 0 29 2 MON#6"}, "bad day-of-week"),
            ("rent", {"cron": "0 3 * * *", "timezone": "Europe/Nowhere"}, "no time zone 'Europe/Nowhere'"),
            ("rent", {"cron": "0 3 * * *", "misfire": "twice"}, "'twice'"),
            ("rent", {"cron": "0 3 * * *", "send": rent().otherwise(Deposited(1))}, "back"),
            ("rent", {"cron": "0 3 * * *", "send": Send("account", "1", "deposit")}, "@command"),
            ("rent", {"cron": "0 3 * * *", "send": accounts.send("", Deposit(1))}, "stream name"),
            ("", {"cron": "0 3 * * *"}, "schedule name"),
            ("n" * 172, {"cron": "0 3 * * *"}, "it has 172 characters, 171 are allowed"),
        ],
    )
    async def test_what_can_never_be_sent_is_refused_at_once(
        self, sql_store: AsyncStore, name: str, options: dict[str, Any], said: str
    ) -> None:
        given: dict[str, Any] = {"send": rent(), **options}
        with pytest.raises((UsageError, InvalidName), match=said):
            await sql_store.schedule(name, **given)
        assert await sql_store.schedules() == ()

    async def test_without_sql_nothing_can_be_scheduled(self, store: AsyncStore, place: Place) -> None:
        if place.sql:
            pytest.skip(f"{place.url} has SQL, so timers, too")
        with pytest.raises(Unsupported):
            await store.schedule("rent", send=rent(), at=START)
        assert await listed(store.read(category="$schedule")) == []
