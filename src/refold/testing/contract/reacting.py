"""Contract: a process takes each input in once, in its order, by the version that an instance keeps to. Where there is SQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from refold.aio import AsyncStore
from refold.errors import NoSuchInstance, UsageError
from refold.flows.processes.catching_up import CaughtUp
from refold.messages import RawEvent, Recorded, event
from refold.process import Effect, Process, after, fail, finish
from refold.projection import Projection
from refold.testing.clock import ManualClock
from refold.testing.contract.ordering import (
    HOUR,
    Declined,
    Overdue,
    Paid,
    Placed,
    ProcessContract,
    State,
    led_to,
    payment,
    quiet,
    remembered,
    state_of,
    types_in,
)
from refold.testing.contract.sample import Deposit, Deposited, accounts
from refold.upcasting import JsonObject, split


def _given(key: object) -> Callable[[Recorded[Any]], Any]:
    return lambda _: key


def _raising(recorded: Recorded[Any]) -> Any:
    raise KeyError(recorded.type)


def pays(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
    """Each payment is put into an account."""
    if isinstance(recorded.data, Paid):
        yield accounts.send("shop", Deposit(recorded.data.cents))


class Refusing:
    """Reacts to nothing, and raises at a payment of 13 until it is mended."""

    def __init__(self) -> None:
        self.is_mended = False

    def __call__(self, recorded: Recorded[Any], state: State) -> Iterable[Effect]:
        if recorded.data == Paid(13) and not self.is_mended:
            raise ZeroDivisionError("13 cannot be")
        return ()


def only(*classes: type[Any]) -> Any:
    """Reacts to nothing, and is given nothing else than these."""

    def react(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
        assert isinstance(recorded.data, classes)
        return ()

    return react


def the_only_one(recorded: Recorded[Any]) -> str:
    """Every event belongs to one instance."""
    return "1"


def unless_paid_2(recorded: Recorded[Any]) -> str:
    """The same, but that it fails for one of them."""
    return str(recorded.data.order) if recorded.data == Paid(2) else "1"


def moved(state: State) -> State:
    """The state of the next version."""
    return ("moved", *state)


def ends_on_payment(effect: Effect) -> Any:
    """Sets a timer at first, and ends in this way when it is paid."""

    def react(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
        if isinstance(recorded.data, Placed):
            yield after(HOUR, Overdue())
        if isinstance(recorded.data, Paid):
            yield effect

    return react


@split("order.bought", 1, into={"order.ordered": 1, "order.settled": 1})
def ordered_and_settled(data: JsonObject) -> Iterable[tuple[str, JsonObject]]:
    """What is stored as one event, and read as two."""
    yield "order.ordered", data
    yield "order.settled", data


@event("order.ordered")
class Ordered:
    cents: int


@event("order.settled", upcasters=[ordered_and_settled])
class Settled:
    cents: int


class Reacting(ProcessContract):
    """`process(...).catch_up`, and what instances remember."""

    async def test_inputs_come_to_their_instance_in_order(self, shop: AsyncStore) -> None:
        await shop.append("order-1", [Placed(1), Paid(1)])
        await shop.append("order-2", [Placed(2)])
        instances = shop.process(payment(quiet))
        done = await instances.catch_up()
        assert (done.inputs, done.timers, done.commands, done.effects) == (3, 0, 0, 0)
        assert await state_of(instances) == (Placed(1), Paid(1))
        assert await state_of(instances, "2") == (Placed(2),)
        assert [(each.id, each.state, each.inputs, each.version) for each in await instances.list()] == [
            ("1", "running", 2, 1), ("2", "running", 1, 1),
        ]  # fmt: skip

    @pytest.mark.guarantee("G15")
    async def test_an_input_is_reacted_to_once_however_often_it_is_consumed(self, shop: AsyncStore) -> None:
        await shop.append("order-1", [Placed(1), Paid(1)])
        instances = shop.process(payment(pays))
        await instances.catch_up(accounts)
        journal = await types_in(shop)
        for _ in range(2):
            await shop.model(Projection("$process.payment")).reset()  # as if it had never consumed anything
            assert (await instances.catch_up(accounts)).inputs == 2
        assert await types_in(shop) == journal
        assert await shop.bind(accounts).state("shop") == 1

    async def test_an_instance_that_is_unknown_is_told_so(self, shop: AsyncStore) -> None:
        instances = shop.process(payment(quiet))
        for call in (instances.show("x"), instances.cancel("x", ""), instances.retry("x", ""), instances.skip("x", "")):
            with pytest.raises(NoSuchInstance, match=r"process 'payment' has no instance 'x'"):
                await call

    async def test_an_input_that_fails_parks_its_instance_and_no_other(self, shop: AsyncStore) -> None:
        _, thirteen, two = (await shop.append("order-1", [Placed(), Paid(13), Paid(2)])).positions
        await shop.append("order-2", [Placed(), Paid(3)])
        refusing = Refusing()
        instances = shop.process(payment(refusing))
        await instances.catch_up()
        view = await instances.show("1")
        assert (view.state, [(letter.position, letter.state) for letter in view.parked]) == (
            (Placed(),), [(thirteen, "failed"), (two, "waiting")],
        )  # fmt: skip
        assert view.parked[0].error.startswith("ZeroDivisionError: 13 cannot be")
        assert await state_of(instances, "2") == (Placed(), Paid(3))
        refusing.is_mended = True
        mended = await instances.retry("1", "mended")
        assert (mended.inputs, mended.messages, mended.parked) == (2, 0, 0)
        assert await state_of(instances) == (Placed(), Paid(13), Paid(2))

    @pytest.mark.parametrize("wrong", [None, 5, (7,)], ids=["none", "a number", "no effect"])
    async def test_who_catches_up_is_told_how_many_inputs_were_parked(self, shop: AsyncStore, wrong: Any) -> None:
        def react(recorded: Recorded[Any], state: State) -> Any:
            return wrong if recorded.stream.id == "1" else ()

        await shop.append("order-1", [Placed(), Paid(1)])
        await shop.append("order-2", [Placed()])
        instances = shop.process(payment(react))
        assert await instances.catch_up() == CaughtUp(inputs=1, parked=2)
        assert await instances.catch_up() == CaughtUp()

    async def test_what_was_parked_since_its_key_could_not_be_told_is_taken_in_though_later_ones_were(
        self, shop: AsyncStore
    ) -> None:
        await shop.append("order-1", [Placed(1)])
        await shop.append("payment-9", [Paid(2)])
        await shop.append("order-1", [Overdue(3)])
        wrong: Process[Any, State] = replace(payment(quiet), key=unless_paid_2)
        await shop.process(wrong).catch_up()
        instances = shop.process(replace(payment(quiet), key=the_only_one))
        assert await state_of(instances) == (Placed(1), Overdue(3))
        mended = await instances.retry("payment-9", "the key was wrong")
        assert (mended.inputs, mended.messages, mended.parked) == (1, 0, 0)
        await instances.catch_up()
        assert await state_of(instances) == (Placed(1), Overdue(3), Paid(2))

    @pytest.mark.parametrize(
        ("key", "what", "why"),
        [
            (_given(None), "gave None", "let it give text"),
            (_given(5), "gave 5", "let it give text"),
            (_given(""), "gave ''", "let it give text"),
            (
                _given("\0"),
                r"gave '\x00'",
                r"'$process.payment-\x00' is not a stream name: character 18 (U+0000) is not printable",
            ),
            (_raising, "raised KeyError('order.placed')", "let it tell the instance"),
        ],
        ids=["none", "a number", "empty", "no name", "raised"],
    )
    async def test_an_input_whose_key_is_no_id_is_parked_under_its_stream_and_listed_while_the_others_go_on(
        self, shop: AsyncStore, key: Callable[[Recorded[Any]], Any], what: str, why: str
    ) -> None:
        def keyed(recorded: Recorded[Any]) -> Any:
            return key(recorded) if recorded.stream.id == "1" else "2"

        position = (await shop.append("order-1", [Placed()])).position
        await shop.append("order-2", [Placed()])
        instances = shop.process(replace(payment(quiet), key=keyed))
        await instances.catch_up()
        assert await state_of(instances, "2") == (Placed(),)
        ((found),) = await instances.list(stuck=True)
        assert (found.id, found.state) == ("order-1", "unbegun")
        told = f"UsageError: key of process 'payment' {what} for 'order.placed' at position {position}: {why}."
        assert found.stuck == f"the input at position {position} is parked: {told} in quiet on 'order.placed'"

    async def test_what_was_ignored_is_so_once_more_when_all_is_consumed_again_and_then_the_journal_says_so(
        self, shop: AsyncStore
    ) -> None:
        await shop.append("order-1", [Paid(1), Placed(), Paid(2)])
        instances = shop.process(payment(quiet, starts_on=(Placed,)))
        for _ in range(3):
            await instances.catch_up()
            await shop.model(Projection("$process.payment")).reset()
        assert await state_of(instances) == (Placed(), Paid(2))
        assert await led_to(instances) == [
            ("order.placed", ("it began, as one of version 1",)), ("order.paid", ()),
            ("order.paid", ("ignored: it is earlier than its last input",)),
        ]  # fmt: skip

    async def test_two_processes_with_the_same_ids_do_not_mix(self, shop: AsyncStore, clock: ManualClock) -> None:
        def remind(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
            if isinstance(recorded.data, Placed):
                yield after(HOUR, Overdue(recorded.data.cents))

        one, other = shop.process(payment(remind)), shop.process(payment(quiet, "watching"))
        await shop.append("order-1", [Placed(7)])
        for instances in (one, other):
            await instances.catch_up()
        clock.move(HOUR)
        for instances in (one, other, one):
            await instances.catch_up()
        assert await state_of(one) == (Placed(7), Overdue(7))
        assert await state_of(other) == (Placed(7),)
        assert (await other.timers(), await one.timers()) == ((), ())

    async def test_a_key_tells_which_instance_an_event_belongs_to(self, shop: AsyncStore) -> None:
        process: Process[Any, State] = Process(
            "savings", tuple[object, ...], quiet, remembered, lambda e: e.data.to, events=(Deposited,)
        )
        instances = shop.process(process)
        await shop.append("account-1", [Deposited(1, "ada"), Deposited(2, "bob")])
        await shop.append("account-2", [Deposited(3, "ada")])
        await instances.catch_up()
        assert await state_of(instances, "ada") == (Deposited(1, "ada"), Deposited(3, "ada"))

    # The beginning and the end

    async def test_what_begins_no_instance_is_ignored(self, shop: AsyncStore) -> None:
        await shop.append("order-1", [Paid(1), Placed(), Paid(2)])
        instances = shop.process(payment(quiet, starts_on=(Placed,)))
        await instances.catch_up()
        assert await state_of(instances) == (Placed(), Paid(2))

    async def test_or_parked_until_an_operator_skips_it(self, shop: AsyncStore) -> None:
        early = (await shop.append("order-1", [Paid(1), Placed(), Paid(2)])).positions[0]
        instances = shop.process(payment(quiet, starts_on=(Placed,), otherwise="park"))
        await instances.catch_up()
        view = await instances.show("1")
        assert (view.status, view.version, view.state, view.waiting_for) == (
            "unbegun", 0, None, "an event that begins it",
        )  # fmt: skip
        assert "process 'payment' has no instance '1' yet, and 'order.paid' begins none" in view.parked[0].error
        ((found),) = await instances.list(stuck=True)
        assert (found.id, found.state, found.inputs) == ("1", "unbegun", 0)
        assert found.stuck.startswith(
            f"the input at position {early} is parked: UsageError: process 'payment' has no instance"
        )
        assert (await instances.skip("1", "came too early")).inputs == 2
        assert await state_of(instances) == (Placed(), Paid(2))

    async def test_or_kept_until_it_begins(self, shop: AsyncStore) -> None:
        instances = shop.process(payment(pays, starts_on=(Placed,), otherwise="keep"))
        await shop.append("order-1", [Paid(1)])
        await shop.append("order-2", [Paid(4), Placed()])
        await instances.catch_up(accounts)
        await shop.append("order-1", [Paid(2)])
        await instances.catch_up(accounts)
        assert await shop.bind(accounts).state("shop") == 4
        await shop.append("order-1", [Placed(), Paid(3)])
        await instances.catch_up(accounts)
        assert await state_of(instances) == (Placed(), Paid(1), Paid(2), Paid(3))
        assert await state_of(instances, "2") == (Placed(), Paid(4))
        assert await shop.bind(accounts).state("shop") == 10
        history = (await instances.show("1")).history
        assert [each.what for each in history][:6] == [
            "order.paid", "order.paid", "order.placed", *["order.paid"] * 3,
        ]  # fmt: skip
        assert history[0].led_to == ("kept until it begins",)

    async def test_what_is_kept_is_dropped_if_it_ends_where_it_begins(self, shop: AsyncStore) -> None:
        def ends(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
            yield finish()

        instances = shop.process(payment(ends, starts_on=(Placed,), otherwise="keep"))
        await shop.append("order-1", [Paid(1), Placed(), Paid(2)])
        for _ in range(2):
            await instances.catch_up()
            await shop.model(Projection("$process.payment")).reset()
        assert await state_of(instances) == (Placed(),)
        assert await led_to(instances) == [
            ("order.paid", ("kept until it begins",)),
            ("order.placed", ("it began, as one of version 1", "finished")),
            ("order.paid", ("ignored: it is ended",)),
        ]

    async def test_what_is_kept_and_fails_is_named_and_skipped_and_then_the_instance_begins(
        self, shop: AsyncStore
    ) -> None:
        instances = shop.process(payment(Refusing(), starts_on=(Placed,), otherwise="keep"))
        early = (await shop.append("order-1", [Paid(13), Paid(1), Paid(13)])).positions
        await instances.catch_up()
        await shop.append("order-1", [Placed(), Paid(2)])
        await instances.catch_up()
        for position, left in ((early[0], 2), (early[2], 0)):
            view = await instances.show("1")
            assert (view.status, len(view.parked)) == ("unbegun", 2)
            assert view.parked[0].error.startswith(
                f"KeptFailed: what was kept until now, 'order.paid' at position {position}, cannot be taken in (skip gives "
                "that one up): ZeroDivisionError: 13 cannot be"
            )
            assert (await instances.skip("1", "not meant")).parked == left
        for _ in range(2):
            assert await state_of(instances) == (Placed(), Paid(1), Paid(2))
            await shop.model(Projection("$process.payment")).reset()
            await instances.catch_up()
        told = [(what, words) for what, words in await led_to(instances) if "skipped" in what]
        assert told == [(f"skipped its inputs at {each}: not meant", ()) for each in (early[0], early[2])]

    async def test_what_begins_an_instance_and_fails_itself_is_skipped_though_more_is_kept(
        self, shop: AsyncStore
    ) -> None:
        def react(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
            if recorded.data == Placed(13):
                raise ZeroDivisionError
            return ()

        instances = shop.process(payment(react, starts_on=(Placed,), otherwise="keep"))
        await shop.append("order-1", [Paid(1), Placed(13), Placed(2)])
        await instances.catch_up()
        mended = await instances.skip("1", "not meant")
        assert (mended.inputs, mended.parked) == (1, 0)
        assert await state_of(instances) == (Placed(2), Paid(1))

    @pytest.mark.parametrize(
        ("effect", "state", "reason"), [(finish(), "finished", ""), (fail("why"), "failed", "why")]
    )
    async def test_after_its_end_nothing_concerns_it(
        self, shop: AsyncStore, clock: ManualClock, effect: Effect, state: str, reason: str
    ) -> None:
        await shop.append("order-1", [Placed(), Paid(1), Paid(2)])
        instances = shop.process(payment(ends_on_payment(effect)))
        await instances.catch_up()
        clock.move(2 * HOUR)
        await shop.append("order-1", [Paid(3)])
        await instances.catch_up()
        view = await instances.show("1")
        assert (view.status, view.reason, view.state, view.timers) == (state, reason, (Placed(), Paid(1)), ())
        assert (view.parked, [each.what for each in view.history]) == ((), ["order.placed", "order.paid"])
        assert view.waiting_for == f"nothing: it is {state}"
        ((found),) = await instances.list()
        assert (found.state, found.reason, found.inputs) == (state, reason, 2)

    async def test_its_end_comes_last(self, shop: AsyncStore) -> None:
        def react(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
            yield finish()
            yield after(HOUR, Overdue())

        await shop.append("order-1", [Placed()])
        instances = shop.process(payment(react))
        await instances.catch_up()
        assert "after its end: let finish() or fail() come last" in (await instances.show("1")).parked[0].error

    # Versions

    @pytest.mark.guarantee("G24")
    async def test_an_instance_keeps_to_the_version_that_it_began_with(self, shop: AsyncStore) -> None:
        first = payment(quiet)
        second = payment(ends_on_payment(finish()), version=2, earlier=(first,))
        await shop.append("order-1", [Placed()])
        await shop.process(first).catch_up()
        await shop.append("order-2", [Placed()])
        for id in ("1", "2"):
            await shop.append(f"order-{id}", [Paid(1)])
        instances = shop.process(second)
        await instances.catch_up()
        assert [(each.id, each.version, each.state) for each in await instances.list()] == [
            ("1", 1, "running"), ("2", 2, "finished"),
        ]  # fmt: skip

    async def test_and_is_given_no_event_that_only_another_version_names(self, shop: AsyncStore) -> None:
        first = replace(payment(only(Placed, Paid)), events=(Placed, Paid))
        second = replace(payment(quiet), events=(Placed, Paid, Declined), version=2, earlier=(first,))
        await shop.append("order-1", [Placed()])
        await shop.process(first).catch_up()
        await shop.append("order-1", [Declined(), Paid()])
        await shop.append("order-2", [Placed(), Declined()])
        instances = shop.process(second)
        for _ in range(2):
            await instances.catch_up()
            await shop.model(Projection("$process.payment")).reset()
        assert [await state_of(instances, id) for id in "12"] == [(Placed(), Paid()), (Placed(), Declined())]
        assert await led_to(instances) == [
            ("order.placed", ("it began, as one of version 1",)),
            ("order.declined", ("ignored: it is no input of version 1",)),
            ("order.paid", ()),
        ]  # fmt: skip
        assert (await instances.show("1")).waiting_for == "order.placed or order.paid"

    async def test_nor_one_that_its_version_does_not_name_any_more(self, shop: AsyncStore) -> None:
        first = replace(payment(quiet), events=(Placed, Declined))
        second = replace(payment(only(Placed)), events=(Placed,), version=2, earlier=(first,), migrate={1: moved})
        await shop.append("order-1", [Placed()])
        await shop.process(first).catch_up()
        await shop.append("order-1", [Declined(), Placed()])
        await shop.append("order-2", [Declined()])
        instances = shop.process(second)
        await instances.catch_up()
        assert [each.id for each in await instances.list()] == ["1"]
        assert await state_of(instances) == ("moved", Placed(), Placed())

    async def test_or_moves_to_the_newest_with_its_next_input(self, shop: AsyncStore) -> None:
        first = payment(quiet)
        second = replace(
            payment(quiet, version=2, earlier=(first,), migrate={1: moved}),
            initial=lambda: ("second",),
        )
        await shop.append("order-1", [Placed(1)])
        await shop.process(first).catch_up()
        await shop.append("order-1", [Paid(2), Paid(3)])
        instances = shop.process(second)
        await instances.catch_up()
        view = await instances.show("1")
        assert (view.version, view.state) == (2, ("moved", Placed(1), Paid(2), Paid(3)))
        assert await led_to(instances) == [
            ("order.placed", ("it began, as one of version 1",)), ("order.paid", ("it moved to version 2",)),
            ("order.paid", ()),
        ]  # fmt: skip

    @pytest.mark.guarantee("G24")
    async def test_a_version_that_is_not_there_parks_the_instance_and_says_what_to_do(self, shop: AsyncStore) -> None:
        first = payment(quiet)
        await shop.append("order-1", [Placed(1)])
        await shop.process(first).catch_up()
        await shop.append("order-1", [Paid(2)])
        await shop.append("order-2", [Placed(3)])
        instances = shop.process(payment(quiet, version=2))
        await instances.catch_up()
        ((found),) = await instances.list(stuck=True)
        assert "instance '1' of process 'payment' is one of version 1, and this program has 2: name it in earlier=" in (
            found.stuck
        )
        assert await state_of(instances, "2") == (Placed(3),)
        mended = shop.process(payment(quiet, version=2, earlier=(first,)))
        await mended.retry("1", "the version is there again")
        assert await state_of(mended) == (Placed(1), Paid(2))

    @pytest.mark.guarantee("G24")
    async def test_a_class_that_is_not_named_any_more_parks_the_instances_that_took_one_in_and_says_what_to_do(
        self, shop: AsyncStore
    ) -> None:
        first, without = payment(quiet), replace(payment(quiet), events=(Placed, Declined))
        await shop.append("order-1", [Placed(1)])
        position = (await shop.append("order-1", [Paid(2)])).position
        await shop.process(first).catch_up()
        await shop.append("order-1", [Declined()])
        instances = shop.process(without)
        await instances.catch_up()
        told = (
            f"instance '1' of process 'payment' took in 'order.paid' at position {position}, and no version here reacts to that: "
            "name its class again, or give the code without it a version= of its own, and keep the one with it in earlier=(...)."
        )
        ((found),) = await instances.list(stuck=True)
        assert f"UsageError: {told}" in found.stuck
        with pytest.raises(UsageError, match=re.escape(told)):
            await instances.show("1")
        mended = shop.process(replace(without, version=2, earlier=(first,)))
        await mended.retry("1", "the class is named again")
        assert await state_of(mended) == (Placed(1), Paid(2), Declined())

    @pytest.mark.guarantee("G24")
    async def test_a_way_by_which_instances_moved_and_that_is_gone_parks_them_and_says_what_to_do(
        self, shop: AsyncStore
    ) -> None:
        first = payment(quiet)
        second = payment(quiet, version=2, earlier=(first,), migrate={1: moved})
        await shop.append("order-1", [Placed(1)])
        await shop.process(first).catch_up()
        await shop.append("order-1", [Paid(2)])
        await shop.process(second).catch_up()
        await shop.append("order-1", [Paid(3)])
        instances = shop.process(replace(second, migrate={}))
        await instances.catch_up()
        told = (
            "instance '1' of process 'payment' moved from version 1 to 2, and version 2 does not say here how: give it "
            "migrate={1: ...} again."
        )
        ((found),) = await instances.list(stuck=True)
        assert f"UsageError: {told}" in found.stuck
        await shop.process(second).retry("1", "the way is there again")
        assert await state_of(shop.process(second)) == ("moved", Placed(1), Paid(2), Paid(3))

    @pytest.mark.parametrize("mended", ["retried", "skipped"])
    async def test_an_input_whose_id_is_too_long_for_a_journal_is_parked_and_shown_and_skipped(
        self, shop: AsyncStore, mended: str
    ) -> None:
        id = "x" * (200 - len("order-"))
        await shop.append(f"order-{id}", [Placed()])
        instances = shop.process(payment(quiet))
        assert (await instances.catch_up()).parked == 1
        view = await instances.show(id)
        assert (view.status, view.history, [letter.state for letter in view.parked]) == ("unbegun", (), ["failed"])
        assert "it has 211 characters, 200 are allowed" in view.parked[0].error
        if mended == "retried":
            assert (await instances.retry(id, "why not")).parked == 1
        else:
            assert (await instances.skip(id, "too long")).parked == 0
            assert await instances.list() == ()

    # Inputs that are stored otherwise

    async def test_what_is_stored_once_and_read_as_several_is_several_inputs(self, shop: AsyncStore) -> None:
        process: Process[Any, State] = Process(
            "settling", tuple[object, ...], quiet, remembered, events=(Ordered, Settled)
        )
        both = (await shop.append("order-1", [RawEvent("order.bought", {"cents": 5}), Placed()])).positions[0]
        instances = shop.process(process)
        for _ in range(2):
            await instances.catch_up()
        assert await state_of(instances) == (Ordered(5), Settled(5))
        assert [(each.what, each.position) for each in (await instances.show("1")).history] == [
            ("order.ordered", both), ("order.settled", both),
        ]  # fmt: skip
