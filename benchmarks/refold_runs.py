"""The same work by Refold, through its public faces; what was acknowledged is read back before it counts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from benchmarks.measuring import Clock, Run
from benchmarks.subject import DEPOSITED, Deposit, Deposited, accounts
from refold import NO_STREAM, AsyncStore, Projection, Recorded, Statement, Store, sql


def _checked(url: str, expected: int) -> int:
    """Read everything back: every position once, rising, and every stream's versions without a hole."""
    with Store.open(url, events=[Deposited]) as store:
        versions: dict[str, int] = {}
        last, count = 0, 0
        for event in store.read():
            assert event.position > last, f"position {event.position} after {last}"
            stream = str(event.stream)
            assert event.version == versions.get(stream, 0) + 1, f"{stream} lost an update"
            versions[stream], last, count = event.version, event.position, count + 1
    assert count == expected, f"{count} events are there, {expected} were acknowledged"
    return count


def one_by_one(count: int) -> Run:
    """One event a commit, one client."""

    def run(url: str, clock: Clock) -> int:
        with Store.open(url, events=[Deposited]) as store, clock.running():
            for index in range(count):
                store.append(f"account-{index}", [DEPOSITED], expected=NO_STREAM)
        return _checked(url, count)

    return run


def by_threads(threads: int, count: int) -> Run:
    """One event an append, from threads that share a store."""

    def run(url: str, clock: Clock) -> int:
        with Store.open(url, events=[Deposited]) as store, ThreadPoolExecutor(threads) as pool:

            def work(thread: int) -> None:
                for index in range(count // threads):
                    store.append(f"account-{thread}x{index}", [DEPOSITED], expected=NO_STREAM)

            with clock.running():
                list(pool.map(work, range(threads)))
        return _checked(url, count // threads * threads)

    return run


def by_tasks(tasks: int, count: int) -> Run:
    """One event an append, from tasks that await, each with its own expectation and outcome."""

    async def work(url: str, clock: Clock) -> None:
        async with await AsyncStore.open(url, events=[Deposited]) as store:

            async def task(number: int) -> None:
                for index in range(count // tasks):
                    await store.append(f"account-{number}x{index}", [DEPOSITED], expected=NO_STREAM)

            with clock.running():
                await asyncio.gather(*map(task, range(tasks)))

    def run(url: str, clock: Clock) -> int:
        asyncio.run(work(url, clock))
        return _checked(url, count // tasks * tasks)

    return run


def hundreds(count: int) -> Run:
    """A hundred events a commit."""

    def run(url: str, clock: Clock) -> int:
        with Store.open(url, events=[Deposited]) as store, clock.running():
            for index in range(count):
                store.append(f"account-{index}", [DEPOSITED] * 100, expected=NO_STREAM)
        return _checked(url, count * 100)

    return run


def rehydrate(count: int) -> Run:
    """The state of a stream of 1,000 events."""

    def run(url: str, clock: Clock) -> int:
        with Store.open(url) as store:
            store.append("account-1", [DEPOSITED] * 1_000)
            account = store.bind(accounts)
            with clock.running():
                for _ in range(count):
                    assert account.state("1") == 1_000
        return count

    return run


def read_all(count: int, *, subscribed: bool = False) -> Run:
    """Every event of the store, by `read` or by a subscription."""

    def run(url: str, clock: Clock) -> int:
        with Store.open(url, events=[Deposited]) as store:
            for index in range(count):
                store.append(f"account-{index}", [DEPOSITED] * 100, expected=NO_STREAM)
            with clock.running():
                events = store.subscribe(idle=0) if subscribed else store.read()
                assert sum(event.data.amount for event in events) == count * 100
        return _checked(url, count * 100)

    return run


def commands(count: int, tasks: int = 0, *, hot: bool = False) -> Run:
    """Whole commands on streams of about 20 events, from one blocking client or from tasks; `hot`: all on one stream."""

    def prepare(url: str) -> None:
        with Store.open(url) as store:
            for index in range(200):
                store.append(f"account-{index}", [DEPOSITED] * 20)

    async def awaiting(url: str, clock: Clock) -> None:
        async with await AsyncStore.open(url) as store:
            account = store.bind(accounts)

            async def task(number: int) -> None:
                for index in range(count // tasks):
                    await account.handle("0" if hot else str((number + index * tasks) % 200), Deposit(1))

            with clock.running():
                await asyncio.gather(*map(task, range(tasks)))

    def run(url: str, clock: Clock) -> int:
        prepare(url)
        if tasks:
            asyncio.run(awaiting(url, clock))
            return _checked(url, 4_000 + count // tasks * tasks) - 4_000
        with Store.open(url) as store, clock.running():
            account = store.bind(accounts)
            for index in range(count):
                account.handle(str(index % 200), Deposit(1))
        return _checked(url, 4_000 + count) - 4_000

    return run


ADD = "insert into sums values (:account, :amount) on conflict (account) do update set amount = sums.amount + excluded.amount"
sums = Projection("sums", schema="create table sums (account text primary key, amount bigint)")


@sums.on(Deposited)
def add(event: Recorded[Deposited]) -> Iterator[Statement]:
    """The sum of each account."""
    yield sql(ADD, account=str(event.stream), amount=event.data.amount)


def project(count: int) -> Run:
    """Every event into a table, exactly once, with the checkpoint, its fence and the bits of the audit."""

    def run(url: str, clock: Clock) -> int:
        with Store.open(url, events=[Deposited]) as store:
            for index in range(count):
                store.append(f"account-{index}", [DEPOSITED] * 100, expected=NO_STREAM)
            with clock.running():
                store.catch_up(sums)
            assert store.query("select sum(amount), count(*) from sums") == [(count * 100, count)]
            assert store.model(sums).audit().is_sound
        return _checked(url, count * 100)

    return run
