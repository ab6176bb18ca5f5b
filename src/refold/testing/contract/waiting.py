"""Contract: whoever waits for events is woken by an append, of this store or of another process, and not before."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from refold.aio import AsyncStore
from refold.errors import UsageError
from refold.testing.contract.base import Contract, Stores
from refold.testing.contract.sample import Noted

LONG = 30.0
"""Seconds that no test waits for: a wait that is not woken fails by taking them."""


class Waiting(Contract):
    """`wait`."""

    async def test_what_stands_there_already_is_not_waited_for(self, store: AsyncStore) -> None:
        first, last = (await store.append("note-1", [Noted("a"), Noted("b")])).positions
        started = time.monotonic()
        assert await store.wait(first, timeout=LONG) == last
        assert time.monotonic() - started < LONG / 2

    async def test_when_nothing_comes_the_head_is_given_after_the_time(self, store: AsyncStore) -> None:
        head = (await store.append("note-1", [Noted("a")])).position
        started = time.monotonic()
        assert await store.wait(head, timeout=0.2) == head
        assert time.monotonic() - started >= 0.19

    @pytest.mark.parametrize("seconds", ["1", None, float("nan")], ids=str)
    async def test_a_time_that_is_none_or_never_over_is_not_waited(self, store: AsyncStore, seconds: Any) -> None:
        with pytest.raises(UsageError, match=rf"^timeout={seconds!r} is no time to wait: give seconds"):
            await store.wait(0, timeout=seconds)

    async def test_an_append_wakes_all_who_wait(self, stores: Stores) -> None:
        crowd = await stores.crowd(6)
        head = int(await crowd[0].head())
        started = time.monotonic()
        waiters = [asyncio.ensure_future(store.wait(head, timeout=LONG)) for store in crowd]
        await asyncio.sleep(0.1)  # so that they do wait; if they do not yet, the test is only easier
        assert not any(waiter.done() for waiter in waiters)

        receipt = await crowd[0].append("note-1", [Noted("a")])

        assert await asyncio.gather(*waiters) == [receipt.position] * 6
        assert time.monotonic() - started < LONG / 2
