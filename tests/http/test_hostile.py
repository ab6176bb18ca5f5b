"""Hostile requests: whatever is sent, it is refused in good form, nothing is written, and the server goes on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.http.conftest import Client, Serve, stone

from refold import AsyncStore
from refold.http import Quotas
from refold.http.bodies import json_of
from refold.http.problems import Declined

pytestmark = pytest.mark.guarantee("G27")

JSON = {"Content-Type": "application/json"}
DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "two values": b"{}{}",
    "NaN": b'{"events":[{"type":"stone","data":{"x":NaN}}]}',
    "infinity": b'{"events":[{"type":"stone","data":{"x":-Infinity}}]}',
    "a number too large": b'{"events":[{"type":"stone","data":{"x":1e999}}]}',
    "a number of 5,000 digits": b'{"events":[{"type":"stone","data":{"x":' + b"9" * 5_000 + b"}}]}",
    "a key twice": b'{"events":[{"type":"stone","data":{"x":1,"x":2}}]}',
    "bad UTF-8": b'{"events":[{"type":"stone","data":{"x":"\xff"}}]}',
    "UTF-16": '{"events":[]}'.encode("utf-16"),
    "half a surrogate": b'{"events":[{"type":"stone","data":{"x":"\\ud800"}}]}',
    "half a surrogate in a key": b'{"events":[{"type":"stone","data":{"\\udfff":1}}]}',
    "half a surrogate in a type": b'{"events":[{"type":"\\ud800","data":{}}]}',
    "a mark of byte order": b'\xef\xbb\xbf{"events":[]}',
    "a list": b"[]",
    "null": b"null",
    "deep": DEEP,
    "deep data": b'{"events":[{"type":"stone","data":' + DEEP + b"}]}",
    "deep lists": b"[" * 200_000,
    "no events": b'{"events":[]}',
    "a type that is empty": b'{"events":[{"type":"","data":{}}]}',
    "a type with a line break": b'{"events":[{"type":"a\\nb","data":{}}]}',
    "a type that turns text": b'{"events":[{"type":"a\\u202eb","data":{}}]}',
    "a tag with NUL": b'{"events":[{"type":"a","data":{},"tags":["\\u0000"]}]}',
    "a story with NUL": b'{"events":[{"type":"a","data":{},"correlation_id":"\\u0000"}]}',
    "metadata with half a surrogate": b'{"events":[{"type":"a","data":{},"metadata":{"a":"\\ud800"}}]}',
    "a time before time": b'{"events":[{"type":"a","data":{},"valid_at":"0000-01-01T00:00:00Z"}]}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("path", ["/streams/stone-1", "/appends", "/commands/cart.add?id=1", "/cloudevents"])
async def test_a_body_that_cannot_be_is_refused(client: Client, store: AsyncStore, path: str, body: bytes) -> None:
    headers = {"Content-Type": "application/cloudevents+json"} if path == "/cloudevents" else JSON
    done = await client.post(path, content=body, headers=headers)
    assert (done.status_code in {400, 422}, await store.head()) == (True, 0), done.text[:300]
    assert done.headers["content-type"] == "application/problem+json"
    assert done.json()["status"] == done.status_code


@pytest.mark.parametrize("body", [b"1e999", b"[-1e999]", b"NaN", b'{"a": 1, "a": 1}'])
def test_what_readers_understand_differently_is_no_json(body: bytes) -> None:
    with pytest.raises(Declined, match="is not JSON"):
        json_of(body)


async def test_a_body_that_is_too_large_is_not_read_on(serve: Serve, store: AsyncStore) -> None:
    client = serve(quotas=Quotas(body_bytes=1_000))
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1_000):
            sent += 1
            yield b" " * 100

    told = await client.post("/streams/stone-1", content=b" " * 1_001, headers=JSON)
    untold = await client.post("/streams/stone-1", content=endless(), headers=JSON)
    assert (told.status_code, untold.status_code, sent < 1_000) == (413, 413, True)


async def test_an_event_that_is_too_large_is_refused_by_the_store(client: Client, store: AsyncStore) -> None:
    event = {"type": "stone", "data": {"x": "x" * (1 << 20)}}
    many = await client.post("/streams/stone-1", json={"events": [stone(1)] * 1_001})
    one = await client.post("/streams/stone-1", json={"events": [event]})
    assert (one.status_code, many.status_code, await store.head()) == (413, 413, 0)


NASTY = [
    *("\0", "\n", "\u202e", "\x7f", "a" * 201, "'; drop table events; --"),
    *("<script>", "../..", "%", "$", "-", " ", "\ufffe"),
]


@pytest.mark.parametrize("name", NASTY, ids=[f"name {number}" for number in range(len(NASTY))])
async def test_a_nasty_name_is_a_name_or_refused(client: Client, name: str) -> None:
    named, asked = quote(name, safe=""), {200, 201, 400, 403, 404, 422}
    done = await client.post(f"/streams/stone-{named}", json={"events": [stone(1)]})
    read = await client.get(f"/streams/stone-{named}")
    others = [
        await client.get(path)
        for path in (
            f"/streams/{named}", f"/streams/{named}/state", f"/events/{named}", f"/events?category={named}",
            f"/streams?prefix={named}", f"/events?type={named}", f"/events?tag={named}",
            f"/events?correlation_id={named}", f"/projections/{named}",
            f"/processes/{named}", f"/processes/reminders/{named}", f"/streams?after={named}", f"/follow?idle=0&stream={named}",
            f"/projections/{named}/dead-letters", f"/streams/stone-1/state?at={named}",
        )
    ]  # fmt: skip
    assert {each.status_code for each in (done, read, *others)} <= asked
    assert (done.status_code == 201) == (read.status_code == 200)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Idempotency-Key", ""), ("Idempotency-Key", "x" * 151), ("Idempotency-Key", "\xff"), ("If-Match", 'W/"1"'),
        ("If-Match", '"' + "9" * 30 + '"'), ("Expected-Version", "9" * 30), ("Expected-Version", "NO STREAM"),
        ("Content-Type", "application/json-patch+json"), ("Content-Type", ""), ("Accept", "\xff;q=x"),
    ],
)  # fmt: skip
async def test_a_header_that_cannot_be_is_refused(client: Client, store: AsyncStore, name: str, value: str) -> None:
    body = json.dumps({"events": [stone(1)]})
    headers = [*((key, given) for key, given in JSON.items() if key != name), (name, value)]
    encoded = [(key.encode(), given.encode("latin-1")) for key, given in headers]
    done = await client.post("/streams/stone-1", content=body, headers=encoded)
    assert done.status_code in ({201} if name == "Accept" else {400, 415}), done.text


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(SCALARS, lambda part: st.lists(part) | st.dictionaries(st.text(), part), max_leaves=20)


@given(VALUES)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_json_is_data_that_reads_back_the_same_or_is_refused(client: Client, value: Any) -> None:
    body = json.dumps({"events": [{"type": "stone", "data": {"value": value}}]})
    done = await client.post("/streams/stone-1", content=body, headers=JSON)
    assert done.status_code in {201, 400, 422}
    if done.status_code == 201:
        (position,) = done.json()["positions"]
        assert (await client.get(f"/events/{position}")).json()["data"] == {"value": value}
