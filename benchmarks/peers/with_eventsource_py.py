"""eventsource-py, as its documentation has it: aggregates and their `AggregateRepository`, a `SubscriptionManager`.

It awaits, so clients are tasks of one event loop. SQLite is its `SQLiteEventStore`, PostgreSQL its `PostgreSQLEventStore`
over asyncpg. Reading is `read_all` in pages of 1,000. Projecting is a `DatabaseProjection` under a `SubscriptionManager`
with batches of 500 and a checkpoint each batch. The reader beside the writers takes `read_all` every 5 ms.
"""

# mypy: ignore-errors
# pyright: basic, reportMissingImports=false, reportOptionalMemberAccess=false
# The library is not in the environment of those who check the types.

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from importlib.metadata import version
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid5

from eventsource import (
    AggregateRepository,
    AggregateRoot,
    DatabaseProjection,
    DomainEvent,
    FeedReadOptions,
    InMemoryEventBus,
    OptimisticLockError,
    Position,
    PostgreSQLEventStore,
    SQLCheckpointRepository,
    SQLiteEventStore,
    create_async_engine,
    handles,
    register_event,
)
from eventsource.application.subscriptions import SubscriptionConfig, SubscriptionManager
from eventsource.migrations import get_schema
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, async_sessionmaker

from benchmarks.measuring import Clock, Place, judge
from benchmarks.peers.asking import NOTE, Asked, Doing, serve

SPACE = UUID("5f1b7a52-1c1a-4f0c-8a53-0b6b0a1c6f10")

CHECKPOINTS = get_schema("checkpoints").replace("GET DIAGNOSTICS deleted = FOUND", "deleted := FOUND")
"""Its schema, with the one line mended that PostgreSQL does not know."""


@register_event
class Deposited(DomainEvent):
    event_type: str = "Deposited"
    aggregate_type: str = "Account"
    amount: int
    note: str


class Balance(BaseModel):
    amount: int = 0


class Account(AggregateRoot[Balance]):
    aggregate_type = "Account"

    def _get_initial_state(self) -> Balance:
        return Balance()

    def _apply(self, event: DomainEvent) -> None:
        if isinstance(event, Deposited):
            self._state = Balance(amount=(self._state.amount if self._state else 0) + event.amount)

    def deposit(self, amount: int) -> None:
        self.apply_event(
            Deposited(
                aggregate_id=self.aggregate_id, amount=amount, note=NOTE, aggregate_version=self.get_next_version()
            )
        )


def numbered(number: int) -> UUID:
    return uuid5(SPACE, str(number))


class Bank:
    """A store and the repository over it."""

    def __init__(self, place: str) -> None:
        if place.startswith("sqlite:///"):
            self.path = place.removeprefix("sqlite:///")
            self.engine = create_async_engine(f"sqlite+aiosqlite:///{self.path}")
            self.store, self.reader = SQLiteEventStore(self.path), SQLiteEventStore(self.path)
        else:
            self.path = ""
            url = urlunsplit(urlsplit(place)._replace(scheme="postgresql+asyncpg"))
            self.engine = create_async_engine(url, pool_size=20)
            self.store = self.reader = PostgreSQLEventStore(self.engine, create_schema=True)
        self.accounts = AggregateRepository(
            event_store=self.store, aggregate_factory=Account, aggregate_type="Account", enable_tracing=False
        )

    async def after(self, position: Position | None) -> tuple[list[Place], Position | None]:
        """What a reader of everything is given from there on, for now, and where it is then."""
        places, size = list[Place](), 0
        while size % 1_000 == 0:
            async for each in self.reader.read_all(position, FeedReadOptions(limit=1_000)):
                position = each.position
                places.append((position.key[0], str(each.stream_id.aggregate_id), each.stream_version))
            if len(places) == size:
                break
            size = len(places)
        return places, position

    async def all(self) -> list[Place]:
        return (await self.after(None))[0]

    async def fill(self, accounts: int, events: int) -> None:
        for number in range(accounts):
            account = self.accounts.create_new(numbered(number))
            for _ in range(events):
                account.deposit(1)
            await self.accounts.save(account)


@asynccontextmanager
async def opened(place: str) -> AsyncIterator[Bank]:
    """A bank with its tables; SQLite must wait for the disk, as it does by default."""
    bank = Bank(place)
    async with bank.engine.connect() as connection:
        if bank.path:
            assert (await connection.execute(text("pragma synchronous"))).scalar() == 2, "SQLite does not wait"
    await bank.store.current_position()
    await bank.reader.current_position()
    if not bank.path:
        async with bank.engine.connect() as connection:
            raw = await connection.get_raw_connection()
            await raw.driver_connection.execute(CHECKPOINTS)
            await connection.commit()
    yield bank
    await bank.store.close()
    await bank.reader.close()
    await bank.engine.dispose()


