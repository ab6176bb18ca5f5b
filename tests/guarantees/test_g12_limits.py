"""G12: limits on names, events, batches and pages hold.

For each limit, n passes and n + 1 is a typed error after which nothing is written, on every backend and by both faces. And
whatever reads what strangers have written is fed with what nobody meant: it gives a value, or an error of ours.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import httpx
import pytest
import pytest_asyncio
from tests.faults import fuzzing
from tests.faults.fuzzing import PARSERS, Parser, fuzzed
from tests.guarantees.seeding import named, seeded
from tests.guarantees.telling import tell

from refold import AsyncStore, InvalidName, NewEvent, Query, RawEvent, TooLarge
from refold.errors import BackupDamaged, BadMessage, UsageError
from refold.http import anyone, api
from refold.limits import Limits
from refold.testing.contract.base import Face, Place, Stores, listed
from refold.testing.contract.data import nested
from refold.testing.contract.sample import Deposit, accounts, fact

pytestmark = [pytest.mark.guarantee("G12")]

DATA = len(b'{"x":""}')
MEBIBYTE = 1 << 20


def sized(size: int) -> NewEvent[RawEvent]:
    """An event whose data have so many bytes."""
    return fact("X", x="x" * (size - DATA))


@dataclass(frozen=True)
class Limit:
    """What is done with so much of something; how much is allowed; what it is refused with."""

    do: Callable[[AsyncStore, int], Awaitable[object]]
    allowed: int
    error: type[Exception]


async def read_tag(store: AsyncStore, n: int) -> object:
    return await listed(store.read(query=Query.of(tags=["t" * n])))


async def batch_of_bytes(store: AsyncStore, n: int) -> object:
    """Eight events: seven of a mebibyte, and the rest."""
    return await store.append("a-1", [sized(MEBIBYTE)] * 7 + [sized(n - 7 * MEBIBYTE)])


async def acted(store: AsyncStore, n: int) -> object:
    return await store.context(actor="a" * n).append("a-1", [fact("X")])


async def storied(store: AsyncStore, n: int) -> object:
    return await store.context(correlation_id="c" * n).append("a-1", [fact("X")])


async def keyed(store: AsyncStore, n: int) -> object:
    return await store.bind(accounts).handle("1", Deposit(1), idempotency_key="k" * n)


async def with_metadata(store: AsyncStore, n: int) -> object:
    free = {"k": "x" * (n - len('{"k":""}'))}
    return await store.append("a-1", [NewEvent(RawEvent("X", {}), metadata=free)])


LIMITS = {
    "stream": Limit(lambda store, n: store.append(f"a-{'x' * (n - 2)}", [fact("X")]), 200, InvalidName),
    "type": Limit(lambda store, n: store.append("a-1", [fact("t" * n)]), 200, InvalidName),
    "tag": Limit(lambda store, n: store.append("a-1", [fact("X", "t" * n)]), 200, InvalidName),
    "tag-in-query": Limit(read_tag, 200, InvalidName),
    "actor": Limit(acted, 200, InvalidName),
    "story": Limit(storied, 200, InvalidName),
    "key": Limit(keyed, 200, InvalidName),
    "event-bytes": Limit(lambda store, n: store.append("a-1", [sized(n)]), MEBIBYTE, TooLarge),
    "metadata-bytes": Limit(with_metadata, 64 << 10, TooLarge),
    "batch-events": Limit(lambda store, n: store.append("a-1", [fact("X")] * n), 1_000, TooLarge),
    "batch-bytes": Limit(batch_of_bytes, 8 * MEBIBYTE, TooLarge),
    "depth": Limit(lambda store, n: store.append("a-1", [fact("X", x=nested(n))]), 64, TooLarge),
}  # fmt: skip


@pytest_asyncio.fixture
async def store(url: str, face: Face) -> AsyncIterator[AsyncStore]:
    stores = Stores(Place(url=url, durable=True, sql=False), face)
    yield await stores.open()
    await stores.close()


@pytest.mark.parametrize("face", ["Store", "AsyncStore"])
@pytest.mark.parametrize("new_url", ["memory", "sqlite", "postgresql", "plain-jetstream"], indirect=True)
async def test_as_much_as_is_allowed_passes_and_one_more_is_a_typed_error(
    store: AsyncStore, url: str, face: Face
) -> None:
    for name, limit in LIMITS.items():
        await limit.do(store, limit.allowed)
        before = await store.head()
        for more in (limit.allowed + 1, 2 * limit.allowed):
            with pytest.raises(limit.error):
                await limit.do(store, more)
        assert await store.head() == before, name
    await store.append("a-1", [fact("X")])
    tell("G12", named(url), face=face, limits=len(LIMITS), held=len(LIMITS))


@pytest.mark.parametrize("new_url", ["memory", "sqlite", "postgresql", "plain-jetstream"], indirect=True)
async def test_the_name_of_a_tenant_has_200_characters_at_most(url: str) -> None:
    async with await AsyncStore.open(url) as store:
        await (await store.tenant("t" * 200)).append("a-1", [RawEvent("X", {})])
        with pytest.raises(InvalidName):
            await store.tenant("t" * 201)


async def test_a_page_of_the_http_api_has_a_thousand_events_at_most_on_sqlite() -> None:
    async with await AsyncStore.open("sqlite:///:memory:", events=[RawEvent]) as store:
        for _ in range(2):
            await store.append("a-1", [RawEvent("X", {})] * 600)
        transport = httpx.ASGITransport(api(store, authorize=anyone))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            answers = [await client.get(f"/events?limit={n}") for n in (999, 1_000, 1_001, 10**30)]
    sizes = [(each.status_code, len(each.json()["data"]) if each.is_success else 0) for each in answers]
    assert sizes == [(200, 999), (200, 1_000), (200, 1_000), (200, 1_000)]  # what is beyond a page is linked to


def test_the_limits_are_the_defaults_and_can_be_set() -> None:
    assert Limits() == Limits(MEBIBYTE, 64 << 10, 1_000, 8 * MEBIBYTE, 64)


@pytest.mark.parametrize("name", [name for name, limit in LIMITS.items() if limit.error is TooLarge])
async def test_a_limit_that_does_not_hold_is_found_on_memory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for check in ("check_event", "check_batch"):
        monkeypatch.setattr(Limits, check, lambda *_: None)
    async with await AsyncStore.open("memory://", events=[RawEvent]) as store:
        await LIMITS[name].do(store, LIMITS[name].allowed + 1)


# Fuzzing -----------------------------------------------------------------------------------------------


def fuzz(runs: int) -> list[str]:
    """So many runs, shared out among all parsers."""
    seed, wrong = seeded(), list[str]()
    for name in PARSERS:
        wrong += fuzzed(name, runs // len(PARSERS), seed)
    tell("G12", "any", fuzzing_runs=runs, parsers=len(PARSERS), wrong=len(wrong), seed=seed)
    return wrong


def test_parsers_that_are_fuzzed_give_a_value_or_an_error_of_ours() -> None:
    assert fuzz(40_000)[:5] == []


@pytest.mark.long
def test_parsers_that_are_fuzzed_for_long_give_a_value_or_an_error_of_ours() -> None:
    assert fuzz(10_000_000)[:5] == []


@pytest.mark.parametrize("name", PARSERS)
def test_what_each_parser_begins_with_is_good(name: str) -> None:
    parser = PARSERS[name]
    texts = () if name == "signature" else parser.good  # which a stranger cannot make
    assert [text for text in texts if not parser.holds(text, parser.call(text))] == []


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("postgres-url", "postgresql://[1]/shop", UsageError),
        ("postgres-url", "postgresql://h/shop?host=\ud800", UsageError),
        ("nats-url", "nats://[::x]/shop", UsageError),
        ("nats-url", "nats://\ud800/shop", UsageError),
        ("manifest", '{"format":1,"refold":"\ud800"}', BackupDamaged),
        ("cloud-event-headers", "2026-01-01T00:00:00\ud800", BadMessage),
    ],
)
def test_what_fuzzing_has_found(name: str, text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        PARSERS[name].call(text)


def test_an_error_of_others_and_a_name_that_cannot_be_seen_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PARSERS, "name", Parser(lambda text: text, ("a name",), holds=fuzzing.named))
    monkeypatch.setitem(PARSERS, "json-body", Parser(cast("Any", eval), ("[1]",)))
    assert [bool(fuzzed(name, 300, 1)) for name in ("name", "json-body")] == [True, True]
