"""G13 for names: whatever somebody calls a thing, it is refused with nothing written, or it is that very name, and stays text.

Each text of the corpus is given as every name and every value that there is, by both faces, on every backend; then to the command
line, to HTTP and to the Studio, where it must come back exactly, and do nothing to who looks at it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest
import pytest_asyncio
from tests.faults.nasty import NASTY
from tests.guarantees.seeding import named, seeded
from tests.guarantees.telling import tell

from refold import (
    AsyncStore,
    InvalidName,
    NewEvent,
    Projection,
    Query,
    RawEvent,
    RefoldError,
    Statement,
    StreamName,
    sql,
)
from refold.messages import Recorded, checked_name
from refold.testing.contract.base import Face, Place, Stores, listed
from refold.testing.contract.sample import Deposit, Deposited, accounts

pytestmark = [pytest.mark.guarantee("G12"), pytest.mark.guarantee("G13")]

BACKENDS = ["memory", "sqlite", "postgresql", "plain-jetstream"]


def fact(type: str = "X", **data: object) -> RawEvent:
    return RawEvent(type, data)


async def one(store: AsyncStore, event: object, stream: StreamName | str = "a-1") -> Recorded[Any]:
    """Append one event, and read it at its place."""
    receipt = await store.append(stream, [event])
    found: list[Recorded[Any]] = await listed(store.read(after=receipt.position - 1, limit=1))
    return found[0]


async def as_stream(store: AsyncStore, text: str) -> tuple[object, object]:
    found = await one(store, fact(), StreamName("note", text))
    (info,) = [each async for each in store.streams(f"note-{text}") if each.stream == f"note-{text}"]
    (again,) = await listed(store.read(f"note-{text}"))
    return (found.stream.id, again, info.stream), (text, found, f"note-{text}")


async def as_category(store: AsyncStore, text: str) -> tuple[object, object]:
    found = await one(store, fact(), StreamName(text, "1"))
    return (found.stream.category, await listed(store.read(category=text))), (text, [found])


async def as_type(store: AsyncStore, text: str) -> tuple[object, object]:
    found = await one(store, fact(text))
    return (found.type, await listed(store.read(query=Query.of(types=[text])))), (text, [found])


async def as_tag(store: AsyncStore, text: str) -> tuple[object, object]:
    found = await one(store, NewEvent(fact(), tags=frozenset({text, "other"})))
    return (found.tags, await listed(store.read(query=Query.of(tags=[text])))), ({text, "other"}, [found])


async def as_metadata(store: AsyncStore, text: str) -> tuple[object, object]:
    found = await one(store, NewEvent(fact(), metadata={f"k{text}": text, text: "v"}))
    return found.metadata.free, {f"k{text}": text, text: "v"}


async def as_actor(store: AsyncStore, text: str) -> tuple[object, object]:
    return (await one(store.context(actor=text), fact())).metadata.actor, text


async def as_story(store: AsyncStore, text: str) -> tuple[object, object]:
    found = await one(store.context(correlation_id=text), fact())
    return (found.metadata.correlation_id, await listed(store.read(correlation_id=text))), (text, [found])


async def as_data(store: AsyncStore, text: str) -> tuple[object, object]:
    data = {text: text, "inside": [{text: [text]}]}
    return (await one(store, RawEvent("X", data))).data, RawEvent("X", data)


async def as_key(store: AsyncStore, text: str) -> tuple[object, object]:
    first = await store.bind(accounts).handle("1", Deposit(1), idempotency_key=text)
    again = await store.bind(accounts).handle("1", Deposit(1), idempotency_key=text)
    other = await store.bind(accounts).handle("1", Deposit(1), idempotency_key=f"other {len(text)}")
    return (again.position, again.repeated, other.position > first.position or other.repeated), (
        first.position,
        True,
        True,
    )


PLACES: dict[str, Callable[[AsyncStore, str], Awaitable[tuple[object, object]]]] = {
    "stream": as_stream, "category": as_category, "type": as_type, "tag": as_tag, "metadata": as_metadata, "actor": as_actor,
    "story": as_story, "data": as_data, "key": as_key,
}  # fmt: skip


async def judged(store: AsyncStore, place: str, text: str) -> str:
    """Whether a text was refused or taken there; what is wrong if it was neither."""
    before = await store.head()
    try:
        found, expected = await PLACES[place](store, text)
    except RefoldError as error:
        return "refused" if await store.head() == before else f"refused, and written: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "taken" if found == expected else f"{found} is not {expected}"


@pytest_asyncio.fixture
async def store(url: str, face: Face) -> AsyncIterator[AsyncStore]:
    stores = Stores(Place(url=url, durable=True, sql=False), face)
    yield await stores.open()
    await stores.close()


async def tried(store: AsyncStore, url: str, face: Face, texts: Sequence[str]) -> None:
    told = {(place, text): await judged(store, place, text) for place in PLACES for text in texts}
    assert {key: what for key, what in told.items() if what not in {"refused", "taken"}} == {}
    refused = [*told.values()].count("refused")
    assert 0 < refused < len(told)
    tell("G13", named(url), face=face, nasty=len(texts), places=len(PLACES), refused=refused, equal=len(told) - refused)


@pytest.mark.parametrize("face", ["Store", "AsyncStore"])
@pytest.mark.parametrize(
    ("new_url", "step"),
    [("memory", 1), ("sqlite", 1), ("postgresql", 6), ("plain-jetstream", 25)],
    indirect=["new_url"],
)
async def test_a_nasty_text_is_refused_or_reads_back_exactly_wherever_it_stands(
    store: AsyncStore, url: str, face: Face, step: int
) -> None:
    await tried(store, url, face, NASTY[seeded() % step :: step])


@pytest.mark.long
@pytest.mark.parametrize("face", ["Store", "AsyncStore"])
@pytest.mark.parametrize("new_url", ["postgresql", "plain-jetstream"], indirect=True)
async def test_each_nasty_text_is_refused_or_reads_back_exactly_wherever_it_stands(
    store: AsyncStore, url: str, face: Face
) -> None:
    await tried(store, url, face, NASTY)


def are_names() -> Iterator[str]:
    """Those that may be names."""
    for text in NASTY:
        try:
            yield checked_name("tenant", text)
        except RefoldError:
            continue


NAMES = tuple(are_names())


@pytest.mark.parametrize(
    ("new_url", "step"),
    [("memory", 1), ("sqlite", 4), ("postgresql", 50), ("plain-jetstream", 50)],
    indirect=["new_url"],
)
async def test_each_nasty_name_of_a_tenant_is_a_tenant_of_its_own(url: str, step: int) -> None:
    await of_tenants(url, NAMES[seeded() % step :: step])


@pytest.mark.long
@pytest.mark.parametrize("new_url", ["postgresql", "plain-jetstream"], indirect=True)
async def test_every_nasty_name_of_a_tenant_is_a_tenant_of_its_own(url: str) -> None:
    await of_tenants(url, NAMES)


async def of_tenants(url: str, names: Sequence[str]) -> None:
    async with await AsyncStore.open(url, events=[RawEvent]) as store:
        for text in names:
            tenant = await store.tenant(text)
            await tenant.append("a-1", [fact(name=text)])
        for text in names:
            assert [event.data.data["name"] async for event in (await store.tenant(text)).read()] == [text]
        for text in set(NASTY) - set(NAMES):
            with pytest.raises(RefoldError):
                await store.tenant(text)
        assert await store.head() == 0


def noting(name: str, number: int) -> Projection:
    """A projection of that name, with a table of its own.

    Raises:
        InvalidName: it is none.
    """
    projection = Projection(name, schema=f"create table nasty_{number} (amount integer)")
    insert = sql(f"insert into nasty_{number} values (1)")  # noqa: S608 - a number of ours

    @projection.on(Deposited)
    def note(_: Recorded[Deposited]) -> Iterator[Statement]:
        yield insert

    return projection


@pytest.mark.parametrize("new_url", ["sqlite", "postgresql"], indirect=True)
async def test_each_nasty_name_of_a_projection_is_refused_or_is_one_of_its_own(url: str) -> None:
    async with await AsyncStore.open(url, events=[Deposited, RawEvent]) as store:
        await store.append("account-1", [Deposited(1)])
        for number, name in enumerate(NAMES):
            assert await store.catch_up(noting(name, number)) == 1
        assert sorted(each.name for each in await store.projections()) == sorted(NAMES)
    for name in set(NASTY) - set(NAMES):
        with pytest.raises(InvalidName):
            Projection(name, schema="create table nasty (amount integer)")
