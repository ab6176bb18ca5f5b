"""eventsourcing, as its documentation has it: aggregates with `@event`, an `Application` that saves them.

Clients are threads. On PostgreSQL it is read by its subscriptions and projected by its `ProjectionRunner`. SQLite has
neither: there its notification log is read in pages of 1,000, and each event is put into the view in one transaction with
its tracking record, as the runner does it. The reader beside the writers takes `select_notifications`, by which both
work, every 5 ms. Mode "functions" is its `POSTGRES_ENABLE_DB_FUNCTIONS`: inserts by a server function.
"""

# mypy: ignore-errors
# pyright: basic, reportMissingImports=false, reportOptionalSubscript=false, reportAttributeAccessIssue=false
# The library is not in the environment of those who check the types.

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.metadata import version
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid5

import psycopg
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import IntegrityError, Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import ApplicationSubscription, Projection, ProjectionRunner
from eventsourcing.sqlite import SQLiteTrackingRecorder

from benchmarks.measuring import Clock, Place, judge
from benchmarks.peers.asking import NOTE, Asked, serve

SPACE = UUID("5f1b7a52-1c1a-4f0c-8a53-0b6b0a1c6f10")
ADD = "insert into sums values ({0}, {0}) on conflict (account) do update set amount = sums.amount + excluded.amount"


class Account(Aggregate):
    """Its number gives its id, as for any aggregate that is found by a key."""

    @event("Opened")
    def __init__(self, number: int, amount: int, note: str) -> None:
        self.amount = amount

    @staticmethod
    def create_id(number: int) -> UUID:
        """The id of a number."""
        return uuid5(SPACE, str(number))

    @event("Deposited")
    def deposit(self, amount: int, note: str) -> None:
        """One more."""
        self.amount += amount


class Bank(Application[UUID]):
    """Where they are kept."""


def environment(place: str, mode: str = "") -> dict[str, str]:
    """The settings that name a database."""
    if place.startswith("sqlite:///"):
        return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": place.removeprefix("sqlite:///")}
    parts = urlsplit(place)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts.path[1:],
        "POSTGRES_HOST": parts.hostname or parse_qs(parts.query)["host"][0],
        "POSTGRES_PORT": str(parts.port or 5432),
        "POSTGRES_USER": parts.username or "postgres",
        "POSTGRES_PASSWORD": parts.password or "",
        "POSTGRES_POOL_SIZE": "20",
        "POSTGRES_ENABLE_DB_FUNCTIONS": "y" if mode == "functions" else "n",
    }


def opened(asked: Asked) -> Bank:
    """The application; SQLite must wait for the disk, as it does by default."""
    bank = Bank(env=environment(asked.place, asked.mode))
    if asked.place.startswith("sqlite"):
        with bank.recorder.datastore.transaction(commit=False) as cursor:
            cursor.execute("pragma synchronous")
            assert cursor.fetchone()[0] == 2, "SQLite does not wait for the disk"
    return bank


def after(bank: Bank, position: int) -> Iterator[Place]:
    """What a reader of the notification log is given from there on, for now."""
    while page := bank.recorder.select_notifications(start=position + 1, limit=1_000):
        for each in page:
            position = each.id
            yield each.id, str(each.originator_id), each.originator_version


class Tail(threading.Thread):
    """A reader beside the writers, until it has been given as much as there is, or nothing new for half a second."""

    def __init__(self, bank: Bank) -> None:
        super().__init__()
        self.bank, self.places, self.done, self.wanted = bank, list[Place](), threading.Event(), 0

    def run(self) -> None:
        """Follow."""
        last = idle = 0
        while not self.done.is_set() or (len(self.places) < self.wanted and idle < 100):
            time.sleep(0.005)
            got = list(after(self.bank, last))
            idle = 0 if got else idle + 1
            last = got[-1][0] if got else last
            self.places += got

    def ended(self, wanted: int) -> list[Place]:
        """All that it was given, of so many that there should be."""
        self.wanted = wanted
        self.done.set()
        self.join()
        return self.places


