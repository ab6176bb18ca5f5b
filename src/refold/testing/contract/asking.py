"""Contract: what a process asks of the world outside is done at least once, and its answer comes back once. With SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest

from refold.aio import AsyncStore
from refold.external import Breaker, EffectHandler, Retry, effect
from refold.flows.processes.journal import Started
from refold.messages import Recorded, command
from refold.process import Effect
from refold.testing.clock import ManualClock
from refold.testing.contract.base import Face, Place
from refold.testing.contract.ordering import (
    Charge,
    Charged,
    Declined,
    Placed,
    ProcessContract,
    State,
    led_to,
    noting,
    payment,
    state_of,
)
from refold.testing.contract.sample import Deposit

SECOND = timedelta(seconds=1)


class Stalled(BaseException):
    """What some libraries raise when their time is over: no `Exception`."""


class Gateway:
    """Takes money, and remembers the keys that it was asked with; it fails as often as it is told to."""

    def __init__(self, failures: int = 0, answer: Callable[[str], object] = Charged, **options: Any) -> None:
        self.keys: list[str] = []
        self._failures, self._answer = failures, answer
        self.charge: EffectHandler[Charge] = effect("card.charge", **options)(self._charge)

    def _charge(self, request: Charge, key: str) -> object:
        self.keys.append(key)
        if len(self.keys) <= self._failures:
            raise ConnectionError("the gateway is away")
        return self._answer(key)


def charging(gateway: Gateway, fallback: object | None = None) -> Any:
    """Charges what is placed."""

    def react(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
        if isinstance(recorded.data, Placed):
            call = gateway.charge.send(Charge(recorded.data.cents))
            yield call if fallback is None else call.otherwise(fallback)

    return react


class Asking(ProcessContract):
    """External effects of processes."""

    async def test_an_answer_comes_back_as_an_event(self, shop: AsyncStore) -> None:
        gateway = Gateway()
        instances = shop.process(payment(charging(gateway)))
        await shop.append("order-1", [Placed(5)])
        done = await instances.catch_up(gateway.charge)
        assert (done.effects, await instances.outgoing()) == (1, [])
        ((key),) = gateway.keys
        assert await state_of(instances) == (Placed(5), Charged(key))
        assert await led_to(instances) == [
            ("order.placed", ("it began, as one of version 1", "sent card.charge to card.charge")),
            ("delivered card.charge to card.charge", ()), ("order.charged", ()),
        ]  # fmt: skip

    @pytest.mark.guarantee("G15")
    async def test_a_read_model_that_is_kept_inline_has_the_answer_as_soon_as_it_comes_back(
        self, shop: AsyncStore, place: Place
    ) -> None:
        gateway, inline = Gateway(), await noting(shop, place, Started, Charged)
        instances = inline.process(payment(charging(gateway)))
        await inline.append("order-1", [Placed(5)])
        await instances.catch_up(gateway.charge)
        assert await inline.query("select type from noted order by position") == [
            ("$process.started",),
            ("order.charged",),
        ]

    async def test_no_answer_is_fine_and_several_come_back_in_order(self, shop: AsyncStore) -> None:
        answers: dict[int, object] = {1: None, 2: [Declined("a"), Declined("b")]}
        gateway = Gateway(answer=lambda _: answers[len(gateway.keys)])
        instances = shop.process(payment(charging(gateway)))
        for id in "12":
            await shop.append(f"order-{id}", [Placed()])
        await instances.catch_up(gateway.charge)
        assert await state_of(instances, "1") == (Placed(),)
        assert await state_of(instances, "2") == (Placed(), Declined("a"), Declined("b"))

    async def test_each_attempt_has_the_same_key_and_they_are_ever_further_apart(
        self, shop: AsyncStore, clock: ManualClock
    ) -> None:
        gateway = Gateway(failures=3)
        instances = shop.process(payment(charging(gateway)))
        await shop.append("order-1", [Placed()])
        await instances.catch_up(gateway.charge)
        for wait in (1, 2, 4):
            clock.move(wait * SECOND - timedelta(microseconds=1))
            assert (await instances.catch_up(gateway.charge)).effects == 0
            clock.move(timedelta(microseconds=1))
            assert (await instances.catch_up(gateway.charge)).effects == 1
        assert (len(gateway.keys), len({*gateway.keys})) == (4, 1)
        assert await state_of(instances) == (Placed(), Charged(gateway.keys[0]))

    async def test_what_fails_for_good_comes_back_as_its_fallback(self, shop: AsyncStore) -> None:
        gateway = Gateway(failures=9, retry=Retry(1))
        instances = shop.process(payment(charging(gateway, Declined("away"))))
        await shop.append("order-1", [Placed()])
        await instances.catch_up(gateway.charge)
        assert (await state_of(instances), await instances.outgoing()) == ((Placed(), Declined("away")), [])

    async def test_or_is_parked_and_may_be_retried(self, shop: AsyncStore) -> None:
        gateway = Gateway(failures=1, retry=Retry(1))
        instances = shop.process(payment(charging(gateway)))
        await shop.append("order-1", [Placed()])
        await instances.catch_up(gateway.charge)
        ((message),) = await instances.outgoing(parked=True)
        assert (message.attempts, message.error) == (1, "ConnectionError: the gateway is away")
        assert (await instances.retry("1", "it is back")).messages == 1
        await instances.catch_up(gateway.charge)
        assert (gateway.keys[0], await state_of(instances)) == (gateway.keys[1], (Placed(), Charged(gateway.keys[0])))

    @pytest.mark.parametrize("fallback", [None, Declined("failed")], ids=["none", "a fallback"])
    async def test_an_answer_that_the_process_does_not_know_is_parked_and_not_asked_for_again(
        self, shop: AsyncStore, clock: ManualClock, fallback: object | None
    ) -> None:
        gateway = Gateway(answer=lambda _: Charge(1))
        instances = shop.process(payment(charging(gateway, fallback)))
        await shop.append("order-1", [Placed()])
        await instances.catch_up(gateway.charge)
        clock.move(1_000 * SECOND)
        await instances.catch_up(gateway.charge)
        ((message),) = await instances.outgoing(parked=True)
        assert (len(gateway.keys), message.attempts, await state_of(instances)) == (1, 1, (Placed(),))

    async def test_after_so_many_failures_it_is_left_alone_and_then_one_attempt_shows_if_it_heals(
        self, shop: AsyncStore, clock: ManualClock
    ) -> None:
        gateway = Gateway(failures=3, breaker=Breaker(2, 30 * SECOND), retry=Retry(9, 100 * SECOND, 100 * SECOND))
        instances = shop.process(payment(charging(gateway)))
        for id in "123":
            await shop.append(f"order-{id}", [Placed()])
        await instances.catch_up(gateway.charge)
        assert [(each.instance, each.attempts) for each in await instances.outgoing()] == [("1", 1), ("2", 1), ("3", 0)]
        assert (await instances.outgoing())[2].error.startswith(
            "effect 'card.charge' failed too often in a row, and is left alone for a while"
        )
        clock.move(29 * SECOND)
        await instances.catch_up(gateway.charge)
        assert len(gateway.keys) == 2
        clock.move(SECOND)
        await instances.catch_up(gateway.charge)  # one more failure, and it is left alone again
        assert [each.attempts for each in await instances.outgoing()] == [1, 1, 1]
        clock.move(100 * SECOND)
        await instances.catch_up(gateway.charge)
        assert (len(gateway.keys), await instances.outgoing()) == (6, [])

    async def test_it_is_left_alone_from_when_it_has_failed_however_long_that_took(
        self, shop: AsyncStore, clock: ManualClock
    ) -> None:
        def time_out(_: str) -> object:
            clock.move(30 * SECOND)
            raise TimeoutError

        gateway = Gateway(answer=time_out, breaker=Breaker(1, 30 * SECOND), retry=Retry(9, SECOND, SECOND))
        instances = shop.process(payment(charging(gateway)))
        for id in "12":
            await shop.append(f"order-{id}", [Placed()])
        await instances.catch_up(gateway.charge)
        clock.move(29 * SECOND)
        await instances.catch_up(gateway.charge)
        assert len(gateway.keys) == 1
        clock.move(SECOND)
        await instances.catch_up(gateway.charge)
        assert len(gateway.keys) == 2

    async def test_an_effect_that_nobody_has_waits_where_it_can_be_seen(self, shop: AsyncStore) -> None:
        gateway = Gateway()
        instances = shop.process(payment(charging(gateway)))
        await shop.append("order-1", [Placed()])
        await instances.catch_up()
        ((message),) = await instances.outgoing()
        assert (message.state, message.attempts, message.error) == (
            "pending", 0, "no effect 'card.charge' is run here: name it in store.run(...), or in the App",
        )  # fmt: skip
        await instances.catch_up(gateway.charge)
        assert await state_of(instances) == (Placed(), Charged(str(message.id)))

    async def test_an_effect_that_knows_no_such_request_waits_for_one_that_does(
        self, shop: AsyncStore, clock: ManualClock
    ) -> None:
        @effect("card.charge")
        def older(request: Deposit, key: str) -> None:
            raise AssertionError(request, key)

        gateway = Gateway()
        instances = shop.process(payment(charging(gateway, Declined("failed"))))
        await shop.append("order-1", [Placed()])
        await instances.catch_up(older)
        ((message),) = await instances.outgoing()
        assert (message.state, message.attempts, message.error) == (
            "pending", 0, "'card.charge', as it is run here, takes no 'card.charge', only account.deposit",
        )  # fmt: skip
        await instances.catch_up(gateway.charge)
        assert await state_of(instances) == (Placed(), Charged(gateway.keys[0]))

    async def test_a_request_that_does_not_fit_is_parked_in_the_end_since_nothing_was_asked(
        self, shop: AsyncStore, clock: ManualClock
    ) -> None:
        @command("card.charge")
        class Changed:
            currency: str

        @effect("card.charge", retry=Retry(2, SECOND))
        def newer(request: Changed, key: str) -> None:
            raise AssertionError(request, key)

        newer.function.__annotations__["request"] = Changed  # which is local
        instances = shop.process(payment(charging(Gateway(), Declined("failed"))))
        await shop.append("order-1", [Placed()])
        await instances.catch_up(newer)
        clock.move(SECOND)
        await instances.catch_up(newer)
        ((message),) = await instances.outgoing()
        assert (message.state, message.attempts, await state_of(instances)) == ("parked", 2, (Placed(),))
        assert message.error.startswith("UsageError: 'card.charge' does not fit ")

    async def test_what_another_function_gives_that_is_to_be_awaited_is_and_only_where_code_awaits(
        self, shop: AsyncStore, face: Face
    ) -> None:
        async def ask(key: str) -> Charged:
            return Charged(key)

        gateway = Gateway(answer=ask)
        instances = shop.process(payment(charging(gateway, Declined("failed"))))
        await shop.append("order-1", [Placed()])
        await instances.catch_up(gateway.charge)
        if face == "AsyncStore":
            assert await state_of(instances) == (Placed(), Charged(gateway.keys[0]))
            return
        ((message),) = await instances.outgoing()
        assert (message.state, message.attempts) == ("parked", 1)
        assert message.error.endswith(", which is to be awaited: AsyncStore does, Store cannot.")

    async def test_a_coroutine_function_is_awaited_for_so_long_and_only_where_code_awaits(
        self, shop: AsyncStore, face: Face
    ) -> None:
        @effect("card.charge", timeout=timedelta(milliseconds=1), retry=Retry(1))
        async def never(request: Charge, key: str) -> Charged:
            await asyncio.Event().wait()
            raise AssertionError(request, key)

        @effect("card.charge")
        async def soon(request: Charge, key: str) -> Charged:
            return Charged(str(request.cents))

        def react(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
            if isinstance(recorded.data, Placed):
                yield never.send(Charge(recorded.data.cents)).otherwise(Declined("failed"))

        instances = shop.process(payment(react))
        await shop.append("order-1", [Placed()])
        await instances.catch_up(never)
        assert await state_of(instances) == (Placed(), Declined("failed"))
        why = "TimeoutError" if face == "AsyncStore" else "UsageError: Asking.test_a_coroutine"
        assert (await led_to(instances))[1][0].startswith(f"gave card.charge to card.charge up after 1 attempt: {why}")
        if face == "AsyncStore":
            await shop.append("order-2", [Placed(7)])
            await instances.catch_up(soon)
            assert await state_of(instances, "2") == (Placed(7), Charged("7"))

    @pytest.mark.parametrize("error", [SystemExit(1), asyncio.CancelledError(), StopIteration(), Stalled()], ids=repr)
    async def test_what_would_end_more_than_the_call_is_a_failed_attempt(
        self, shop: AsyncStore, clock: ManualClock, error: BaseException
    ) -> None:
        def fail(_: str) -> object:
            raise error

        gateway = Gateway(answer=fail, retry=Retry(2, SECOND))
        instances = shop.process(payment(charging(gateway)))
        await shop.append("order-1", [Placed()])
        for attempts, state in ((1, "pending"), (2, "parked")):
            await instances.catch_up(gateway.charge)
            ((message),) = await instances.outgoing()
            told = f"Escaped: {type(error).__name__}"
            assert (message.state, message.attempts, message.error.split(": 1")[0]) == (state, attempts, told)
            clock.move(SECOND)
        assert len(gateway.keys) == 2

    async def test_so_is_that_a_task_was_cancelled_which_a_coroutine_function_waited_for(
        self, shop: AsyncStore, face: Face
    ) -> None:
        if face == "Store":
            pytest.skip("a blocking store awaits nothing")

        @effect("card.charge", retry=Retry(1))
        async def charge(request: Charge, key: str) -> None:
            other = asyncio.ensure_future(asyncio.Event().wait())
            other.cancel()
            await other

        def react(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
            yield charge.send(Charge(1))

        instances = shop.process(payment(react))
        await shop.append("order-1", [Placed()])
        await instances.catch_up(charge)
        ((message),) = await instances.outgoing()
        assert (message.state, message.error) == ("parked", "Escaped: CancelledError")

    async def test_who_is_cancelled_while_an_effect_is_done_is_and_no_attempt_has_failed(
        self, shop: AsyncStore, face: Face
    ) -> None:
        if face == "Store":
            pytest.skip("a blocking store awaits nothing")
        begun = asyncio.Event()

        @effect("card.charge")
        async def charge(request: Charge, key: str) -> None:
            begun.set()
            await asyncio.Event().wait()

        def react(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
            yield charge.send(Charge(1))

        instances = shop.process(payment(react))
        await shop.append("order-1", [Placed()])
        catching_up = asyncio.ensure_future(instances.catch_up(charge))
        await begun.wait()
        catching_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await catching_up
        ((message),) = await instances.outgoing()
        assert (message.state, message.attempts) == ("pending", 0)
