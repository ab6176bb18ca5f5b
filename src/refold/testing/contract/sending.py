"""Contract: commands of a process reach their deciders, each with its effect once, in the order of its instance. With SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from refold.aio import AsyncStore
from refold.aio_instances import AsyncInstances
from refold.errors import UsageError
from refold.external import Retry
from refold.flows.processes.outgoing import Outgoing
from refold.fold import Decider
from refold.messages import Recorded
from refold.process import Effect, finish
from refold.projection import Projection
from refold.testing.clock import ManualClock
from refold.testing.contract.base import listed
from refold.testing.contract.closing import Close, Closed, Opened, Write, Written, closing
from refold.testing.contract.closing import books as ledgers
from refold.testing.contract.ordering import (
    JOURNAL,
    Declined,
    Overdue,
    Paid,
    Placed,
    ProcessContract,
    State,
    led_to,
    payment,
    state_of,
    types_in,
)
from refold.testing.contract.sample import Deposit, Deposited, Withdraw, Withdrawn, accounts, notes

SECOND = timedelta(seconds=1)


def books(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
    """What is placed is taken out of the account, and what is paid is put into it."""
    match recorded.data:
        case Placed(cents):
            yield accounts.send("a", Withdraw(cents))
        case Paid(cents):
            yield accounts.send("a", Deposit(cents))
        case _:
            pass


def hopeful(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
    """As `books`, but a refusal comes back."""
    if isinstance(recorded.data, Placed):
        yield accounts.send("a", Withdraw(recorded.data.cents)).otherwise(Declined("no money"))


async def waiting(instances: AsyncInstances) -> list[tuple[str, str, int, str]]:
    """The messages that are not delivered."""
    return [(each.type, each.state, each.attempts, each.error) for each in await instances.outgoing()]


def keeps_books(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
    """What is paid is written into a book, and the end of its year closes that."""
    match recorded.data:
        case Paid(cents):
            yield ledgers.send("a", Write(cents))
        case Overdue(year):
            yield ledgers.send("a", Close(year))
        case _:
            pass


class Sending(ProcessContract):
    """Commands of processes."""

    async def test_a_command_to_a_thing_whose_books_are_closed_comes_to_the_current_period(
        self, shop: AsyncStore
    ) -> None:
        instances = shop.process(payment(keeps_books))
        await shop.append("order-1", [Paid(1), Overdue(1), Paid(2), Overdue(1), Paid(4)])
        for _ in range(2):
            await instances.catch_up(closing)
            await shop.model(Projection("$process.payment")).reset()
        ledger = shop.bind(closing)
        assert [(str(e.stream), e.data) for e in await listed(ledger.read("a"))] == [
            ("book-a", Written(1)), ("book-a", Closed(1)),
            ("book-a@2", Opened(1, 2)), ("book-a@2", Written(2)), ("book-a@2", Written(4)),
        ]  # fmt: skip
        assert await waiting(instances) == []

    async def test_a_runner_delivers_to_the_current_period_too(self, shop: AsyncStore) -> None:
        ledger = shop.bind(closing)
        await ledger.handle("a", Write(1))
        await ledger.handle("a", Close(1))
        async with shop.run(payment(keeps_books), ledgers, closing), shop.subscribe("book-a@2") as period:
            await shop.append("order-1", [Paid(2)])
            assert [(await anext(period)).data for _ in range(2)] == [Opened(1, 2), Written(2)]

    async def test_what_can_take_nothing_is_no_receiver(self, shop: AsyncStore) -> None:
        nobody: Any = notes
        with pytest.raises(UsageError, match="is nothing that runs, and takes nothing that processes send"):
            await shop.process(payment(keeps_books)).catch_up(nobody)

    async def test_a_command_reaches_its_decider_in_the_story_of_its_instance(self, shop: AsyncStore) -> None:
        instances = shop.process(payment(books))
        receipt = await shop.append("order-1", [Paid(5)])
        done = await instances.catch_up(accounts)
        assert (done.commands, await shop.bind(accounts).state("a"), await instances.outgoing()) == (1, 5, [])
        (placed,), (deposited,) = await listed(shop.read("order-1")), await listed(shop.read("account-a"))
        (sent,) = [each for each in await listed(shop.read(JOURNAL)) if each.type == "$process.sent"]
        assert (placed.id, placed.metadata.correlation_id) == (receipt.ids[0], deposited.metadata.correlation_id)
        assert (sent.metadata.causation_id, deposited.metadata.free["$cause"]) == (str(placed.id), str(sent.id))
        assert await types_in(shop) == ["$process.started", "$process.reacted", "$process.sent", "$process.delivered"]
        assert await led_to(instances) == [
            ("order.paid", ("it began, as one of version 1", "sent account.deposit to account-a")),
            ("delivered account.deposit to account-a", ()),
        ]

    @pytest.mark.guarantee("G16")
    async def test_a_command_that_was_delivered_before_has_no_further_effect(self, shop: AsyncStore) -> None:
        instances = shop.process(payment(books))
        await shop.append("order-1", [Paid(5)])
        await instances.catch_up()
        ((message),) = await instances.outgoing()
        await shop.bind(accounts).handle("a", Deposit(5), idempotency_key=str(message.id))  # and then it was killed
        await instances.catch_up(accounts)
        assert await listed(shop.read("account-a")) == await listed(shop.read("account-a", limit=1))
        assert (await shop.bind(accounts).state("a"), await instances.outgoing()) == (5, [])

    async def test_many_instances_share_a_delivery_and_one_refusal_does_not_hold_the_others_up(
        self, shop: AsyncStore
    ) -> None:
        instances = shop.process(payment(books))
        for id in range(70):
            await shop.append(f"order-{id}", [Placed(1_000) if id == 33 else Paid(1)])
        await instances.catch_up(accounts)
        assert await shop.bind(accounts).state("a") == 69
        assert [each.instance for each in await instances.outgoing()] == ["33"]

    async def test_a_refusal_comes_back_as_the_event_that_was_named_for_it(self, shop: AsyncStore) -> None:
        instances = shop.process(payment(hopeful))
        await shop.append("order-1", [Placed(5)])
        await instances.catch_up(accounts)
        assert await state_of(instances) == (Placed(5), Declined("no money"))
        assert (await instances.outgoing(), await listed(shop.read("account-a"))) == ([], [])
        assert (await led_to(instances))[1:] == [
            ("gave account.withdraw to account-a up after 1 attempt: Overdrawn", ()), ("order.declined", ()),
        ]  # fmt: skip

    async def test_without_one_it_is_tried_again_after_a_while_and_then_parked(
        self, shop: AsyncStore, clock: ManualClock
    ) -> None:
        instances = shop.process(payment(books, retry=Retry(3, SECOND)))
        await shop.append("order-1", [Placed(5)])
        await instances.catch_up(accounts)
        assert await waiting(instances) == [("account.withdraw", "pending", 1, "Overdrawn")]
        for wait, attempts, state in ((1, 2, "pending"), (2, 3, "parked")):
            clock.move(wait * SECOND - timedelta(microseconds=1))
            assert (await instances.catch_up(accounts)).commands == 0
            clock.move(timedelta(microseconds=1))
            await instances.catch_up(accounts)
            assert await waiting(instances) == [("account.withdraw", state, attempts, "Overdrawn")]
        clock.move(1_000 * SECOND)
        assert (await instances.catch_up(accounts)).commands == 0
        ((found),) = await instances.list(stuck=True)
        assert found.stuck == "account.withdraw to account is parked after 3 attempts: Overdrawn"

    async def test_what_fails_at_first_may_go_well_then(self, shop: AsyncStore, clock: ManualClock) -> None:
        instances = shop.process(payment(books))
        await shop.append("order-1", [Placed(5)])
        await instances.catch_up(accounts)
        ((found),) = await instances.list(stuck=True)
        assert found.stuck == "account.withdraw to account fails, 1 attempt so far: Overdrawn"
        await shop.append("account-a", [Deposited(5)])
        clock.move(SECOND)
        await instances.catch_up(accounts)
        assert ([each.data for each in await listed(shop.read("account-a"))], await instances.list(stuck=True)) == (
            [Deposited(5), Withdrawn(5)], (),
        )  # fmt: skip

    async def test_the_commands_of_an_instance_stay_in_their_order(self, shop: AsyncStore, clock: ManualClock) -> None:
        instances = shop.process(payment(books, retry=Retry(1)))
        await shop.append("order-1", [Placed(5), Paid(3)])
        await shop.append("order-2", [Paid(1)])
        await instances.catch_up(accounts)
        assert await shop.bind(accounts).state("a") == 1  # the deposit of instance 1 waits behind its withdrawal
        assert [(type, state) for type, state, *_ in await waiting(instances)] == [
            ("account.withdraw", "parked"), ("account.deposit", "pending"),
        ]  # fmt: skip
        mended = await instances.skip("1", "let it go")
        assert (mended.inputs, mended.messages) == (0, 1)
        await instances.catch_up(accounts)
        assert (await shop.bind(accounts).state("a"), await instances.outgoing()) == (4, [])
        assert ("skipped account.withdraw to account-a: let it go", ()) in await led_to(instances)

    async def test_a_parked_command_is_retried_by_an_operator(self, shop: AsyncStore) -> None:
        instances = shop.context(actor="ada").process(payment(books, retry=Retry(1)))
        await shop.append("order-1", [Placed(5)])
        await instances.catch_up(accounts)
        ((parked),) = await instances.outgoing(parked=True)
        assert parked == Outgoing(
            parked.id, "1", "", parked.position, "command", "account", "a", "account.withdraw", '{"amount":5}', "",
            parked.story, "parked", 1, "Overdrawn",
        )  # fmt: skip
        await shop.append("account-a", [Deposited(5)])
        mended = await instances.retry("1", "there is money now")
        assert (mended.inputs, mended.messages, mended.parked) == (0, 1, 0)
        assert await instances.outgoing(parked=True) == []
        await instances.catch_up(accounts)
        assert (await shop.bind(accounts).state("a"), await instances.outgoing()) == (0, [])
        (retried,) = [each for each in await listed(shop.read(JOURNAL)) if each.type == "$process.retried"]
        assert (retried.metadata.actor, retried.metadata.causation_id) == ("ada", str(parked.id))
        assert (await instances.retry("1", "again")).messages == 0

    async def test_a_command_without_its_decider_waits_where_it_can_be_seen(
        self, shop: AsyncStore, clock: ManualClock
    ) -> None:
        instances = shop.process(payment(books))
        await shop.append("order-1", [Paid(5)])
        await instances.catch_up()
        why = "no decider of category 'account' is run here: name it in store.run(...), or in the App"
        assert await waiting(instances) == [("account.deposit", "pending", 0, why)]
        ((found),) = await instances.list(stuck=True)
        assert found.stuck == f"account.deposit to account fails, 0 attempts so far: {why}"
        await instances.catch_up(accounts)
        assert (await shop.bind(accounts).state("a"), await instances.list(stuck=True)) == (5, ())

    async def test_so_does_one_that_its_decider_does_not_take_here_since_another_program_may_have_a_newer_one(
        self, shop: AsyncStore
    ) -> None:
        older: Decider[Any, Any, Any] = replace(accounts, events=accounts.event_types, commands=(Deposit,))
        instances = shop.process(payment(hopeful))
        await shop.append("account-a", [Deposited(5)])
        for id in "12":
            await shop.append(f"order-{id}", [Placed(5) if id == "1" else Placed(1_000)])
        await instances.catch_up(older)
        why = "'account', as it is run here, takes no 'account.withdraw', only account.deposit"
        assert await waiting(instances) == [("account.withdraw", "pending", 0, why)] * 2
        await instances.catch_up(accounts)
        assert [await state_of(instances, id) for id in "12"] == [
            (Placed(5),), (Placed(1_000), Declined("no money")),
        ]  # fmt: skip

    async def test_a_command_to_a_stream_that_cannot_be_read_here_is_parked_in_the_end_and_no_refusal(
        self, shop: AsyncStore, clock: ManualClock
    ) -> None:
        instances = shop.process(payment(hopeful, retry=Retry(2, SECOND)))
        await shop.append("account-a", [Deposited(5)])
        await shop.append("order-1", [Placed(5)])
        await instances.catch_up()
        blind: Decider[Any, Any, Any] = replace(accounts, events=(Withdrawn,), commands=accounts.command_types)
        for _ in range(2):
            await instances.catch_up(blind)
            clock.move(SECOND)
        ((_, state, attempts, why),) = await waiting(instances)
        assert (state, attempts, why.split(":")[0]) == ("parked", 2, "UnknownEventType")
        assert await state_of(instances) == (Placed(5),)
        await instances.retry("1", "this program can read it")
        await instances.catch_up(accounts)
        assert (await shop.bind(accounts).state("a"), await instances.outgoing()) == (0, [])

    async def test_what_was_sent_before_the_end_is_still_delivered(self, shop: AsyncStore) -> None:
        def react(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
            yield accounts.send("a", Deposit(1))
            yield finish()

        instances = shop.process(payment(react))
        await shop.append("order-1", [Placed()])
        await instances.catch_up(accounts)
        assert (await shop.bind(accounts).state("a"), (await instances.show("1")).status) == (1, "finished")

    async def test_a_runner_does_all_of_it_by_itself(self, shop: AsyncStore) -> None:
        async with shop.run(payment(hopeful), accounts):
            await shop.append("order-1", [Placed(5)])
            async with shop.subscribe("$process.payment-1") as journal:
                async for event in journal:
                    if isinstance(event.data, Declined):
                        break
        assert (await listed(shop.read("account-a"))) == []
