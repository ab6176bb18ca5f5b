"""G13: what was accepted reads back equal, on every backend.

Random values, names, times and metadata are appended, and read in every way; each must be what it was, by its `repr`, which tells
-0.0 from 0.0 and 1 from 1.0 and True. What would not read back equal must be refused: those traps stand in the contract of
backends, and here as they come over HTTP, where bytes have a meaning of their own before they are values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.faults import values
from tests.guarantees.conftest import NewUrl
from tests.guarantees.seeding import named, seeded
from tests.guarantees.telling import tell

from refold import AsyncStore, NewEvent, RawEvent, Store
from refold.http import anyone, api
from refold.messages import Metadata, Recorded
from refold.testing.contract.sample import EVENTS

pytestmark = [pytest.mark.guarantee("G13")]

BATCH = 250
BACKENDS = ["memory", "sqlite", "postgresql", "plain-jetstream"]


def told(event: NewEvent[Any]) -> str:
    """All of an event that is on its way in."""
    assert isinstance(event.metadata, Metadata)
    metadata = event.metadata
    story = metadata.correlation_id, metadata.causation_id, metadata.actor, sorted(metadata.free.items())
    return repr((event.data, event.id, event.valid_at, sorted(event.tags), story))


def seen(event: Recorded[Any]) -> str:
    """The same of one that has come out."""
    metadata = event.metadata
    story = metadata.correlation_id, metadata.causation_id, metadata.actor, sorted(metadata.free.items())
    return repr((event.data, event.id, event.valid_at, sorted(event.tags), story))


def differing(store: Store, events: Sequence[NewEvent[Any]], number: int) -> Iterator[str]:
    """Append events to a stream, and find those that are something else when they are read."""
    stream = f"value-{number}"
    before = store.head()
    store.append(stream, events)
    expected = [told(event) for event in events]
    for found in (
        store.read(stream),
        store.read(after=before),
        store.find(*(event.id for event in events if event.id)),
    ):
        read = [seen(event) for event in found]
        yield from (f"{one} is {other}" for one, other in zip(expected, read, strict=True) if one != other)


def compared(url: str, count: int) -> list[str]:
    """What differs of so many random events."""
    seed, wrong = seeded(), list[str]()
    random = Random(seed)  # noqa: S311 - the same each time for a seed
    with Store.open(url, events=EVENTS) as store:
        for first in range(0, count, BATCH):
            events = [values.event(random) for _ in range(min(BATCH, count - first))]
            wrong += differing(store, events, first // BATCH)
    tell("G13", named(url), values=count, differing=len(wrong), seed=seed)
    return wrong


@pytest.mark.parametrize("new_url", BACKENDS, indirect=True)
def test_random_values_read_back_equal(url: str) -> None:
    assert compared(url, 1_000)[:3] == []


@pytest.mark.long
@pytest.mark.parametrize("new_url", BACKENDS, indirect=True)
def test_a_hundred_thousand_values_read_back_equal(url: str) -> None:
    assert compared(url, 100_000)[:3] == []


@pytest.mark.parametrize("new_url", BACKENDS, indirect=True)
def test_each_trap_that_is_a_value_reads_back_equal(url: str) -> None:
    random = Random(1)  # noqa: S311 - names and times, which are no traps
    events = []
    for trap in (*values.NUMBERS, *values.TEXTS):
        event = values.event(random)
        data = RawEvent("trap", {"value": trap, "inside": [{str(trap): trap}]})
        events.append(NewEvent(data, event.id, event.valid_at, event.tags, event.metadata))
    with Store.open(url, events=EVENTS) as store:
        assert list(differing(store, events, 0)) == []


@pytest.mark.parametrize("new_url", ["memory"], indirect=True)
def test_a_zero_that_lost_its_sign_is_found(new_url: NewUrl, monkeypatch: pytest.MonkeyPatch) -> None:
    event = NewEvent(RawEvent("X", {"value": -0.0}), UUID(int=1), values.moment(Random(1)), metadata=Metadata("a"))  # noqa: S311 - any
    with Store.open(new_url(), events=EVENTS) as store:
        monkeypatch.setattr("refold.flows.prepare.raw_json", lambda raw: b'{"value":0.0}')
        assert len(list(differing(store, [event], 0))) == 3


# Over HTTP -------------------------------------------------------------------------------------------

REFUSED = {
    "nan": b'{"value": NaN}',
    "infinity": b'{"value": -Infinity}',
    "too-large": b'{"value": 1e999}',
    "lone-surrogate": b'{"value": "\\ud800"}',
    "lone-surrogate-in-a-key": b'{"\\udfff": 1}',
    "not-utf-8": b'{"value": "\xff"}',
    "surrogate-in-utf-8": b'{"value": "\xed\xa0\x80"}',
    "twice": b'{"value": 1, "value": 2}',
    "twice-inside": b'{"value": [{"a": 1, "a": 1}]}',
    "huge": b'{"value": ' + b"9" * 5_000 + b"}",
    "deep": b'{"value": ' + b"[" * 65 + b"]" * 65 + b"}",
    "very-deep": b'{"value": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}
ACCEPTED = {
    "beyond-what-a-browser-counts": b'{"value":9007199254740993}',
    "unsigned": b'{"value":18446744073709551615}',
    "longer": b'{"value":123456789012345678901234567890}',
    "minus-nothing": b'{"value":-0.0}',
    "smallest": b'{"value":5e-324}',
    "nothing": b'{"value":"\\u0000"}',
    "pair": b'{"value":"\xf0\x9f\xa6\x8a"}',
    "empty-key": b'{"":1}',
    "deep-enough": b'{"value":' + b"[" * 64 + b"]" * 64 + b"}",
}


async def posted(store: AsyncStore, data: bytes) -> tuple[int, bytes]:
    """The status that an event with these data is answered with, and the data as they come out again."""
    transport = httpx.ASGITransport(api(store, authorize=anyone))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        body = b'{"events": [{"type": "X", "data": ' + data + b"}]}"
        answer = await client.post("/streams/a-1", content=body, headers={"Content-Type": "application/json"})
        read = await client.get("/streams/a-1")
    return answer.status_code, read.content


@pytest.mark.parametrize("trap", REFUSED)
async def test_what_would_not_read_back_equal_is_refused_over_http(trap: str) -> None:
    async with await AsyncStore.open("sqlite:///:memory:", events=[RawEvent]) as store:
        status, _ = await posted(store, REFUSED[trap])
        assert (status in {400, 413, 422}, await store.head()) == (True, 0)


@pytest.mark.parametrize("trap", ACCEPTED)
async def test_what_is_accepted_over_http_comes_back_byte_for_byte(trap: str) -> None:
    async with await AsyncStore.open("sqlite:///:memory:", events=[RawEvent]) as store:
        status, read = await posted(store, ACCEPTED[trap])
        assert (status, b'"data":' + ACCEPTED[trap] in read) == (201, True)
