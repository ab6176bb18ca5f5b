"""Contract: n passes, n + 1 is a typed error and writes nothing, and the store goes on."""

from __future__ import annotations

import pytest

from refold.aio import AsyncStore
from refold.errors import TooLarge
from refold.limits import Limits
from refold.messages import NewEvent, RawEvent
from refold.testing.contract.base import Contract, Stores
from refold.testing.contract.data import nested
from refold.testing.contract.sample import Noted, fact

EMPTY = len(b'{"text":""}')


@pytest.mark.guarantee("G12")
class Limited(Contract):
    """`Limits`, set and by default."""

    async def _refused(self, store: AsyncStore, events: list[object], setting: str) -> TooLarge:
        before = await store.head()
        with pytest.raises(TooLarge, match=rf"limits=Limits\({setting}=") as caught:
            await store.append("note-1", events)
        assert await store.head() == before
        return caught.value

    async def test_an_event_is_as_large_as_the_limit_and_no_larger(self, stores: Stores) -> None:
        store = await stores.open(limits=Limits(event_bytes=100))
        await store.append("note-1", [Noted("x" * (100 - EMPTY))])
        error = await self._refused(store, [Noted("fine"), Noted("x" * (101 - EMPTY))], "event_bytes")
        assert (error.actual, error.limit, error.setting) == (101, 100, "event_bytes")

    async def test_a_size_is_counted_in_bytes_not_in_characters(self, stores: Stores) -> None:
        store = await stores.open(limits=Limits(event_bytes=EMPTY + 4))
        await store.append("note-1", [Noted("🦊"), Noted("ää")])
        await self._refused(store, [Noted("🦊x")], "event_bytes")

    async def test_metadata_have_a_limit(self, stores: Stores) -> None:
        store = await stores.open(limits=Limits(metadata_bytes=len('{"k":""}') + 10))
        await store.append("note-1", [NewEvent(Noted(""), metadata={"k": "x" * 10})])
        await self._refused(store, [NewEvent(Noted(""), metadata={"k": "x" * 11})], "metadata_bytes")

    async def test_an_append_has_a_limit_of_events(self, stores: Stores) -> None:
        store = await stores.open(limits=Limits(batch_events=3))
        await store.append("note-1", [Noted("")] * 3)
        await self._refused(store, [Noted("")] * 4, "batch_events")

    async def test_an_append_has_a_limit_of_bytes(self, stores: Stores) -> None:
        store = await stores.open(limits=Limits(batch_bytes=3 * EMPTY))
        await store.append("note-1", [Noted("")] * 3)
        await self._refused(store, [Noted(""), Noted(""), Noted("x")], "batch_bytes")

    async def test_nesting_has_a_limit_and_brackets_in_text_are_none(self, store: AsyncStore) -> None:
        await store.append(
            "note-1", [fact("deep", what=nested(64)), fact("wide", what=[{"a": 1}] * 100), Noted('[{"\\' * 100)]
        )
        error = await self._refused(store, [Noted("fine"), fact("deep", what=nested(65))], "depth")
        assert (error.actual, error.limit, error.setting) == (65, 64, "depth")

    async def test_the_depth_of_nesting_can_be_set(self, stores: Stores) -> None:
        store = await stores.open(limits=Limits(depth=2))
        await store.append("note-1", [fact("deep", a={"b": [1]}, c=nested(2))])
        await self._refused(store, [fact("deep", a={"b": [[1]]})], "depth")

    async def test_the_defaults_hold(self, store: AsyncStore) -> None:
        await store.append("note-1", [Noted("x" * ((1 << 20) - EMPTY))])
        await self._refused(store, [Noted("x" * ((1 << 20) - EMPTY + 1))], "event_bytes")
        await self._refused(store, [fact("big", text="x" * (16 << 20))], "event_bytes")
        await store.append("note-1", [RawEvent("X", {})] * 1_000)
        await self._refused(store, [RawEvent("X", {})] * 1_001, "batch_events")
        await self._refused(store, [RawEvent("X", {})] * 10_000, "batch_events")
        await self._refused(store, [Noted("x" * 1_000_000)] * 9, "batch_bytes")
        await self._refused(store, [NewEvent(Noted("x"), metadata={"k": "x" * (1 << 16)})], "metadata_bytes")
        assert (await store.append("note-1", [Noted("the store is usable afterwards")])).version == 1_002