def append(asked: Asked, clock: Clock) -> int:
    """New aggregates of `batch` events, saved one by one."""
    bank, told = opened(asked), list[tuple[str, int]]()
    tail = Tail(bank) if asked.clients > 1 else None

    def work(client: int) -> None:
        for index in range(asked.count // asked.clients):
            start = clock.now()
            account = Account(client * asked.count + index, 1, NOTE)
            for _ in range(asked.batch - 1):
                account.deposit(1, NOTE)
            bank.save(account)
            clock.lap(start)
            told.extend((str(account.id), number) for number in range(1, asked.batch + 1))

    run(work, asked.clients, clock, tail)
    judge(told, after(bank, 0), tail and tail.ended(len(told)))
    bank.close()
    return len(told)


def run(work: Callable[[int], None], clients: int, clock: Clock, tail: Tail | None) -> None:
    """The work of each client, timed."""
    if tail is not None:
        tail.start()
    if clients == 1:
        with clock.running():
            work(0)
        return
    with ThreadPoolExecutor(clients) as pool, clock.running():
        list(pool.map(work, range(clients)))


def fill(bank: Bank, accounts: int, events: int) -> None:
    """Accounts of so many events."""
    for number in range(accounts):
        account = Account(number, 1, NOTE)
        for _ in range(events - 1):
            account.deposit(1, NOTE)
        bank.save(account)


def load(asked: Asked, clock: Clock) -> int:
    """An aggregate of 1,000 events, from its repository."""
    bank = opened(asked)
    fill(bank, 1, 1_000)
    with clock.running():
        for _ in range(asked.count):
            account = bank.repository.get(Account.create_id(0))
            assert account.amount == 1_000
    bank.close()
    return asked.count


def command(asked: Asked, clock: Clock) -> int:
    """Get, change, save; again, if another was first. Accounts have 20 events."""
    bank, told = opened(asked), list[tuple[str, int]]()
    accounts = 1 if asked.hot else max(50, asked.clients)
    fill(bank, accounts, 20)
    tail = Tail(bank) if asked.clients > 1 else None

    def work(client: int) -> None:
        for index in range(asked.count // asked.clients):
            start = clock.now()
            told.append(once(bank, Account.create_id((client + index * asked.clients) % accounts)))
            clock.lap(start)

    run(work, asked.clients, clock, tail)
    judge(told, after(bank, 0), tail and tail.ended(len(told) + 20 * accounts))
    bank.close()
    return len(told)


def once(bank: Bank, id: UUID) -> tuple[str, int]:
    """One command."""
    while True:
        account = bank.repository.get(id)
        account.deposit(1, NOTE)
        try:
            bank.save(account)
        except IntegrityError:
            continue
        return str(account.id), account.version


def read(asked: Asked, clock: Clock) -> int:
    """Every event, as a domain event."""
    bank, total = opened(asked), 0
    fill(bank, asked.count // 100, 100)
    if asked.place.startswith("sqlite"):
        last = 0
        with clock.running():
            while page := bank.recorder.select_notifications(start=last + 1, limit=1_000):
                total += sum(bank.mapper.to_domain_event(each).amount for each in page)
                last = page[-1].id
    else:
        with ApplicationSubscription(bank, gt=0) as events, clock.running():
            for each, tracking in events:
                total += each.amount
                if tracking.notification_id == asked.count // 100 * 100:
                    break
    assert total == asked.count // 100 * 100
    judge([], after(bank, 0))
    bank.close()
    return total


class Sums(PostgresTrackingRecorder):
    """The view on PostgreSQL."""

    def add(self, account: str, amount: int, tracking: Tracking) -> None:
        """In one transaction with its tracking."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking=tracking)
            cursor.execute(ADD.format("%s"), (account, amount))


class SqliteSums(SQLiteTrackingRecorder):
    """The same on SQLite."""

    def add(self, account: str, amount: int, tracking: Tracking) -> None:
        """In one transaction with its tracking."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(ADD.format("?"), (account, amount))


class Summing(Projection[Sums]):
    """Each event into the view."""

    def process_event(self, domain_event: Aggregate.Event, tracking: Tracking) -> None:
        """One."""
        self.view.add(str(domain_event.originator_id), domain_event.amount, tracking)


def project(asked: Asked, clock: Clock) -> int:
    """Every event into a table."""
    bank = opened(asked)
    count = asked.count // 100 * 100
    fill(bank, count // 100, 100)
    if asked.place.startswith("sqlite"):
        total = sqlite_projected(bank, asked.place.removeprefix("sqlite:///"), count, clock)
    else:
        total = postgres_projected(asked, count, clock)
    assert total == count, f"the sums are {total}"
    judge([], after(bank, 0))
    bank.close()
    return count


def sqlite_projected(bank: Bank, path: str, count: int, clock: Clock) -> int:
    """By hand, as the runner would."""
    database = sqlite3.connect(path)
    database.execute("create table sums (account text primary key, amount integer)")
    view, last = bank.factory.tracking_recorder(SqliteSums), 0
    with clock.running():
        while page := bank.recorder.select_notifications(start=last + 1, limit=1_000):
            for each in page:
                domain_event = bank.mapper.to_domain_event(each)
                view.add(str(domain_event.originator_id), domain_event.amount, Tracking(bank.name, each.id))
            last = page[-1].id
    return database.execute("select sum(amount) from sums").fetchone()[0]


def postgres_projected(asked: Asked, count: int, clock: Clock) -> int:
    """By its runner."""
    with psycopg.connect(asked.place, autocommit=True) as database:
        database.execute("create table sums (account text primary key, amount bigint)")
        with ExitStack() as stopping, clock.running():
            runner = ProjectionRunner(
                application_class=Bank, projection_class=Summing, view_class=Sums, env=environment(asked.place)
            )
            stopping.enter_context(runner)
            runner.wait(count, timeout=600)
        return int(database.execute("select sum(amount) from sums").fetchone()[0])


if __name__ == "__main__":
    serve(
        {"eventsourcing": version("eventsourcing")},
        {"append": append, "load": load, "command": command, "read": read, "project": project},
    )
