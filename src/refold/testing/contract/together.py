"""Contract: events for several streams in one append, with checks on what is not written: all or none."""

from __future__ import annotations

from uuid import UUID

import pytest

from refold.aio import AsyncStore
from refold.errors import Conflict, IdReused, InvalidEvent, UsageError
from refold.flows.together import StreamWrite
from refold.messages import NewEvent
from refold.ports import Check, QueryMatched, StreamCheck, StreamMoved
from refold.query import EXISTS, NO_STREAM, AppendCondition, Query
from refold.testing.contract.base import Contract, listed
from refold.testing.contract.sample import Deposited, Noted, Withdrawn, accounts, fact

MOVE = (StreamWrite("account-a", [Withdrawn(5)]), StreamWrite("account-b", [Deposited(5), Deposited(0)]))


class Together(Contract):
    """`append_all`."""

    @pytest.mark.guarantee("G1")
    async def test_several_streams_are_written_in_one_append(self, store: AsyncStore) -> None:
        first = await store.append("account-a", [Deposited(9)])

        receipts = await store.append_all(MOVE)

        written = await listed(store.read(after=first.position))
        assert [(str(e.stream), e.version) for e in written] == [("account-a", 2), ("account-b", 1), ("account-b", 2)]
        assert [(r.version, r.positions, r.ids) for r in receipts] == [
            (2, (written[0].position,), (written[0].id,)),
            (2, tuple(e.position for e in written[1:]), tuple(e.id for e in written[1:])),
        ]
        assert len({e.recorded_at for e in written}) == 1

    @pytest.mark.guarantee("G5")
    async def test_all_failing_checks_are_reported_together_with_what_is_there(self, store: AsyncStore) -> None:
        await store.append("account-a", [Deposited(9)])
        last = (await store.append("account-b", [fact("X", "t")])).position
        condition = AppendCondition(Query.of(tags=["t"]))
        before = await listed(store.read())

        with pytest.raises(Conflict) as caught:
            await store.append_all(
                [
                    StreamWrite("account-a", [Withdrawn(5)], NO_STREAM),
                    StreamWrite("account-c", [Deposited(5)], EXISTS),
                    StreamWrite("account-d", [Deposited(5)], NO_STREAM),
                ],
                checks=[StreamCheck("account-b", 0), StreamCheck("account-a", 1), condition],
            )

        first, second, third, fourth = caught.value.failures
        assert (first, second, fourth) == (
            StreamMoved("account-a", NO_STREAM, 1),
            StreamMoved("account-c", EXISTS, 0),
            QueryMatched(condition, last),
        )
        assert isinstance(third, StreamMoved)
        assert (third.stream, third.expected, third.actual, len(third.tail), third.complete) == (
            "account-b",
            0,
            1,
            1,
            True,
        )
        assert await listed(store.read()) == before

    async def test_checks_on_what_is_not_written_may_hold(self, store: AsyncStore) -> None:
        await store.append("account-a", [Deposited(9)])
        checks: list[Check] = [
            StreamCheck("account-a", 1),
            StreamCheck("account-z", NO_STREAM),
            AppendCondition(Query.of(tags=["t"])),
        ]
        (receipt,) = await store.append_all([StreamWrite("note-1", [Noted("x")])], checks=checks)
        assert receipt.version == 1

    @pytest.mark.guarantee("G4")
    async def test_repeating_it_gives_the_first_outcome(self, store: AsyncStore) -> None:
        ids = [UUID(int=i) for i in range(1, 4)]
        writes = [
            StreamWrite("account-a", [NewEvent(Withdrawn(5), id=ids[0])], NO_STREAM),
            StreamWrite("account-b", [NewEvent(Deposited(5), id=ids[1]), NewEvent(Deposited(6), id=ids[2])]),
        ]
        first = await store.append_all(writes)
        again = await store.append_all(writes)

        assert [(r.version, r.positions, r.ids, r.repeated) for r in again] == [
            (r.version, r.positions, r.ids, True) for r in first
        ]
        with pytest.raises(IdReused):
            await store.append_all([*writes, StreamWrite("account-c", [Deposited(1)])])
        assert await store.bind(accounts).state("b") == 11

    @pytest.mark.guarantee("G4")
    async def test_two_streams_do_not_share_an_id(self, store: AsyncStore) -> None:
        events = [NewEvent(Deposited(5), id=UUID(int=1))]
        with pytest.raises(InvalidEvent, match=str(UUID(int=1))):
            await store.append_all([StreamWrite("account-a", events), StreamWrite("account-b", events)])
        assert await store.head() == 0

    async def test_a_stream_is_written_once_and_something_is_written(self, store: AsyncStore) -> None:
        with pytest.raises(UsageError, match="is written 2 times"):
            await store.append_all([StreamWrite("account-a", [Deposited(1)]), StreamWrite("account-a", [Deposited(1)])])
        with pytest.raises(InvalidEvent, match="an append of nothing"):
            await store.append_all([])
        with pytest.raises(InvalidEvent, match="an append of nothing to stream 'account-b'"):
            await store.append_all([StreamWrite("account-a", [Deposited(1)]), StreamWrite("account-b", [])])
        assert await store.head() == 0

    @pytest.mark.guarantee("G5")
    async def test_checks_alone_decide_between_two_that_look_at_each_other(self, store: AsyncStore) -> None:
        await store.append_all([StreamWrite("note-a", [Noted("x")])], checks=[StreamCheck("note-b", NO_STREAM)])
        with pytest.raises(Conflict) as caught:
            await store.append_all([StreamWrite("note-b", [Noted("x")])], checks=[StreamCheck("note-a", NO_STREAM)])
        assert caught.value.failures == (StreamMoved("note-a", NO_STREAM, 1),)
