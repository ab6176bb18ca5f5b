"""Contract: what an operator sees of processes, and does to them; and journals that are out of the way. Where there is SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from datetime import timedelta
from typing import Any, Final

import pytest

from refold.aio import AsyncStore
from refold.aio_instances import AsyncInstances
from refold.errors import NoSuchInstance, NoSuchProjection, UsageError
from refold.external import Retry
from refold.messages import NewEvent, Recorded
from refold.ports import Backend, Own
from refold.process import Effect, after, cancel, fail, finish
from refold.projection import Projection
from refold.testing.clock import ManualClock
from refold.testing.contract.base import Stores, listed
from refold.testing.contract.ordering import (
    HOUR,
    JOURNAL,
    Declined,
    Overdue,
    Paid,
    Placed,
    ProcessContract,
    State,
    led_to,
    payment,
    quiet,
    state_of,
)
from refold.testing.contract.sample import Deposit, Deposited, Withdraw, accounts


def shop_like(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
    """Waits for a payment, books it, and fails at one of 13 cents."""
    match recorded.data:
        case Placed():
            yield after(2 * HOUR, Overdue())
        case Paid(13):
            raise ZeroDivisionError
        case Paid(0):
            yield fail("nothing was paid")
        case Paid(cents):
            yield cancel(Overdue)
            yield accounts.send("a", Deposit(cents) if cents < 100 else Withdraw(cents))
        case Overdue():
            yield finish()
        case _:
            pass


class Operating(ProcessContract):
    """`start`, `list`, `show`, `cancel`, `retry`, `skip`, `signal`, `reindex`, `status`."""

    async def test_instances_are_listed_page_after_page_and_by_their_state(self, shop: AsyncStore) -> None:
        instances = shop.process(payment(shop_like))
        for id in "edcba":
            await shop.append(f"order-{id}", [Placed(), Paid(0 if id in "bd" else 1)])
        await instances.catch_up(accounts)
        assert [each.id for each in await instances.list()] == ["a", "b", "c", "d", "e"]
        assert [each.id for each in await instances.list(limit=2)] == ["a", "b"]
        assert [each.id for each in await instances.list(after="b", limit=2)] == ["c", "d"]
        assert [(each.id, each.reason) for each in await instances.list("failed")] == [
            ("b", "nothing was paid"), ("d", "nothing was paid"),
        ]  # fmt: skip
        assert [each.id for each in await instances.list("running", after="a")] == ["c", "e"]

    async def test_an_instance_tells_what_it_waits_for(self, shop: AsyncStore, clock: ManualClock) -> None:
        instances = shop.process(payment(shop_like))
        await shop.append("order-1", [Placed()])
        await instances.catch_up()
        clock.move(timedelta(minutes=7, seconds=50))
        events = "order.placed, order.paid, order.declined, order.charged"
        assert (await instances.show("1")).waiting_for == f"{events}, or order.overdue in 01:52:10"
        clock.move(26 * HOUR)
        assert (await instances.show("1")).waiting_for == f"{events}, or order.overdue, due since 1 d 00:07:50"
        view = await instances.show("1")
        assert (view.process, view.id, view.version, view.status, view.reason, view.state) == (
            "payment", "1", 1, "running", "", (Placed(),),
        )  # fmt: skip
        assert (view.timers, view.messages, view.parked, view.started_at == view.moved_at) == (
            await instances.timers("1"), (), (), True,
        )  # fmt: skip

    async def test_what_does_not_go_on_is_listed_as_stuck_and_why(self, shop: AsyncStore, clock: ManualClock) -> None:
        instances = shop.process(payment(shop_like, retry=Retry(1)))
        await shop.append("order-input", [Placed(), Paid(13)])
        await shop.append("order-message", [Placed(), Paid(500)])
        await shop.append("order-quiet", [Placed(), Paid(1)])
        await shop.append("order-timer", [Placed()])
        await instances.catch_up(accounts)
        assert [each.id for each in await instances.list(stuck=True)] == ["input", "message"]
        clock.move(2 * HOUR + timedelta(seconds=30))
        assert [each.id for each in await instances.list(stuck=True)] == ["input", "message", "quiet"]
        clock.move(timedelta(microseconds=1))
        found = await instances.list(stuck=True)
        assert [(each.id, each.stuck[: each.stuck.find(":")]) for each in found[:1]] == [
            ("input", "the input at position 2 is parked"),
        ]  # fmt: skip
        assert [(each.id, each.stuck) for each in found[1:]] == [
            ("message", "account.withdraw to account is parked after 1 attempt: Overdrawn"),
            ("quiet", "nothing has moved since 2026-01-01 00:00:00, and nothing is to come"),
            ("timer", "timer order.overdue is due since 2026-01-01 02:00:00, and nobody lets it come back"),
        ]
        assert [each.id for each in await instances.list(stuck=True, stuck_after=3 * HOUR)] == [
            "input", "message", "timer",
        ]  # fmt: skip
        assert [each.id for each in await instances.list(stuck=True, after="input", limit=1)] == ["message"]

    async def test_one_that_is_cancelled_ends_when_that_is_taken_in_and_until_then_is_said_to_run(
        self, shop: AsyncStore, clock: ManualClock
    ) -> None:
        instances = shop.context(actor="ada").process(payment(shop_like))
        await shop.append("order-1", [Placed(), Paid(13), Paid(2)])
        await instances.catch_up()
        asked = await instances.cancel("1", "a mistake")
        assert (asked.state, asked.told) == (
            "running", "it is asked to end, and still running: no runner runs the process now",
        )  # fmt: skip
        await instances.catch_up(accounts)
        view = await instances.show("1")
        assert (view.status, view.reason, view.state, view.timers, view.parked) == (
            "cancelled", "a mistake", (Placed(),), (), (),
        )  # fmt: skip
        assert [(each.what, each.led_to, each.actor) for each in view.history[1:]] == [
            ("skipped its inputs at 2, 3: a mistake", (), "ada"),
            ("asked it to end: a mistake", ("cancelled: a mistake",), "ada"),
        ]
        again = await instances.cancel("1", "once more")
        assert (again.state, again.reason, again.told) == (
            "cancelled", "a mistake", "it was cancelled already, and nothing was done",
        )  # fmt: skip

    async def test_where_a_runner_runs_a_cancelled_one_has_ended_when_that_returns(self, shop: AsyncStore) -> None:
        instances = shop.process(payment(shop_like))
        await shop.append("order-1", [Placed()])
        async with shop.run(payment(shop_like), accounts):
            async with shop.subscribe(JOURNAL) as journal:
                await anext(journal)
            done = await instances.cancel("1", "a mistake", timeout=30)
        assert (done.state, done.reason, done.told) == ("cancelled", "a mistake", "it is cancelled")

    async def test_who_cancels_one_and_waits_for_no_time_is_told_before_that(self, shop: AsyncStore) -> None:
        instances = shop.process(payment(quiet))
        await shop.append("order-1", [Placed()])
        await instances.catch_up()
        with pytest.raises(UsageError, match="timeout=nan is no time to wait"):
            await instances.cancel("1", "a mistake", timeout=float("nan"))
        assert [each.state for each in await instances.list()] == ["running"]

    async def test_one_that_has_not_begun_cannot_be_cancelled(self, shop: AsyncStore) -> None:
        instances = shop.process(payment(quiet, starts_on=(Placed,), otherwise="park"))
        await shop.append("order-1", [Paid(1)])
        await instances.catch_up()
        with pytest.raises(UsageError, match="instance '1' of process 'payment' has not begun"):
            await instances.cancel("1", "")
        assert [(each.id, each.state) for each in await instances.list("unbegun")] == [("1", "unbegun")]
        await instances.skip("1", "")
        assert await instances.list() == ()

    async def test_an_operator_skips_the_input_that_fails_and_those_behind_go_on(self, shop: AsyncStore) -> None:
        instances = shop.context(actor="ada").process(payment(shop_like))
        await shop.append("order-1", [Placed(), Paid(13), Paid(1), Paid(13), Paid(2)])
        await instances.catch_up(accounts)
        mended = await instances.skip("1", "a test")
        assert (mended.inputs, mended.messages, mended.parked) == (1, 0, 2)
        assert (await instances.skip("1", "another")).parked == 0
        await instances.catch_up(accounts)
        assert await state_of(instances) == (Placed(), Paid(1), Paid(2))
        assert [what for what, _ in await led_to(instances) if "skipped" in what] == [
            "skipped its inputs at 2: a test", "skipped its inputs at 4: another",
        ]  # fmt: skip

    async def test_a_retry_that_fails_again_says_how_much_is_left(self, shop: AsyncStore) -> None:
        instances = shop.process(payment(shop_like))
        await shop.append("order-1", [Placed(), Paid(13), Paid(1)])
        await instances.catch_up()
        mended = await instances.retry("1", "try")
        assert (mended.inputs, mended.messages, mended.parked) == (0, 0, 2)
        assert (await led_to(instances))[-1] == ("let its parked inputs be taken in again: try", ())

    async def test_an_instance_is_begun_once_by_an_event_of_its_own(self, shop: AsyncStore) -> None:
        instances = shop.context(actor="ada").process(payment(shop_like, starts_on=(Placed,), otherwise="keep"))
        await shop.append("order-2", [Paid(1)])
        await instances.catch_up(accounts)
        begun = [await instances.start("1", Placed()), await instances.start("1", Placed())]
        assert [(each.positions, each.repeated) for each in begun] == [
            (begun[0].positions, False), (begun[0].positions, True),
        ]  # fmt: skip
        assert not (await instances.start("2", Placed())).repeated  # what is kept begins nothing
        await instances.catch_up(accounts)
        assert (await instances.start("2", Placed())).repeated
        assert [await state_of(instances, id) for id in "12"] == [(Placed(),), (Placed(), Paid(1))]
        assert [(each.what, each.actor) for each in (await instances.show("1")).history] == [("order.placed", "ada")]
        assert await listed(shop.read("order-1")) == []
        with pytest.raises(
            UsageError, match=r"process 'payment' is not begun by Paid\(cents=1\): it is by order.placed"
        ):
            await instances.start("3", Paid(1))

    async def test_one_that_was_started_can_be_shown_and_steered_before_anybody_has_taken_that_in(
        self, shop: AsyncStore
    ) -> None:
        instances = shop.process(payment(shop_like, starts_on=(Placed,)))
        for id in "12":
            await instances.start(id, Placed())
        view = await instances.show("1")
        assert (view.status, view.waiting_for) == ("unbegun", "a runner that takes in order.placed")
        await instances.signal("1", Paid(5))
        assert (await instances.cancel("2", "a mistake")).state == "running"
        await instances.catch_up(accounts)
        assert await state_of(instances) == (Placed(), Paid(5))
        assert [(each.id, each.state, each.reason) for each in await instances.list()] == [
            ("1", "running", ""), ("2", "cancelled", "a mistake"),
        ]  # fmt: skip

    async def test_one_whose_start_was_given_up_is_unknown_to_who_would_steer_it(self, shop: AsyncStore) -> None:
        def react(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
            raise ZeroDivisionError

        instances = shop.process(payment(react, starts_on=(Placed,)))
        await instances.start("1", Placed())
        await instances.catch_up()
        await instances.skip("1", "not meant")
        assert (await instances.show("1")).waiting_for == "an event that begins it"
        for call in (instances.signal("1", Paid(5)), instances.cancel("1", "a mistake")):
            with pytest.raises(NoSuchInstance):
                await call

    async def test_one_for_which_more_is_kept_than_a_page_holds_is_begun(self, shop: AsyncStore) -> None:
        instances = shop.process(payment(quiet, starts_on=(Placed,), otherwise="keep"))
        for _ in range(2):
            await shop.append("order-1", [Paid(1)] * 501)
        await instances.catch_up()
        begun = [await instances.start("1", Placed()) for _ in range(2)]
        assert [(each.version, each.repeated) for each in begun] == [(1_003, False), (1_003, True)]

    async def test_an_instance_with_more_messages_than_a_page_holds_is_shown_whole(self, shop: AsyncStore) -> None:
        def react(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
            return [accounts.send("a", Withdraw(1))] * 167

        instances = shop.process(payment(react))
        await shop.append("order-1", [Placed()] * 6)
        await instances.catch_up()
        assert len((await instances.show("1")).messages) == 1_002

    async def test_an_instance_that_an_event_elsewhere_began_is_not_begun_again(self, shop: AsyncStore) -> None:
        instances = shop.process(payment(shop_like, starts_on=(Placed,)))
        await shop.append("order-1", [Placed()])
        await instances.catch_up(accounts)
        assert (await instances.start("1", Placed())).repeated
        await instances.catch_up(accounts)
        assert await state_of(instances, "1") == (Placed(),)

    async def test_an_operator_gives_an_instance_an_event(self, shop: AsyncStore) -> None:
        instances = shop.context(actor="ada").process(payment(shop_like))
        await shop.append("order-1", [Placed()])
        await instances.catch_up()
        ((timer),) = await instances.timers()
        receipt = await instances.signal("1", Declined("by phone"))
        repeated = await instances.signal("1", NewEvent(Declined("by phone"), id=receipt.ids[0]))
        assert (repeated.positions, repeated.repeated) == (receipt.positions, True)
        await instances.catch_up()
        view = await instances.show("1")
        assert (view.state, view.timers) == ((Placed(), Declined("by phone")), (timer,))
        assert [(each.what, each.data, each.actor) for each in view.history[1:]] == [
            ("order.declined", Declined("by phone"), "ada"),
        ]  # fmt: skip
        (placed,), signalled = await listed(shop.read("order-1")), await listed(shop.read(JOURNAL))
        assert {each.metadata.correlation_id for each in signalled} == {placed.metadata.correlation_id}
        with pytest.raises(UsageError, match=r"process 'payment' does not react to Deposit\(amount=1\)"):
            await instances.signal("1", Deposit(1))
        await instances.signal("1", Paid(0))
        await instances.catch_up()
        with pytest.raises(UsageError, match="instance '1' of process 'payment' is failed"):
            await instances.signal("1", Declined())

    async def test_the_index_is_the_same_when_it_is_made_again(self, shop: AsyncStore, clock: ManualClock) -> None:
        instances, other = shop.process(payment(shop_like, retry=Retry(2))), shop.process(payment(shop_like, "other"))
        for id, cents in (("1", 1), ("2", 500), ("3", 13), ("4", 0), ("5", 2)):
            await shop.append(f"order-{id}", [Placed(), Paid(cents)])
        await shop.append("order-6", [Placed()])
        for _ in range(3):
            await instances.catch_up(accounts)
            await other.catch_up()
            clock.move(timedelta(seconds=2))
        await instances.retry("2", "again")
        await instances.catch_up(accounts)
        before = await rows_of(instances), await rows_of(other)
        assert await instances.reindex() == 6
        assert (await rows_of(instances), await rows_of(other)) == before
        assert [len(rows) for rows in before[0]] == [6, 2, 1]

    async def _waiting(self, shop: AsyncStore) -> AsyncInstances:
        """Instances that wait for a command to be delivered, and for a timeout."""
        instances = shop.process(payment(shop_like))
        await shop.append("order-1", [Placed(), Paid(5)])
        await shop.append("order-2", [Placed()])
        await instances.catch_up()
        return instances

    async def test_the_index_of_a_copy_is_made_from_its_journals(
        self, shop: AsyncStore, stores: Stores, clock: ManualClock
    ) -> None:
        instances = await self._waiting(shop)
        before = await rows_of(instances)
        await without_rows(instances)
        assert await instances.list() == ()
        assert await instances.reindex() == 2  # a copy that is run does it by itself
        processes, timers, outbox = await rows_of(instances)
        assert (processes, timers, len(outbox)) == (before[0], before[1], 1)
        await instances.catch_up(accounts)
        assert await shop.bind(accounts).state("a") == 5

    async def test_a_copy_goes_on_with_what_its_instances_wait_for_as_soon_as_it_is_run(
        self, shop: AsyncStore, stores: Stores, clock: ManualClock
    ) -> None:
        instances = await self._waiting(shop)
        await without_rows(instances)
        await shop.model(Projection("$process.payment")).reset()
        await shop.append("order-3", [Placed()])
        await instances.catch_up(accounts)
        assert [(each.id, each.state, each.inputs) for each in await instances.list()] == [
            ("1", "running", 2), ("2", "running", 1), ("3", "running", 1),
        ]  # fmt: skip
        assert await shop.bind(accounts).state("a") == 5
        assert [timer.instance for timer in await instances.timers()] == ["2", "3"]
        clock.move(2 * HOUR)
        await instances.catch_up()
        assert [each.state for each in await instances.list()] == ["running", "finished", "finished"]

    async def test_while_the_index_is_made_again_nothing_is_lost_or_done_twice(self, shop: AsyncStore) -> None:
        instances, orders = shop.process(payment(shop_like)), 60
        async with shop.run(payment(shop_like), accounts), shop.subscribe("account-a") as deposits:
            for id in range(orders):
                await shop.append(f"order-{id}", [Placed(), Paid(1)])
                if id % 10 == 9:
                    await instances.reindex()
            assert [(await anext(deposits)).data for _ in range(orders)] == [Deposited(1)] * orders
        await instances.catch_up(accounts)
        rows = await rows_of(instances)
        await instances.reindex()
        assert (await rows_of(instances), [len(each) for each in rows]) == (rows, [orders, 0, 0])
        assert await shop.bind(accounts).state("a") == orders

    async def test_its_status_is_that_of_a_projection(self, shop: AsyncStore) -> None:
        instances = shop.process(payment(quiet))
        with pytest.raises(NoSuchProjection):
            await instances.status()
        await shop.append("order-1", [Placed()])
        await instances.catch_up()
        await shop.append("order-1", [Placed()])
        status = await instances.status()
        assert (status.name, status.state, status.position, status.head, status.is_stuck) == (
            "$process.payment", "running", 2 + 1, 4, False,
        )  # fmt: skip


_TABLES: Final = ("processes", "timers", "outgoing")


async def rows_of(instances: AsyncInstances) -> tuple[list[Any], ...]:
    """All that the index holds about a process."""
    return tuple([
        sorted(await _query(instances, f"select * from {{refold}}{table} where process = :process"))  # noqa: S608 - names of ours
        for table in _TABLES
    ])  # fmt: skip


async def without_rows(instances: AsyncInstances) -> None:
    """Remove all that the index holds about a process, as it is in a copy."""
    for table in _TABLES:
        await _done(instances, lambda b, own: b.work([own]), f"delete from {{refold}}{table} where process = :process")  # noqa: S608 - a name of ours


async def _query(instances: AsyncInstances, text: str) -> Any:
    return await _done(instances, lambda b, own: b.query(own), text)


async def _done(instances: AsyncInstances, do: Callable[[Backend, Own], Coroutine[Any, Any, Any]], text: str) -> Any:
    """Something with SQL of ours, where no user comes."""
    face: Any = getattr(instances, "_blocking", instances)
    own = Own(text, {"process": face._process.name})

    async def flow(backend: Backend) -> Any:
        return await do(backend, own)

    found = face._engine.outside(flow)
    return await found if asyncio.iscoroutine(found) else found
