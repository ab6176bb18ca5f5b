"""A thousand events lost and doubled on purpose, inside a pipeline that is broken on purpose: the audit finds each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_asyncio
from msgspec import structs

from refold import AsyncStore, Audit, Position, Projection, Recorded, Table
from refold.aio_read_model import AsyncReadModel
from refold.flows.projections import work as pipeline
from refold.flows.projections.builds import begun, made_of
from refold.messages import NewEvent
from refold.ports import Backend, Own
from refold.rows import Row
from refold.tables import Put
from refold.testing.contract.sample import Deposited, Noted, Withdrawn
from refold.testing.contract.working import Worker
from refold.testing.postgres import PostgresServer

EVENTS = 12_000
PLANTED = 1_000
SINGLE = 600
"""So many steps take one event each; the others are of any size."""


@dataclass(frozen=True)
class Entry:
    position: int
    account: str
    amount: int


@dataclass(frozen=True)
class Sum:
    account: str
    amount: int = 0


ENTRIES = Table("entries", Entry, key="position")
SUMS = Table("sums", Sum, key="account")


def by_account(recorded: Recorded[Any]) -> str:
    """A key of its own, so that the work can be parted."""
    return recorded.stream.id


def entries() -> Projection:
    """A row for each event: one that counts twice does no harm there."""
    projection = Projection("entries", tables=(ENTRIES,), key=by_account)

    @projection.on(Deposited)
    def paid_in(event: Recorded[Deposited]) -> Iterator[Put]:
        yield ENTRIES.put(Entry(event.position, event.stream.id, event.data.amount))

    @projection.on(Withdrawn)
    def paid_out(event: Recorded[Withdrawn]) -> Iterator[Put]:
        yield ENTRIES.put(Entry(event.position, event.stream.id, -event.data.amount))

    return projection


def sums() -> Projection:
    """A balance for each account: what counts twice or not at all makes it wrong."""
    projection = Projection("sums", tables=(SUMS,), key=by_account)

    @projection.on(Deposited, get=lambda e: SUMS[e.stream.id])
    def paid_in(event: Recorded[Deposited], row: Sum | None) -> Iterator[Put]:
        row = row or Sum(event.stream.id)
        yield SUMS.put(replace(row, amount=row.amount + event.data.amount))

    @projection.on(Withdrawn, get=lambda e: SUMS[e.stream.id])
    def paid_out(event: Recorded[Withdrawn], row: Sum | None) -> Iterator[Put]:
        row = row or Sum(event.stream.id)
        yield SUMS.put(replace(row, amount=row.amount - event.data.amount))

    return projection


# Faults ------------------------------------------------------------------------


class Fault:
    """Loses events at some positions and doubles those at others, in whatever passes through it."""

    def __init__(self, dropped: Collection[int], twice: Collection[int]) -> None:
        self._times = {**dict.fromkeys(dropped, 0), **dict.fromkeys(twice, 2)}

    def on(self, events: Iterable[Any]) -> list[Any]:
        return [event for event in events for _ in range(self._times.get(event.position, 1))]


def in_the_reading(patch: pytest.MonkeyPatch, fault: Fault) -> None:
    whole: Any = vars(pipeline)["_next"]

    async def read(*args: Any) -> tuple[Sequence[Row], int]:
        rows, to = await whole(*args)
        return fault.on(rows), to

    patch.setattr(pipeline, "_next", read)


def in_the_choosing(patch: pytest.MonkeyPatch, fault: Fault) -> None:
    whole: Any = vars(pipeline)["_wanted"]
    patch.setattr(pipeline, "_wanted", lambda *args: fault.on(whole(*args)))


def in_the_sorting(patch: pytest.MonkeyPatch, fault: Fault) -> None:
    whole: Any = vars(pipeline)["_sorted_out"]

    def sorted_out(*args: Any) -> tuple[Sequence[Recorded[Any]], list[Own], set[str]]:
        fresh, letters, parked = whole(*args)
        return fault.on(fresh), letters, parked

    patch.setattr(pipeline, "_sorted_out", sorted_out)


PLACES = [
    *(("sqlite", place) for place in (in_the_reading, in_the_choosing, in_the_sorting)),
    ("postgresql", in_the_choosing),
]


# The store ---------------------------------------------------------------------


@pytest_asyncio.fixture
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncStore]:
    """Accounts, and notes that nobody handles."""
    server: PostgresServer | None = None
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/store.db?durability=best-effort"
    else:
        server = request.getfixturevalue("postgres")
        assert server is not None
        url = server.new_database()
    store = await AsyncStore.open(url, events=[Deposited, Withdrawn, Noted])
    random = Random(2_026)  # noqa: S311 - the same faults each time
    written = 0
    while written < EVENTS:
        size = min(random.randint(1, 200), EVENTS - written)
        await store.append(f"account-{random.randint(1, 150)}", [event(random) for _ in range(size)])
        written += size
    yield store
    await store.close()
    if server is not None:
        server.drop(url)


def event(random: Random) -> NewEvent[Any]:
    """One of three types."""
    match random.randint(1, 6):
        case 1:
            return NewEvent(Noted("not handled"))
        case 2:
            return NewEvent(Withdrawn(random.randint(1, 100)))
        case _:
            return NewEvent(Deposited(random.randint(1, 100)))


async def handled(store: AsyncStore) -> Mapping[Position, Entry]:
    """What an independent pass over the log gives: the rows of `entries`."""
    found: dict[Position, Entry] = {}
    async for each in store.read():
        match each.data:
            case Deposited(amount):
                found[each.position] = Entry(each.position, each.stream.id, amount)
            case Withdrawn(amount):
                found[each.position] = Entry(each.position, each.stream.id, -amount)
            case _:
                pass
    return found


def balances(entries: Iterable[Entry]) -> dict[str, int]:
    """The rows of `sums`."""
    found: dict[str, int] = {}
    for entry in entries:
        found[entry.account] = found.get(entry.account, 0) + entry.amount
    return found


async def work_through(model: AsyncReadModel, parts: int, random: Random) -> None:
    """Take all in: many steps of one event, others of any size."""
    worker = Worker(model)
    single = SINGLE

    async def begin(_: Backend) -> None:
        build = made_of(model.projection, 1, "active")
        await begun(worker.target, worker.runtime.clock, build, model.projection, parts)

    await worker.run(begin)
    for first in range(0, 1_024, 1_024 // parts):
        work = await worker.take_up(first)
        more = True
        while more:
            work.batch = 1 if single > 0 and random.random() < 0.95 else random.randint(2, 500)
            single -= work.batch == 1
            more = await worker.step(work)


@pytest.mark.parametrize("parts", [1, 4])
@pytest.mark.parametrize(("store", "place"), PLACES, indirect=["store"])
async def test_a_thousand_planted_skips_and_doubles_are_all_located_and_those_missing_repaired(
    store: AsyncStore, place: Any, parts: int
) -> None:
    random = Random(parts)  # noqa: S311 - the same faults each time
    truth = await handled(store)
    planted = random.sample(sorted(truth), PLANTED)
    dropped, twice = sorted(planted[: PLANTED // 2]), sorted(planted[PLANTED // 2 :])
    model = store.model(entries())
    with pytest.MonkeyPatch.context() as patch:
        place(patch, Fault(dropped, twice))
        await work_through(model, parts, random)

    expected = Audit("entries", Position(0), Position(EVENTS), len(truth), missing=tuple(dropped), doubled=tuple(twice))
    assert await model.audit() == expected
    assert await model.audit(repair=True) == replaced(expected, repaired=tuple(dropped))
    assert await model.audit() == replaced(expected, missing=())
    rows = await store.query("select position, account, amount from entries order by position")
    assert rows == [(entry.position, entry.account, entry.amount) for entry in truth.values()]


@pytest.mark.parametrize(("store", "place"), PLACES, indirect=["store"])
async def test_after_a_repair_of_a_thousand_skips_the_sums_are_those_of_the_log(store: AsyncStore, place: Any) -> None:
    random = Random(7)  # noqa: S311 - the same faults each time
    truth = await handled(store)
    dropped = sorted(random.sample(sorted(truth), PLANTED))
    model = store.model(sums())
    with pytest.MonkeyPatch.context() as patch:
        place(patch, Fault(dropped, ()))
        await work_through(model, 1, random)
    assert dict(await totals(store)) != balances(truth.values())

    found = await model.audit(repair=True)

    assert (found.missing, found.repaired, found.is_sound) == (tuple(dropped), tuple(dropped), True)
    assert await model.audit() == Audit("sums", Position(0), Position(EVENTS), len(truth))
    assert dict(await totals(store)) == balances(truth.values())


async def totals(store: AsyncStore) -> Sequence[tuple[Any, Any]]:
    """The rows of `sums`."""
    rows: Any = await store.query("select account, amount from sums")
    return rows  # type: ignore[no-any-return] # two columns


def replaced(audit: Audit, **found: Any) -> Audit:
    """The same, but for these."""
    return structs.replace(audit, **found)
