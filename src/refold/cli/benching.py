"""What `refold bench` measures, for so many seconds each; and that all of it is there afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import quantiles
from typing import Final

from msgspec import Struct

from refold.aio import AsyncStore
from refold.cli.scratch import TENANT, Scratch
from refold.errors import StoreCorrupt
from refold.fold import Decider
from refold.messages import Recorded, command, event
from refold.projection import Projection, Statement, sql
from refold.query import NO_STREAM
from refold.store import Store

TASKS: Final = 64
STREAMS: Final = 20
LONG: Final = 1_000
"""Events of the stream that is loaded."""
_MIXED = "deposited for the bench"


@event("bench.deposited")
class Deposited:
    amount: int
    note: str


@command("bench.deposit")
class Deposit:
    amount: int


def _decide(command: Deposit, balance: int) -> Iterator[Deposited]:  # noqa: ARG001 - it takes the state
    yield Deposited(command.amount, _MIXED)


def _evolve(balance: int, event: Deposited) -> int:
    return balance + event.amount


ACCOUNTS: Final = Decider("account", initial=int, evolve=_evolve, decide=_decide)
SUMS: Final = Projection("bench", schema="create table sums (account text primary key, amount bigint)")
_ADD = "insert into sums values (:account, :amount) on conflict (account) do update set amount = sums.amount + excluded.amount"


@SUMS.on(Deposited)
def _add(event: Recorded[Deposited]) -> Iterator[Statement]:
    yield sql(_ADD, account=str(event.stream), amount=event.data.amount)


class Floor(Struct, frozen=True):
    """What one wait costs without Refold."""

    what: str
    p50_ms: float
    p99_ms: float


class Figure(Struct, frozen=True):
    """Of one piece of work: units a second, milliseconds of a call; `waits`: whether it has to wait as the floor does."""

    what: str
    unit: str
    per_second: float
    p50_ms: float
    p99_ms: float
    waits: bool


class Report(Struct, frozen=True):
    """All of it."""

    durability: str
    floor: Floor
    figures: list[Figure]
    verdict: str


def measured(place: Scratch, seconds: float) -> Report:
    """Measure, and read back what was acknowledged.

    Raises:
        StoreCorrupt: it is not all there. StoreError: the store cannot do it.
    """
    floor = Floor(place.waits_for, *_percentiles(place.floor(seconds)))
    with Store.open(place.url) as opened:
        store = opened.tenant(TENANT)
        account = store.bind(ACCOUNTS)
        figures = [
            _appends(store, seconds),
            asyncio.run(_awaited(place.url, seconds)),
            _batches(store, seconds),
            _figure("a command, 1 client", "commands", seconds, lambda n: account.handle(str(n % STREAMS), Deposit(1))),
            _loads(store, seconds),
            *_reads(store),
        ]
        verdict = f"all {store.head():,} events were read back, in order, and projected once"
        return Report(store.durability, floor, figures, verdict)


def _appends(store: Store, seconds: float) -> Figure:
    def one(number: int) -> object:
        return store.append(f"one-{number}", [Deposited(1, _MIXED)], expected=NO_STREAM)

    return _figure("append 1 event, 1 client", "appends", seconds, one)


def _batches(store: Store, seconds: float) -> Figure:
    events = [Deposited(1, _MIXED)] * 100
    figure = _figure(
        "append 100 events at once",
        "appends",
        seconds,
        lambda n: store.append(f"hundred-{n}", events, expected=NO_STREAM),
    )
    return Figure(figure.what, "events", figure.per_second * 100, figure.p50_ms, figure.p99_ms, waits=True)


def _loads(store: Store, seconds: float) -> Figure:
    store.append("account-long", [Deposited(1, _MIXED)] * LONG, expected=NO_STREAM)
    account = store.bind(ACCOUNTS)
    figure = _figure(f"load a stream of {LONG:,}", "loads", seconds, lambda _: account.state("long"))
    return Figure(figure.what, "loads", figure.per_second, figure.p50_ms, figure.p99_ms, waits=False)


async def _awaited(url: str, seconds: float) -> Figure:
    laps = list[float]()
    async with await AsyncStore.open(url) as opened:
        store = await opened.tenant(TENANT)
        begun = time.perf_counter()

        async def task(number: int) -> None:
            count = 0
            while not count or time.perf_counter() < begun + seconds:
                start = time.perf_counter()
                await store.append(f"awaited-{number}x{count}", [Deposited(1, _MIXED)], expected=NO_STREAM)
                laps.append(time.perf_counter() - start)
                count += 1

        await asyncio.gather(*map(task, range(TASKS)))
        took = time.perf_counter() - begun
    return Figure(f"the same, {TASKS} awaiting", "appends", len(laps) / took, *_percentiles(laps), waits=True)


def _figure(what: str, unit: str, seconds: float, call: Callable[[int], object]) -> Figure:
    laps, begun = list[float](), time.perf_counter()
    while len(laps) < 2 or time.perf_counter() < begun + seconds:  # noqa: PLR2004 - a median needs some
        start = time.perf_counter()
        call(len(laps))
        laps.append(time.perf_counter() - start)
    return Figure(what, unit, len(laps) / (time.perf_counter() - begun), *_percentiles(laps), waits=True)


def _reads(store: Store) -> Iterator[Figure]:
    """Everything, read and projected: what was acknowledged rises without a hole, and the sums are its number."""
    there, expected, start = store.head(), 0, time.perf_counter()
    for each in store.read():
        expected += 1
        if each.position != expected:
            raise StoreCorrupt(f"position {each.position} was read where {expected} was due: do not trust this store.")
    yield _once("read everything", expected, start)
    start = time.perf_counter()
    store.catch_up(SUMS)
    yield _once("project everything", expected, start)
    ((total,),) = store.query("select sum(amount) from sums")
    if (total, expected) != (there, there):
        raise StoreCorrupt(f"of {there} events {expected} were read and {total!s} projected: do not trust this store.")


def _once(what: str, count: int, start: float) -> Figure:
    """Of one long call: what each event took."""
    took = time.perf_counter() - start
    return Figure(what, "events", count / took, took / count * 1e3, took / count * 1e3, waits=False)


def _percentiles(laps: Sequence[float]) -> tuple[float, float]:
    hundredths = quantiles(laps, n=100, method="inclusive")
    return hundredths[49] * 1e3, hundredths[98] * 1e3
