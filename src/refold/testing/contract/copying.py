"""Contract: a copy holds what its source holds, in the same order, and goes on where it ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from refold.aio import AsyncStore
from refold.copying.report import Copied
from refold.copying.stored import StoredEvent
from refold.errors import NotACopy
from refold.messages import Metadata, NewEvent
from refold.testing.clock import ManualClock
from refold.testing.contract.base import Contract, Stores
from refold.testing.contract.sample import Deposit, Deposited, Withdrawn, accounts, fact


def halved(event: StoredEvent) -> Iterable[StoredEvent]:
    """Withdrawals are left out; of each deposit two are made, the second in a stream of its own."""
    if event.type == "account.deposited":
        yield event
        yield replace(event, stream=replace(event.stream, category="copied"))


class Copying(Contract):
    """`copy_to` and `check_copy`: into a tenant of the same store."""

    async def test_a_copy_is_equal_with_its_ids_times_tags_and_stories(self, stores: Stores) -> None:
        clock = ManualClock()
        store = await stores.open(clock=clock)
        await fill(store, clock)
        head = await store.head()
        target = await store.tenant("copy")

        copied = await store.copy_to(target)
        report = await store.check_copy(target, folds=[accounts])

        assert copied == Copied(6, 6, head)
        assert (report.is_equal, report.source, report.differences, report.changes) == (True, report.target, (), None)
        assert (report.source.events, report.source.streams) == (6, 3)
        assert report.states is not None
        assert (report.states.compared, report.states.differing) == (2, 0)

    async def test_copying_again_adds_only_what_is_new(self, stores: Stores) -> None:
        clock = ManualClock()
        store = await stores.open(clock=clock)
        await fill(store, clock)
        target = await store.tenant("copy")
        await store.copy_to(target)
        assert (await store.copy_to(target)).written == 0

        clock.move(timedelta(seconds=1))
        receipt = await store.append("account-b", [Deposited(7)])

        assert await store.copy_to(target) == Copied(1, 1, receipt.position)
        assert (await store.check_copy(target)).is_equal

    async def test_a_transform_drops_and_splits_and_is_gone_on_with(self, stores: Stores) -> None:
        clock = ManualClock()
        store = await stores.open(clock=clock)
        await fill(store, clock)
        target = await store.tenant("copy")
        assert (await store.copy_to(target, transform=halved)).written == 6
        await store.append("account-b", [Withdrawn(1), Deposited(7)])

        assert (await store.copy_to(target, transform=halved)).written == 2
        report = await store.check_copy(target, transform=halved)

        assert (report.is_equal, report.expected.events, report.target.events) == (True, 8, 8)
        assert report.changes == {"dropped": 4, "split": 4, "added": 4}
        assert {name: held.events for name, held in report.streams.items()} == {
            "account-a": 2, "copied-a": 2, "account-b": 2, "copied-b": 2,
        }  # fmt: skip

    async def test_what_holds_something_else_is_no_target(self, stores: Stores) -> None:
        store = await stores.open()
        await store.append("account-a", [Deposited(1)])
        target = await store.tenant("other")
        await store.copy_to(target, transform=halved)
        with pytest.raises(NotACopy, match=r"of stream 'copied-a', was not copied from the source"):
            await store.copy_to(target)
        assert [each.stream for each in (await store.check_copy(target)).differences] == ["copied-a"]


async def fill(store: AsyncStore, clock: ManualClock) -> None:
    """Six events at four times, with all that an envelope can have."""
    metadata = Metadata("a story", "a cause", "ada", free={"k": "v"})
    new = NewEvent(Deposited(5), UUID(int=5), datetime(2025, 1, 1, tzinfo=UTC), frozenset({"t"}), metadata)
    await store.append("account-a", [new, Withdrawn(2)])
    clock.move(timedelta(microseconds=1))
    await store.append("note-1", [fact("X", "t", "u")])
    clock.move(timedelta(days=1))
    await store.bind(accounts).handle("b", Deposit(3))
    clock.move(timedelta(days=1))
    await store.append("account-a", [Deposited(1), Withdrawn(1)])
