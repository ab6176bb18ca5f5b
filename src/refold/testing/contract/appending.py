"""Contract: an append writes all of its events or none, and tells exactly why not."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from refold.aio import AsyncStore
from refold.errors import Conflict, InvalidEvent, StoreClosed, UsageError
from refold.messages import Position
from refold.ports import QueryMatched, StreamMoved
from refold.query import ANY, EXISTS, NO_STREAM, AppendCondition, Expected, Query
from refold.testing.contract.base import Contract, Stores, listed
from refold.testing.contract.sample import Deposited, Noted, accounts, fact


class Appending(Contract):
    """`append` and what a writer expects of a stream."""

    async def test_events_are_read_back_in_the_order_in_which_they_were_appended(self, store: AsyncStore) -> None:
        receipt = await store.append("note-1", [Noted("a"), Noted("b")])
        await store.append("note-2", [Noted("c")])

        read = await listed(store.read())
        assert [(str(e.stream), e.version, e.data) for e in read] == [
            ("note-1", 1, Noted("a")),
            ("note-1", 2, Noted("b")),
            ("note-2", 1, Noted("c")),
        ]
        assert (receipt.version, receipt.positions, receipt.ids, receipt.repeated) == (
            2,
            tuple(e.position for e in read[:2]),
            tuple(e.id for e in read[:2]),
            False,
        )

    @pytest.mark.guarantee("G6")
    async def test_positions_rise_and_the_head_is_the_last_of_them(self, store: AsyncStore) -> None:
        assert await store.head() == 0
        positions = [(await store.append(f"note-{i % 3}", [Noted("x")])).position for i in range(7)]

        assert positions == sorted(set(positions))
        assert positions[0] > 0
        assert await store.head() == positions[-1]
        assert [e.position for e in await listed(store.read())] == positions
        assert isinstance(await store.head(), Position)

    @pytest.mark.parametrize(
        ("length", "expected", "holds"),
        [
            (0, 0, True), (0, NO_STREAM, True), (0, ANY, True), (0, EXISTS, False), (0, 1, False),
            (2, 2, True), (2, EXISTS, True), (2, ANY, True),
            (2, NO_STREAM, False), (2, 0, False), (2, 1, False), (2, 3, False), (2, 2**53, False),
        ],
    )  # fmt: skip
    @pytest.mark.guarantee("G5")
    async def test_an_append_is_done_if_the_stream_is_as_expected(
        self, store: AsyncStore, length: int, expected: int | Expected, *, holds: bool
    ) -> None:
        for _ in range(length):
            await store.append("note-1", [Noted("there")])
        await store.append("note-other", [Noted("does not count")])

        if holds:
            assert (await store.append("note-1", [Noted("new")], expected=expected)).version == length + 1
        else:
            with pytest.raises(Conflict):
                await store.append("note-1", [Noted("new")], expected=expected)
        assert len(await listed(store.read("note-1"))) == length + holds

    @pytest.mark.guarantee("G5")
    async def test_a_conflict_tells_both_versions_and_brings_the_missing_tail(self, store: AsyncStore) -> None:
        for text in ("a", "b", "c"):
            await store.append("note-1", [Noted(text)])

        with pytest.raises(Conflict, match=r"stream 'note-1' is at version 3, not 1") as caught:
            await store.append("note-1", [Noted("late")], expected=1)

        tail = [
            (e.version, int(e.position), e.type, e.schema_version) for e in await listed(store.read("note-1", after=1))
        ]
        match caught.value.failures:
            case (StreamMoved("note-1", 1, 3, payloads, True),):
                assert [payload[:4] for payload in payloads] == tail
                assert [bytes(payload[4]) for payload in payloads] == [b'{"text":"b"}', b'{"text":"c"}']
            case other:
                pytest.fail(f"the conflict tells {other}")

    async def test_a_conflict_that_names_no_version_brings_no_tail(self, store: AsyncStore) -> None:
        await store.append("note-1", [Noted("a")])
        with pytest.raises(Conflict) as caught:
            await store.append("note-1", [Noted("late")], expected=NO_STREAM)
        assert caught.value.failures == (StreamMoved("note-1", NO_STREAM, 1),)

    @pytest.mark.guarantee("G5")
    async def test_all_that_failed_is_told_together_with_what_is_there(self, store: AsyncStore) -> None:
        last = (await store.append("note-1", [fact("X", "t")])).position
        condition = AppendCondition(Query.of(tags=["t"]))

        with pytest.raises(Conflict) as caught:
            await store.append("note-1", [Noted("late")], expected=NO_STREAM, condition=condition)

        assert caught.value.failures == (StreamMoved("note-1", NO_STREAM, 1), QueryMatched(condition, last))

    @pytest.mark.guarantee("G1")
    async def test_a_refused_append_leaves_nothing_behind(self, store: AsyncStore) -> None:
        await store.append("note-1", [Noted("a")])

        async def there() -> tuple[object, ...]:
            stats = replace(await store.stats(), bytes=0)  # an engine may keep something of its own
            return await listed(store.read()), await store.head(), stats

        before = await there()
        with pytest.raises(Conflict):
            await store.append("note-1", [fact("X", "t"), fact("Y", "t")], expected=0)
        assert await there() == before
        assert await listed(store.read(query=Query.of(tags=["t"]))) == []

    async def test_an_append_of_nothing_is_refused(self, store: AsyncStore) -> None:
        with pytest.raises(InvalidEvent, match="an append of nothing to stream 'note-1'"):
            await store.append("note-1", [])
        assert await store.head() == 0

    @pytest.mark.parametrize("expected", [-1, True, 1.0, "1", None])
    async def test_an_expectation_that_is_none_is_a_usage_error(self, store: AsyncStore, expected: Any) -> None:
        with pytest.raises(UsageError, match="is neither a version"):
            await store.append("note-1", [Noted("a")], expected=expected)
        assert await store.head() == 0

    @pytest.mark.parametrize("thing", ["text", 1, None, object(), Deposited, {"a": 1}])
    async def test_what_is_no_event_is_a_usage_error_and_nothing_is_written(
        self, store: AsyncStore, thing: object
    ) -> None:
        with pytest.raises(UsageError, match="mark the class with @event"):
            await store.append("note-1", [Noted("fine"), thing])
        assert await store.head() == 0

    async def test_a_closed_store_says_so_and_closing_twice_is_fine(self, stores: Stores) -> None:
        store = await stores.open()
        account = store.bind(accounts)
        await store.close()
        await store.close()

        for call in (
            lambda: store.append("note-1", [Noted("a")]),
            lambda: listed(store.read()),
            lambda: listed(store.streams()),
            lambda: listed(store.verify()),
            lambda: account.state("1"),
            lambda: account.do("1", lambda balance: [Deposited(balance)]),
            store.head,
            store.stats,
            store.find,
        ):
            with pytest.raises(StoreClosed, match="this store is closed"):
                await call()

    async def test_the_store_names_what_its_appends_survive(self, store: AsyncStore, stores: Stores) -> None:
        assert store.durability in {"disk", "quorum-disk", "quorum-memory", "best-effort"}
        assert stores.place.durable or store.durability == "best-effort"
