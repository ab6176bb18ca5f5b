"""What steps of sagas give, and what undoes them, where that does nothing by itself, or cannot be kept. By both faces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from refold import AsyncStore, Declined, Retry, Saga, Steps, saga
from refold.external import Call
from refold.flows.processes.orchestrating import process_of
from refold.testing.contract.base import Face, Place
from refold.testing.contract.ordering import Charge, Placed, ProcessContract
from refold.testing.contract.sample import Deposit, accounts
from refold.testing.contract.sending import waiting

SENT = "Send(category='account', id='a', command=Deposit(amount=5), fallback=None), and nobody sends that"


def send(order: Placed, key: str) -> object:
    """What would send a command, if a process yielded it."""
    return accounts.send("a", Deposit(order.cents))


def ask(order: Placed, key: str) -> object:
    """What would ask for an effect."""
    return Call("card.charge", Charge(order.cents))


def decline(order: Placed, key: str) -> None:
    """A step that ends it."""
    raise Declined("nobody is at home")


def quiet(order: Placed, key: str) -> None:
    """A step that goes well."""


@dataclass
class Gateway:
    """A step that is no function."""

    url: str
    charged: list[int] = field(default_factory=list)

    def __call__(self, order: Placed, key: str) -> None:
        self.charged.append(order.cents)


class TestSteps(ProcessContract):
    """Steps of sagas."""

    @pytest.fixture
    def place(self) -> Place:
        return Place(url="sqlite:///:memory:", durable=False, sql=True)

    @pytest.mark.parametrize(
        ("gives", "told"),
        [
            (send, SENT),
            (ask, "Call(effect='card.charge', request=Charge(cents=5), fallback=None), and nobody sends that"),
        ],
        ids=["command", "effect"],
    )
    async def test_a_step_or_an_undo_that_gives_what_it_should_send_is_parked_and_not_taken_for_done(
        self, shop: AsyncStore, gives: Callable[..., object], told: str
    ) -> None:
        forward = Saga("forward", Placed).step(gives, name="pay")
        backward = Saga("backward", Placed).step(quiet, name="pay", undo=gives).step(decline)
        await shop.append("order-1", [Placed(5)])
        for each, kind in ((forward, "step"), (backward, "undo")):
            instances = shop.process(each)
            await instances.catch_up(accounts)
            ((type, state, attempts, why),) = await waiting(instances)
            assert (type, state, attempts, why.split(": a process")[0]) == (
                kind, "parked", 1, f"UsageError: {kind} 'pay' gave {told}",
            )  # fmt: skip

    async def test_so_is_the_undo_of_a_command_that_is_a_function(self, shop: AsyncStore) -> None:
        @saga("code")
        async def code(s: Steps, order: Placed) -> None:
            undo: Any = lambda: accounts.send("a", Deposit(5))  # noqa: E731 - the mistake under test
            await s.command("pay", accounts.send("a", Deposit(1)), undo=undo)
            await s.step("ship", decline, order, s.key("ship"))

        instances = shop.process(code)
        await shop.append("order-1", [Placed(5)])
        await instances.catch_up(accounts)
        ((_, state, _, why),) = await waiting(instances)
        assert (state, why.split(": a process")[0]) == ("parked", f"UsageError: undo 'pay' gave {SENT}")

    async def test_so_is_a_step_that_gives_a_step(self, shop: AsyncStore) -> None:
        @saga("code")
        async def code(s: Steps, order: Placed) -> None:
            await s.step("outer", lambda: s.step("inner", quiet, order, s.key("inner")))

        instances = shop.process(code)
        await shop.append("order-1", [Placed(5)])
        await instances.catch_up(accounts)
        ((_, state, _, why),) = await waiting(instances)
        assert (state, why) == (
            "parked",
            "UsageError: step 'outer' gave a step, and nobody takes that: await it in the code of the saga.",
        )

    async def test_what_an_undo_gives_that_is_to_be_awaited_is_and_else_it_is_parked(
        self, shop: AsyncStore, face: Face
    ) -> None:
        refunded: list[int] = []

        async def refund(cents: int) -> None:
            refunded.append(cents)

        paying = Saga("paying", Placed).step(quiet, undo=lambda order, key: refund(order.cents)).step(decline)
        instances = shop.process(paying)
        await shop.append("order-1", [Placed(5)])
        await instances.catch_up()
        ((found),) = await instances.list()
        if face == "AsyncStore":
            assert (found.state, refunded) == ("compensated", [5])
            return
        assert (found.state, refunded) == ("running", [])
        assert found.stuck.startswith(
            "undo to paying is parked after 1 attempt: UsageError: undo 'quiet' gave <coroutine"
        )
        assert found.stuck.endswith(", which is to be awaited: AsyncStore does, Store cannot.")

    async def test_what_a_step_gives_that_cannot_be_kept_is_not_asked_for_again(self, shop: AsyncStore) -> None:
        keys: list[str] = []

        def charge(order: Placed, key: str) -> object:
            keys.append(key)
            return object()

        instances = shop.process(Saga("paying", Placed).step(charge, undo=quiet))
        await shop.append("order-1", [Placed(5)])
        await instances.catch_up()
        ((_, state, attempts, why),) = await waiting(instances)
        assert (state, attempts, len(keys), why.split(" JSON")[0]) == (
            "parked", 1, 1, "UsageError: what step 'charge' returned cannot be kept as",
        )  # fmt: skip

    async def test_a_step_that_lets_out_what_would_end_more_than_the_call_has_failed(self, shop: AsyncStore) -> None:
        undone: list[str] = []

        def leave(order: Placed, key: str) -> None:
            raise SystemExit(3)

        def undo(order: Placed, key: str) -> None:
            undone.append(key)

        instances = shop.process(Saga("paying", Placed).step(leave, undo=undo, retry=Retry(1)))
        await shop.append("order-1", [Placed(5)])
        await instances.catch_up()
        ((found),) = await instances.list()
        assert (found.state, found.reason, len(undone)) == (
            "compensated",
            "step 'leave' failed: Escaped: SystemExit: 3",
            1,
        )

    async def test_a_command_that_its_decider_does_not_take_here_is_no_failure_of_the_saga(
        self, shop: AsyncStore
    ) -> None:
        older: Any = replace(accounts, events=accounts.event_types, commands=(Charge,))
        instances = shop.process(Saga("paying", Placed).command("pay", lambda order: accounts.send("a", Deposit(5))))
        await shop.append("order-1", [Placed(5)])
        await instances.catch_up(older)
        assert [each.state for each in await instances.list()] == ["running"]
        await instances.catch_up(accounts)
        assert [each.state for each in await instances.list()] == ["finished"]

    async def test_a_step_may_be_a_value_with_no_hash(self, shop: AsyncStore) -> None:
        gateway = Gateway("https://card.example")
        paying = Saga("paying", Placed).step(gateway, name="charge")
        await shop.append("order-1", [Placed(5)])
        await shop.process(paying).catch_up()
        assert [each.state for each in await shop.process(paying).list()] == ["finished"]
        assert (gateway.charged, process_of(paying) is process_of(paying)) == ([5], True)