class Tail:
    """A reader beside the writers, until it has been given as much as there is, or nothing new for half a second."""

    def __init__(self, bank: Bank) -> None:
        self.bank, self.places, self.wanted = bank, list[Place](), None
        self.task = asyncio.create_task(self.follow())

    async def follow(self) -> None:
        position, idle = None, 0
        while self.wanted is None or (len(self.places) < self.wanted and idle < 100):
            await asyncio.sleep(0.005)
            got, position = await self.bank.after(position)
            idle = 0 if got else idle + 1
            self.places += got

    async def ended(self, wanted: int) -> list[Place]:
        self.wanted = wanted
        await self.task
        return self.places


async def append(asked: Asked, clock: Clock) -> int:
    """New aggregates of `batch` events, saved one by one."""
    async with opened(asked.place) as bank:
        told = list[tuple[str, int]]()
        tail = Tail(bank) if asked.clients > 1 else None

        async def client(number: int) -> None:
            for index in range(asked.count // asked.clients):
                start = clock.now()
                account = bank.accounts.create_new(numbered(number * asked.count + index))
                for _ in range(asked.batch):
                    account.deposit(1)
                await bank.accounts.save(account)
                clock.lap(start)
                told.extend((str(account.aggregate_id), each) for each in range(1, asked.batch + 1))

        with clock.running():
            await asyncio.gather(*map(client, range(asked.clients)))
        judge(told, await bank.all(), tail and await tail.ended(len(told)))
        return len(told)


async def load(asked: Asked, clock: Clock) -> int:
    """An aggregate of 1,000 events, from its repository."""
    async with opened(asked.place) as bank:
        await bank.fill(1, 1_000)
        with clock.running():
            for _ in range(asked.count):
                account = await bank.accounts.load(numbered(0))
                assert account.state.amount == 1_000
        return asked.count


async def command(asked: Asked, clock: Clock) -> int:
    """Load, change, save; again, if another was first. Accounts have 20 events."""
    async with opened(asked.place) as bank:
        told, accounts = list[tuple[str, int]](), 1 if asked.hot else max(50, asked.clients)
        await bank.fill(accounts, 20)
        tail = Tail(bank) if asked.clients > 1 else None

        async def client(number: int) -> None:
            for index in range(asked.count // asked.clients):
                start = clock.now()
                told.append(await once(bank, numbered((number + index * asked.clients) % accounts)))
                clock.lap(start)

        with clock.running():
            await asyncio.gather(*map(client, range(asked.clients)))
        judge(told, await bank.all(), tail and await tail.ended(len(told) + 20 * accounts))
        return len(told)


async def once(bank: Bank, id: UUID) -> tuple[str, int]:
    """One command."""
    while True:
        account = await bank.accounts.load(id)
        account.deposit(1)
        try:
            await bank.accounts.save(account)
        except OptimisticLockError:
            continue
        return str(id), account.version


async def read(asked: Asked, clock: Clock) -> int:
    """Every event, as a domain event."""
    async with opened(asked.place) as bank:
        await bank.fill(asked.count // 100, 100)
        total, position, more = 0, None, True
        with clock.running():
            while more:
                more = False
                async for each in bank.store.read_all(position, FeedReadOptions(limit=1_000)):
                    more, position = True, each.position
                    total += each.event.amount
        assert total == asked.count // 100 * 100
        judge([], await bank.all())
        return total


class Sums(DatabaseProjection):
    """Each event into a table."""

    seen = 0

    @handles(Deposited)
    async def deposited(self, conn: AsyncConnection, event: Deposited) -> None:
        await conn.execute(
            text(
                "insert into sums values (:account, :amount)"
                " on conflict (account) do update set amount = sums.amount + excluded.amount"
            ),
            {"account": str(event.aggregate_id), "amount": event.amount},
        )
        self.seen += 1


async def project(asked: Asked, clock: Clock) -> int:
    """Every event into a table."""
    async with opened(asked.place) as bank:
        count = asked.count // 100 * 100
        await bank.fill(count // 100, 100)
        async with bank.engine.begin() as connection:
            await connection.execute(text("create table sums (account text primary key, amount bigint)"))
        sums = Sums(session_factory=async_sessionmaker(bank.engine, expire_on_commit=False))
        manager = SubscriptionManager(bank.store, InMemoryEventBus(), SQLCheckpointRepository(bank.engine))
        await manager.subscribe(sums, SubscriptionConfig(start_from="beginning", batch_size=500), name="sums")
        with clock.running():
            assert not any((await manager.start()).values())
            while sums.seen < count:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)
        await manager.stop()
        async with bank.engine.connect() as connection:
            assert (await connection.execute(text("select sum(amount) from sums"))).scalar() == count
        judge([], await bank.all())
        return count


def blocking(work: Callable[[Asked, Clock], Coroutine[None, None, int]]) -> Doing:
    """In an event loop of its own."""
    return lambda asked, clock: asyncio.run(work(asked, clock))


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    serve(
        {"eventsource-py": version("eventsource-py"), "sqlite3": sqlite3.sqlite_version},
        {each.__name__: blocking(each) for each in (append, load, command, read, project)},
    )
