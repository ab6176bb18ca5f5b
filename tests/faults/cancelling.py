"""Appends whose tasks are cancelled: at each of their awaits, as it begins or a little later."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Generator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from refold import AsyncStore, NewEvent, RawEvent
from refold.flows.append import Receipt

T = TypeVar("T")
AT_ONCE: Final = 20
"""So many tasks append beside each other, and share what there is to share."""


class Cancelled(Generic[T]):
    """Awaits a coroutine, and cancels the task that does, at the n-th await or so many seconds later; 0: never."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], n: int, later: float = 0) -> None:
        self._coroutine, self._n, self._later = coroutine, n, later
        self.awaits = 0

    def __await__(self) -> Generator[Any, Any, T]:
        inner, raised = self._coroutine.__await__(), None
        while True:
            try:
                waits_for = inner.throw(raised) if raised else next(inner)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            self._count()
            try:
                raised = None
                yield waits_for
            except BaseException as error:
                raised = error

    def _count(self) -> None:
        self.awaits += 1
        task = asyncio.current_task()
        if self.awaits == self._n and task is not None:
            if self._later:
                asyncio.get_running_loop().call_later(self._later, task.cancel)
            else:
                task.cancel()


@dataclass
class Came:
    """What came of it. `at`: how often a task was cancelled at its n-th await; `there`: so many of those were written."""

    done: int = 0
    at: Counter[int] = field(default_factory=Counter[int])
    there: int = 0
    wrong: list[str] = field(default_factory=list)


async def cancel_appends(url: str, count: int, seed: int) -> Came:
    """Append so often, cancel most of it, look what is there, and repeat what was cancelled."""
    random, came = Random(seed), Came()  # noqa: S311 - the same each time for a seed
    async with await AsyncStore.open(url, events=[RawEvent]) as store:
        most = await _awaits(store)
        receipts = dict[int, Receipt | None]()
        for first in range(1, count + 1, AT_ONCE):
            some = range(first, min(first + AT_ONCE, count + 1))
            told = await asyncio.gather(*(_one(store, number, random, most, came) for number in some))
            receipts.update(zip(some, told, strict=True))
        last = count + 1  # behind what was sent and is still under way, though nobody waits for it any more
        receipts[last] = await store.append(_stream(last), events(last))
        await _judge(store, receipts, came)
    return came


async def _awaits(store: AsyncStore) -> int:
    """How many an append has."""
    append = Cancelled(store.append("a-0", events(0)), 0)
    await append
    return append.awaits


async def _one(store: AsyncStore, number: int, random: Random, most: int, came: Came) -> Receipt | None:
    turn, n = divmod(number, most + 1)  # at each in turn, and first of all as it begins
    later = random.choice((0, 0.0002, 0.002, 0.02)) if turn % 2 else 0
    append = Cancelled(store.append(_stream(number), events(number)), n, later)

    async def run() -> Receipt:
        return await append

    [told] = await asyncio.gather(asyncio.create_task(run()), return_exceptions=True)
    if isinstance(told, asyncio.CancelledError):
        came.at[n] += 1
        return None
    if isinstance(told, BaseException):
        came.wrong.append(f"append {number} was hurt by the others: {type(told).__name__}: {told}")
        return None
    came.done += 1
    return told


def events(number: int) -> Sequence[NewEvent[RawEvent]]:
    """Those of one append: always the same, with the same ids."""
    return [NewEvent(RawEvent("X", {"n": number}), id=UUID(int=number * 4 + part + 1)) for part in range(3)]


def _stream(number: int) -> str:
    return f"a-{number % 7}"


async def _judge(store: AsyncStore, receipts: dict[int, Receipt | None], came: Came) -> None:
    """What is done stands where it was told, and what was cancelled is whole or not there: its repeat says which."""
    before = await _positions(store)
    for number, receipt in receipts.items():
        there = before.pop(number, ())
        if receipt is None:
            came.there += bool(there)
            receipt = await store.append(_stream(number), events(number))  # noqa: PLW2901 - now it is told
            if receipt.repeated != bool(there):
                came.wrong.append(f"append {number} was cancelled, {there} were there, and is told {receipt}")
        elif not there:
            came.wrong.append(f"append {number} was told {receipt}, and is not there")
        if there and there != tuple(map(int, receipt.positions)):
            came.wrong.append(f"append {number} was told {receipt}, and is at {there}")
    after = await _positions(store)
    came.wrong += [f"append {number} is at {there}" for number, there in after.items() if len(there) != 3]
    if set(after) != {0, *receipts}:
        came.wrong.append(f"these are there: {sorted(after)}")


async def _positions(store: AsyncStore) -> dict[int, tuple[int, ...]]:
    found = dict[int, tuple[int, ...]]()
    async for event in store.read():
        number: int = event.data.data["n"]
        found[number] = (*found.get(number, ()), int(event.position))
    return found
