"""Contract: what is published reaches its receiver at least once, in the order of its key. Where there is SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from refold.aio import AsyncStore
from refold.cloudevents import CloudEvent
from refold.errors import ProjectionStopped, ReceiverAway, ReceiverGone, UsageError
from refold.external import Retry
from refold.messages import RawEvent, Recorded
from refold.publication import Publication
from refold.testing.contract.base import Face, Stores, listed
from refold.testing.contract.projecting import ModelContract
from refold.testing.contract.running import LONG, QUICK
from refold.testing.contract.sample import Deposited, Noted, Withdrawn, fact

AT_ONCE = Retry(3, timedelta(milliseconds=1), timedelta(milliseconds=2))


class Receiver:
    """Takes messages, but for what it is told to do otherwise: each message it is asked about is an attempt."""

    def __init__(self) -> None:
        self.taken: list[CloudEvent] = []
        self.attempts: list[str] = []
        self.refused: set[int] = set()
        """Amounts that it does not take."""
        self.away = 0
        """So many attempts it does not answer; all, if below zero."""
        self.gone = False

    def __call__(self, message: CloudEvent) -> None:
        self.attempts.append(message.id)
        if self.gone:
            raise ReceiverGone("nobody wants any more")
        if self.away:
            self.away -= 1
            raise ReceiverAway("nobody answers")
        if isinstance(message.read(Deposited, Withdrawn), Deposited) and amount_of(message) in self.refused:
            raise ValueError(amount_of(message))
        self.taken.append(message)

    @property
    def amounts(self) -> Sequence[int]:
        """What was deposited and withdrawn, in the order in which it was taken."""
        return [amount_of(message) for message in self.taken]


def amount_of(message: CloudEvent) -> int:
    """The amount that a message tells of."""
    return message.read(Deposited, Withdrawn).amount


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """As soon as it holds."""
    async with asyncio.timeout(LONG):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.005)


async def until_taken(receiver: Receiver, count: int) -> None:
    """As soon as it has taken so many."""

    async def has_taken() -> bool:
        return len(receiver.taken) >= count

    await until(has_taken)


class Publishing(ModelContract):
    """`Publication`, run and caught up as projections are."""

    @pytest.fixture
    def receiver(self) -> Receiver:
        """Who the messages are for."""
        return Receiver()

    @pytest.fixture
    def publication(self, receiver: Receiver) -> Publication:
        """All that moves accounts."""
        return Publication("moves-out", Deposited, Withdrawn, to=receiver, source="/bank", retry=AT_ONCE)

    async def test_chosen_events_are_published_once_each_in_their_order(
        self, sql_store: AsyncStore, receiver: Receiver, publication: Publication
    ) -> None:
        await sql_store.append("account-1", [Deposited(1), Withdrawn(2)])
        await sql_store.append("note-1", [Noted("x")])
        await sql_store.append("account-2", [Deposited(3)])

        assert await sql_store.catch_up(publication) == 3
        assert await sql_store.catch_up(publication) == 0
        assert receiver.amounts == [1, 2, 3]

    async def test_a_message_tells_of_its_event_as_cloudevents_has_it(
        self, sql_store: AsyncStore, receiver: Receiver, publication: Publication
    ) -> None:
        await sql_store.context(trace="x").append("account-1", [Deposited(5, to="Ada")])
        await sql_store.catch_up(publication)
        (recorded,) = await listed(sql_store.read())
        assert receiver.taken == [
            CloudEvent(
                str(recorded.id),
                "/bank",
                "account.deposited",
                b'{"amount":5,"to":"Ada"}',
                "account-1",
                recorded.recorded_at,
                extensions={
                    "partitionkey": "account-1",
                    "sequence": f"{1:020d}",
                    "correlationid": recorded.metadata.correlation_id,
                    "schemaversion": 1,
                },
            )
        ]

    async def test_what_is_appended_is_soon_published(
        self, sql_store: AsyncStore, receiver: Receiver, publication: Publication
    ) -> None:
        async with sql_store.run(publication, lease=QUICK):
            for amount in range(20):
                await sql_store.append("account-1", [Deposited(amount)])
            await sql_store.wait_for("moves-out", 20, timeout=LONG)
        assert receiver.amounts == [*range(20)]

    async def test_while_the_receiver_is_away_all_waits_and_nothing_is_parked(
        self, sql_store: AsyncStore, receiver: Receiver, publication: Publication, caplog: pytest.LogCaptureFixture
    ) -> None:
        receiver.away = 4
        await sql_store.append("account-1", [Deposited(1), Deposited(2)])
        await sql_store.append("account-2", [Deposited(3)])
        async with sql_store.run(publication, lease=QUICK):
            await until_taken(receiver, 3)
            await sql_store.wait_for("moves-out", 3, timeout=LONG)
        assert (receiver.amounts, len(receiver.attempts)) == ([1, 2, 3], 7)
        assert await sql_store.model(publication).dead_letters() == ()
        assert "projection 'moves-out' waits 0.1 s: nobody answers" in caplog.text

    async def test_catching_up_says_that_the_receiver_is_away_and_keeps_what_went_well(
        self, sql_store: AsyncStore, receiver: Receiver, publication: Publication
    ) -> None:
        await sql_store.append("account-1", [Deposited(1)])
        await sql_store.catch_up(publication)
        receiver.away = -1
        await sql_store.append("account-1", [Deposited(2)])
        with pytest.raises(ReceiverAway, match="nobody answers"):
            await sql_store.catch_up(publication)
        assert (await sql_store.model(publication).status()).position == 1
        receiver.away = 0
        assert await sql_store.catch_up(publication) == 1
        assert receiver.amounts == [1, 2]

    async def test_a_message_that_is_not_taken_parks_its_key_and_nothing_is_sent_twice_for_it(
        self, sql_store: AsyncStore, receiver: Receiver, publication: Publication
    ) -> None:
        receiver.refused = {13}
        for account, amount in (("1", 1), ("1", 13), ("2", 2), ("1", 3), ("2", 4)):
            await sql_store.append(f"account-{account}", [Deposited(amount)])
        async with sql_store.run(publication, lease=QUICK):
            await sql_store.wait_for("moves-out", 3, timeout=LONG)
            with pytest.raises(ProjectionStopped, match="ValueError: 13"):
                await sql_store.wait_for("moves-out", 2, timeout=LONG)
            await until_taken(receiver, 3)
        assert (receiver.amounts, len(receiver.attempts)) == ([1, 2, 4], 3 + AT_ONCE.attempts)
        letters = await sql_store.model(publication).dead_letters()
        assert [(each.position, each.state, each.attempts) for each in letters] == [
            (2, "failed", AT_ONCE.attempts),
            (4, "waiting", 0),
        ]

    async def test_what_was_parked_is_sent_after_all_in_the_order_of_its_key(
        self, sql_store: AsyncStore, receiver: Receiver, publication: Publication
    ) -> None:
        receiver.refused = {13, 17}
        await sql_store.append("account-1", [Deposited(amount) for amount in (13, 1, 17, 2)])
        async with sql_store.run(publication, lease=QUICK):
            await until_parked(sql_store, publication, 4)
        receiver.refused = {17}
        assert await sql_store.model(publication).retry() == 2
        assert receiver.amounts == [13, 1]
        assert await sql_store.model(publication).skip(3) == 1
        assert receiver.amounts == [13, 1, 2]
        assert [each.state for each in await sql_store.model(publication).dead_letters()] == ["skipped"]

    async def test_a_receiver_that_is_gone_stops_the_publication_until_it_is_resumed(
        self, sql_store: AsyncStore, receiver: Receiver, publication: Publication
    ) -> None:
        receiver.gone = True
        await sql_store.append("account-1", [Deposited(1)])
        async with sql_store.run(publication, lease=QUICK):

            async def has_failed() -> bool:
                return bool(receiver.attempts) and (await sql_store.model(publication).status()).state == "failed"

            await until(has_failed)
            assert "nobody wants any more" in (await sql_store.model(publication).status()).reason
            receiver.gone = False
            await sql_store.model(publication).resume()
            await sql_store.wait_for("moves-out", 1, timeout=LONG)
        assert (receiver.amounts, await sql_store.model(publication).dead_letters()) == ([1], ())

    async def test_after_a_reset_all_is_sent_again_with_the_same_ids(
        self, sql_store: AsyncStore, receiver: Receiver, publication: Publication
    ) -> None:
        await sql_store.append("account-1", [Deposited(1), Deposited(2)])
        await sql_store.catch_up(publication)
        await sql_store.model(publication).reset()
        await sql_store.catch_up(publication)
        assert receiver.taken[2:] == receiver.taken[:2]

    async def test_its_keys_can_be_sent_by_several_runners(
        self, sql_store: AsyncStore, stores: Stores, receiver: Receiver, publication: Publication
    ) -> None:
        await sql_store.catch_up(publication)
        await sql_store.model(publication).repartition(4)
        runners = await stores.crowd(2)
        async with runners[0].run(publication, lease=QUICK), runners[1].run(publication, lease=QUICK):
            for amount in range(60):
                await sql_store.append(f"account-{amount % 7}", [Deposited(amount)])
            await sql_store.wait_for("moves-out", 60, timeout=LONG)
        for account in range(7):
            mine = dict.fromkeys(amount for amount in receiver.amounts if amount % 7 == account)
            assert [*mine] == [*range(account, 60, 7)]

    async def test_a_publication_is_not_kept_inline(self, sql_store: AsyncStore, publication: Publication) -> None:
        with pytest.raises(UsageError, match="cannot be kept inline"):
            await sql_store.inline(publication)

    async def test_every_event_can_be_published_without_its_class(
        self, sql_store: AsyncStore, receiver: Receiver
    ) -> None:
        sent: list[CloudEvent] = []
        everything = Publication(
            "all-out", RawEvent, to=sent.append, source="/bank", subject=None, key=lambda e: e.type
        )
        await sql_store.append("a-1", [fact("shop.opened", town="Ulm")])
        await sql_store.catch_up(everything)
        assert [(m.type, m.data, m.subject, m.attribute("partitionkey")) for m in sent] == [
            ("shop.opened", b'{"town":"Ulm"}', None, "shop.opened")
        ]

    async def test_what_is_told_and_how_it_is_named_is_up_to_the_publication(self, sql_store: AsyncStore) -> None:
        sent: list[CloudEvent] = []
        public = Publication(
            "public", Deposited, to=sent.append, source="https://bank.example/accounts", type=lambda _: "com.bank.paid",
            subject=lambda e: e.data.to, data=lambda e: {"cents": e.data.amount * 100},
        )  # fmt: skip
        await sql_store.append("account-1", [Deposited(5, to="Ada")])
        await sql_store.catch_up(public)
        assert [(m.type, m.subject, m.data, "schemaversion" in m.extensions) for m in sent] == [
            ("com.bank.paid", "Ada", b'{"cents":500}', False)
        ]

    async def test_a_publication_of_a_class_of_its_own_tells_what_that_says(self, sql_store: AsyncStore) -> None:
        class Public(Publication):
            def message(self, recorded: Recorded[Any]) -> CloudEvent:
                return replace(super().message(recorded), data=b"7")

        sent: list[CloudEvent] = []
        await sql_store.append("account-1", [Deposited(5)])
        await sql_store.catch_up(Public("public", Deposited, to=sent.append, source="/bank"))
        assert [message.data for message in sent] == [b"7"]

    @pytest.mark.parametrize("error", [SystemExit(1), asyncio.CancelledError()], ids=repr)
    async def test_what_would_end_more_than_the_sending_parks_the_message_as_any_error_does(
        self, sql_store: AsyncStore, error: BaseException
    ) -> None:
        def send(message: CloudEvent) -> None:
            raise error

        public = Publication("public", Deposited, to=send, source="/bank", retry=AT_ONCE)
        await sql_store.append("account-1", [Deposited(5)])
        async with sql_store.run(public, lease=QUICK):
            await until_parked(sql_store, public, 1)
        (letter,) = await sql_store.model(public).dead_letters()
        assert (letter.attempts, letter.error.split(" in ")[0].split(": 1")[0]) == (
            3,
            f"Escaped: {type(error).__name__}",
        )

    async def test_so_does_that_a_task_was_cancelled_which_a_sender_waited_for(
        self, sql_store: AsyncStore, face: Face
    ) -> None:
        if face == "Store":
            pytest.skip("a blocking store awaits nothing")

        async def send(message: CloudEvent) -> None:
            other = asyncio.ensure_future(asyncio.Event().wait())
            other.cancel()
            await other

        public = Publication("public", Deposited, to=send, source="/bank", retry=AT_ONCE)
        await sql_store.append("account-1", [Deposited(5)])
        async with sql_store.run(public, lease=QUICK):
            await until_parked(sql_store, public, 1)


async def until_parked(store: AsyncStore, publication: Publication, count: int) -> None:
    """As soon as there are so many dead letters."""

    async def are_parked() -> bool:
        return bool(await store.projections()) and len(await store.model(publication).dead_letters()) >= count

    await until(are_parked)
