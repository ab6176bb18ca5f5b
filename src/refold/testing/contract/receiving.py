"""Contract: what a message leads to is stored once, however often the message comes, and by whatever way."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from refold.aio import AsyncStore
from refold.cloudevents import CloudEvent
from refold.errors import IdReused, InvalidName, KeyReused
from refold.messages import StreamName
from refold.testing.contract.base import Contract, Stores, listed, outcomes
from refold.testing.contract.closing import Close, Write, Written, closing
from refold.testing.contract.sample import Deposit, Deposited, Noted, Overdrawn, Withdraw, accounts


def message(id: str = "m-1", source: str = "/shop", **extensions: str) -> CloudEvent:
    """A payment, told by a shop."""
    return CloudEvent(
        id, source, "shop.paid", b'{"cents":5}', time=datetime(2026, 1, 1, tzinfo=UTC), extensions=extensions
    )


@pytest.mark.guarantee("G4")
class Receiving(Contract):
    """`received`: `handle` and `append`."""

    async def test_a_message_that_comes_again_gives_the_first_outcome(self, store: AsyncStore) -> None:
        first = await store.received("bank", message()).handle(accounts, "1", Deposit(5))
        await store.bind(accounts).handle("1", Deposit(100))
        again = await store.received("bank", message()).handle(accounts, "1", Deposit(5))
        assert (again.events, again.state, again.version, again.repeated) == (first.events, 5, 1, True)
        assert [event.data for event in await listed(store.read())] == [Deposited(5), Deposited(100)]

    async def test_a_thing_whose_books_are_closed_takes_it_in_the_current_period_and_once_in_whatever_later_one(
        self, store: AsyncStore
    ) -> None:
        ledger = store.bind(closing)
        await ledger.handle("a", Write(1))
        for year in (1, 2):
            await ledger.handle("a", Close(year))
            taken = await store.received("bank", message()).handle(closing, "a", Write(5))
            assert (taken.events, taken.state, taken.repeated) == ((Written(5),), (6, 2), year == 2)
        assert await ledger.state("a") == (6, 3)

    async def test_what_changes_nothing_is_an_outcome_too(self, store: AsyncStore) -> None:
        await store.received("bank", message()).handle(accounts, "1", Deposit(0))
        assert (await store.received("bank", message()).handle(accounts, "1", Deposit(0))).repeated

    async def test_what_fails_is_not_taken_and_may_come_again(self, store: AsyncStore) -> None:
        with pytest.raises(Overdrawn):
            await store.received("bank", message()).handle(accounts, "1", Withdraw(5))
        await store.bind(accounts).handle("1", Deposit(5))
        assert (await store.received("bank", message()).handle(accounts, "1", Withdraw(5))).state == 0

    async def test_other_messages_sources_and_consumers_are_others(self, store: AsyncStore) -> None:
        for consumer, each in (
            ("bank", message()), ("bank", message("m-2")), ("bank", message(source="/market")), ("audit", message()),
            ("a", message("c", "b\n")), ("a", message("c", "b")), ("a", message("x" * 400)), ("a", message("y" * 400)),
        ):  # fmt: skip
            assert not (await store.received(consumer, each).handle(accounts, "1", Deposit(1))).repeated
        assert await store.bind(accounts).state("1") == 8

    async def test_a_message_that_means_something_else_now_is_refused(self, store: AsyncStore) -> None:
        await store.received("bank", message()).handle(accounts, "1", Deposit(5))
        with pytest.raises(KeyReused):
            await store.received("bank", message()).handle(accounts, "1", Deposit(6))
        with pytest.raises(KeyReused):
            await store.received("bank", message()).handle(accounts, "2", Deposit(5))

    async def test_events_are_appended_once_too(self, store: AsyncStore) -> None:
        first = await store.received("notes", message()).append("note-1", [Noted("a"), Noted("b")])
        again = await store.received("notes", message()).append(StreamName("note", "1"), [Noted("a"), Noted("b")])
        assert (again.ids, again.positions, again.repeated) == (first.ids, first.positions, True)
        with pytest.raises(IdReused):
            await store.received("notes", message()).append("note-1", [Noted("a"), Noted("c")])
        assert [event.data for event in await listed(store.read())] == [Noted("a"), Noted("b")]

    async def test_what_it_leads_to_goes_on_with_its_story_and_is_caused_by_it(self, store: AsyncStore) -> None:
        told = message(correlationid="order 7")
        await store.received("bank", told).append("note-1", [Noted("a")])
        await store.context(actor="Ada").received("bank", told).handle(accounts, "1", Deposit(5))
        noted, deposited = await listed(store.read())
        assert (noted.metadata.correlation_id, noted.metadata.causation_id) == ("order 7", "m-1")
        assert (deposited.metadata.correlation_id, deposited.metadata.actor) == ("order 7", "Ada")
        assert deposited.metadata.free["$cause"] == "m-1"

    async def test_a_story_that_no_store_would_take_is_not_gone_on_with(self, store: AsyncStore) -> None:
        await store.received("bank", message(correlationid="x" * 201)).append("note-1", [Noted("a")])
        (noted,) = await listed(store.read())
        assert noted.metadata.correlation_id == str(noted.id)

    async def test_a_consumer_has_a_name(self, store: AsyncStore) -> None:
        with pytest.raises(InvalidName, match="consumer"):
            store.received("", message())

    async def test_a_message_that_many_take_at_once_leads_to_one_effect(
        self, store: AsyncStore, stores: Stores
    ) -> None:
        crowd = await stores.crowd(12)
        for number in range(5):
            each = message(f"m-{number}")
            came = await outcomes(*(one.received("bank", each).handle(accounts, "1", Deposit(5)) for one in crowd))
            assert sorted(handled.repeated for handled in came) == [False] + [True] * 11
            appended = await outcomes(*(one.received("notes", each).append("note-1", [Noted("a")]) for one in crowd))
            assert sorted(receipt.repeated for receipt in appended) == [False] + [True] * 11
        assert await store.bind(accounts).state("1") == 25
        assert len(await listed(store.read("note-1"))) == 5
