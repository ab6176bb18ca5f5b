"""The same work by Refold, through its public faces; what was acknowledged is read back before it counts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from benchmarks.measuring import Clock, Place, Run, judge
from benchmarks.subject import DEPOSITED, Deposit, Deposited, accounts
from refold import NO_STREAM, AsyncStore, Projection, Recorded, Statement, Store, sql

Told = list[tuple[str, int]]


class Tail:
    """A subscriber beside the writers, as the peers have one; entered before they begin, asked when they have ended."""

    def __init__(self, url: str) -> None:
        self.places, self._store = list[Place](), Store.open(url, events=[Deposited])
        self._events = self._store.subscribe()
        self._thread = threading.Thread(target=self._follow)

    def _follow(self) -> None:
        self.places.extend((each.position, str(each.stream), each.version) for each in self._events)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        head = self._store.head()
        while self._thread.is_alive() and self._events.position < head:
            self._thread.join(0.005)
        self._events.close()
        self._thread.join()
        self._store.close()


def stored(url: str) -> Iterator[Place]:
    """Everything, as a read gives it."""
    with Store.open(url, events=[Deposited]) as store:
        for event in store.read():
            yield event.position, str(event.stream), event.version


def fill(url: str, streams: int, events: int) -> None:
    """Accounts of so many events."""
    with Store.open(url, events=[Deposited]) as store:
        for index in range(streams):
            store.append(f"account-{index}", [DEPOSITED] * events, expected=NO_STREAM)


def one_by_one(url: str, clock: Clock, count: int) -> int:
    """One event a commit, one client."""
    told = Told()
    with Store.open(url, events=[Deposited]) as store, clock.running():
        for index in range(count):
            start = clock.now()
            receipt = store.append(f"account-{index}", [DEPOSITED], expected=NO_STREAM)
            clock.lap(start)
            told.append((f"account-{index}", receipt.version))
    judge(told, stored(url))
    return len(told)


def by_threads(threads: int) -> Run:
    """One event an append, from threads that share a store, a subscriber beside them."""

    def run(url: str, clock: Clock, count: int) -> int:
        told = Told()
        with Store.open(url, events=[Deposited]) as store, ThreadPoolExecutor(threads) as pool, Tail(url) as tail:

            def work(thread: int) -> None:
                for index in range(count // threads):
                    start = clock.now()
                    receipt = store.append(f"account-{thread}x{index}", [DEPOSITED], expected=NO_STREAM)
                    clock.lap(start)
                    told.append((f"account-{thread}x{index}", receipt.version))

            with clock.running():
                list(pool.map(work, range(threads)))
        judge(told, stored(url), tail.places)
        return len(told)

    return run


def by_tasks(tasks: int, *, watched: bool = False) -> Run:
    """One event an append, from tasks that await, each with its own expectation and outcome; `watched`: by a subscriber."""

    async def work(url: str, clock: Clock, count: int, told: Told) -> None:
        async with await AsyncStore.open(url, events=[Deposited]) as store:

            async def task(number: int) -> None:
                for index in range(count // tasks):
                    start = clock.now()
                    receipt = await store.append(f"account-{number}x{index}", [DEPOSITED], expected=NO_STREAM)
                    clock.lap(start)
                    told.append((f"account-{number}x{index}", receipt.version))

            with clock.running():
                await asyncio.gather(*map(task, range(tasks)))

    def run(url: str, clock: Clock, count: int) -> int:
        told, tailed = Told(), None
        if watched:
            with Tail(url) as tail:
                asyncio.run(work(url, clock, count, told))
            tailed = tail.places
        else:
            asyncio.run(work(url, clock, count, told))
        judge(told, stored(url), tailed)
        return len(told)

    return run


def hundreds(url: str, clock: Clock, count: int) -> int:
    """A hundred events a commit."""
    told = Told()
    with Store.open(url, events=[Deposited]) as store, clock.running():
        for index in range(count):
            start = clock.now()
            receipt = store.append(f"account-{index}", [DEPOSITED] * 100, expected=NO_STREAM)
            clock.lap(start)
            told.extend((f"account-{index}", receipt.version - each) for each in range(100))
    judge(told, stored(url))
    return len(told)


def load(url: str, clock: Clock, count: int) -> int:
    """The state of a stream of 1,000 events."""
    fill(url, 1, 1_000)
    with Store.open(url) as store:
        account = store.bind(accounts)
        with clock.running():
            for _ in range(count):
                assert account.state("0") == 1_000
    return count


def read(url: str, clock: Clock, count: int) -> int:
    """Every event of the store."""
    return _read(url, clock, count, subscribed=False)


def subscribe(url: str, clock: Clock, count: int) -> int:
    """Every event of the store, by a subscription."""
    return _read(url, clock, count, subscribed=True)


def _read(url: str, clock: Clock, count: int, *, subscribed: bool) -> int:
    fill(url, count // 100, 100)
    with Store.open(url, events=[Deposited]) as store, clock.running():
        events = store.subscribe(idle=0) if subscribed else store.read()
        total: int = sum(event.data.amount for event in events)
    assert total == count // 100 * 100
    return total


def commands(tasks: int = 0, *, hot: bool = False, cache: int = 0) -> Run:
    """Whole commands on streams of about 20 events: by one blocking client, or by tasks and a subscriber beside them.

    `hot`: all on one stream. `cache`: so many states are kept in this process, so that a command asks for no events.
    """
    streams = 1 if hot else max(50, tasks)

    async def awaiting(url: str, clock: Clock, count: int, told: Told) -> None:
        async with await AsyncStore.open(url) as store:
            account = store.bind(accounts, cache=cache)

            async def task(number: int) -> None:
                for index in range(count // tasks):
                    start, id = clock.now(), str((number + index * tasks) % streams)
                    handled = await account.handle(id, Deposit(1))
                    clock.lap(start)
                    told.append((f"account-{id}", handled.version))

            with clock.running():
                await asyncio.gather(*map(task, range(tasks)))

    def run(url: str, clock: Clock, count: int) -> int:
        fill(url, streams, 20)
        told = Told()
        if tasks:
            with Tail(url) as tail:
                asyncio.run(awaiting(url, clock, count, told))
            judge(told, stored(url), tail.places)
        else:
            told = _blocking(url, clock, count, streams, cache)
            judge(told, stored(url))
        return len(told)

    return run


def _blocking(url: str, clock: Clock, count: int, streams: int, cache: int) -> Told:
    told = Told()
    with Store.open(url) as store, clock.running():
        account = store.bind(accounts, cache=cache)
        for index in range(count):
            start = clock.now()
            handled = account.handle(str(index % streams), Deposit(1))
            clock.lap(start)
            told.append((f"account-{index % streams}", handled.version))
    return told


ADD = "insert into sums values (:account, :amount) on conflict (account) do update set amount = sums.amount + excluded.amount"
sums = Projection("sums", schema="create table sums (account text primary key, amount bigint)")


@sums.on(Deposited)
def add(event: Recorded[Deposited]) -> Iterator[Statement]:
    """The sum of each account."""
    yield sql(ADD, account=str(event.stream), amount=event.data.amount)


def project(url: str, clock: Clock, count: int) -> int:
    """Every event into a table, exactly once, with the checkpoint, its fence and the bits of the audit."""
    streams = count // 100
    fill(url, streams, 100)
    with Store.open(url, events=[Deposited]) as store:
        with clock.running():
            store.catch_up(sums)
        totals: Sequence[object] = store.query("select sum(amount), count(*) from sums")
        assert totals == [(streams * 100, streams)]
        assert store.model(sums).audit().is_sound
    return streams * 100
