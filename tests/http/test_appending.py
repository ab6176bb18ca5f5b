"""Appending over HTTP: with what the writer expects, to one stream or several, once."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from tests.http.conftest import Client, added, stone

from refold import AsyncStore


async def append(client: Client, stream: str, *events: dict[str, Any], **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post(f"/streams/{stream}", json={"events": events}, headers=named)


async def test_what_is_appended_is_told_and_stands_in_the_store(client: Client, store: AsyncStore) -> None:
    noted = {"type": "cart.noted", "data": {"note": "a gift"}}
    done = await append(client, "cart-1", added("b-1", 2), noted)
    told = done.json()
    stored = [event async for event in store.read("cart-1")]
    assert (done.status_code, done.headers["etag"]) == (201, '"2"')
    assert told == {
        "stream": "cart-1",
        "version": 2,
        "positions": [1, 2],
        "ids": [str(event.id) for event in stored],
        "repeated": False,
    }
    assert [(event.type, event.metadata.actor, sorted(event.tags)) for event in stored] == [
        ("cart.item-added", "anyone", ["sku:b-1"]),
        ("cart.noted", "anyone", []),
    ]


@pytest.mark.parametrize("name", ["stone-a/b", "stone-%2F", "stone-ü ?#&", "stone-..", "stone-😀"])
async def test_a_stream_may_have_any_name_that_is_encoded(client: Client, name: str) -> None:
    from urllib.parse import quote  # noqa: PLC0415

    path = f"/streams/{quote(name, safe='')}"
    done = await client.post(path, json={"events": [stone(1)]})
    read = await client.get(path)
    state = await client.get(f"{path}/state")
    assert (done.status_code, read.json()["data"][0]["stream"], state.json()["stream"]) == (201, name, name)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Expected_Version": "1"}, 201),
        ({"Expected_Version": "any"}, 201),
        ({"Expected_Version": "exists"}, 201),
        ({"Expected_Version": "no stream"}, 409),
        ({"Expected_Version": "2"}, 409),
        ({"If_Match": '"1"'}, 201),
        ({"If_Match": "*"}, 201),
        ({"If_Match": '"0"'}, 412),
        ({"If_Match": '"1"', "Expected_Version": "1"}, 400),
        ({"If_Match": "1"}, 400),
        ({"Expected_Version": "-1"}, 400),
    ],
)
async def test_an_append_holds_if_the_stream_is_as_expected(
    client: Client, headers: dict[str, str], status: int
) -> None:
    await append(client, "stone-1", stone(1))
    assert (await append(client, "stone-1", stone(2), **headers)).status_code == status


async def test_a_conflict_tells_what_is_there_instead(client: Client) -> None:
    await append(client, "stone-1", stone(1))
    lost = await append(client, "stone-1", stone(2), Expected_Version="0")
    assert (lost.headers["content-type"], lost.json()) == (
        "application/problem+json",
        {
            "type": "urn:refold:problem:conflict",
            "title": "Conflict",
            "status": 409,
            "detail": "stream 'stone-1' is at version 1, not 0: another writer appended first. Read what is there, and "
            "decide again.",
            "failures": [{"stream": "stone-1", "expected": 0, "actual": 1}],
        },
    )


async def test_a_condition_fails_for_an_event_that_should_not_be_there(client: Client) -> None:
    await append(client, "cart-1", added("b-1"))
    taken = {"items": [{"types": ["cart.item-added"], "tags": ["sku:b-1"]}]}
    body = {"events": [stone(1)], "condition": {"query": taken}}
    lost = await client.post("/streams/stone-1", json=body)
    held = await client.post("/streams/stone-1", json={**body, "condition": {"query": taken, "after": 1}})
    assert (lost.status_code, lost.json()["failures"], held.status_code) == (
        409,
        [{"query": "cart.item-added and sku:b-1", "after": 0, "actual": 1}],
        201,
    )


async def test_a_repeat_with_the_key_gives_the_first_outcome_whatever_is_expected(
    client: Client, store: AsyncStore
) -> None:
    headers = {"Expected_Version": "no stream", "Idempotency_Key": "order 7"}
    first = await append(client, "stone-1", stone(1), stone(2), **headers)
    again = await append(client, "stone-1", stone(1), stone(2), **headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == {**first.json(), "repeated": True}
    assert await store.head() == 2


async def test_a_key_names_one_request(client: Client) -> None:
    await append(client, "stone-1", stone(1), Idempotency_Key="k")
    other = await append(client, "stone-1", stone(2), Idempotency_Key="k")
    elsewhere = await append(client, "stone-2", stone(1), Idempotency_Key="k")
    beside_ids = await append(client, "stone-1", {**stone(1), "id": str(uuid4())}, Idempotency_Key="l")
    assert [each.status_code for each in (other, elsewhere, beside_ids)] == [422, 422, 400]
    assert other.json()["type"] == "urn:refold:problem:key-reused"


async def test_ids_make_a_repeat_safe_too(client: Client) -> None:
    event = {**stone(1), "id": str(uuid4())}
    first, again = await append(client, "stone-1", event), await append(client, "stone-1", event)
    assert (first.status_code, again.status_code, again.json()["repeated"]) == (201, 200, True)


async def test_several_streams_are_written_together_or_not_at_all(client: Client, store: AsyncStore) -> None:
    writes = [{"stream": f"stone-{n}", "events": [stone(n)], "expected": "no stream"} for n in (1, 2)]
    checks: list[dict[str, object]] = [{"kind": "stream", "stream": "stone-3", "expected": 0}]
    done = await client.post("/appends", json={"writes": writes, "checks": checks})
    lost = await client.post("/appends", json={"writes": [{"stream": "stone-3", "events": [stone(3)]}, writes[0]]})
    guarded = [{"kind": "query", "query": {"items": []}, "after": 0}]
    refused = await client.post("/appends", json={"writes": [writes[0] | {"stream": "stone-4"}], "checks": guarded})
    assert [(each["stream"], each["version"], each["positions"]) for each in done.json()["receipts"]] == [
        ("stone-1", 1, [1]),
        ("stone-2", 1, [2]),
    ]
    assert (done.status_code, lost.status_code, refused.status_code, await store.head()) == (201, 409, 409, 2)


async def test_several_streams_are_written_once_with_a_key(client: Client, store: AsyncStore) -> None:
    body = {"writes": [{"stream": f"stone-{n}", "events": [stone(0)]} for n in (1, 2)]}
    both = [await client.post("/appends", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [each.status_code for each in both] == [201, 200]
    assert await store.head() == 2


async def test_an_event_keeps_what_it_says_of_itself(client: Client, store: AsyncStore) -> None:
    event = {
        **stone(1),
        "valid_at": "2026-01-31T12:00:00+01:00",
        "tags": ["b", "a"],
        "correlation_id": "story",
        "causation_id": "cause",
        "metadata": {"by": "hand"},
        "schema_version": 3,
    }
    await append(client, "stone-1", event)
    record = (await client.get("/events/1")).json()
    assert record["metadata"] == {
        "correlation_id": "story", "causation_id": "cause", "actor": "anyone", "free": {"by": "hand"},
    }  # fmt: skip
    assert (record["valid_at"], record["tags"], record["schema_version"]) == ("2026-01-31T11:00:00Z", ["a", "b"], 3)


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({"type": "cart.item-added", "data": {"sku": "b-1"}}, "missing required field `qty`"),
        ({"type": "cart.item-added", "data": {"sku": "b-1", "qty": 1, "colour": "red"}}, "has no 'colour'"),
        (
            {"type": "cart.item-added", "data": {"sku": "b", "qty": 1}, "schema_version": 2},
            "is written with schema version 1 here, not 2: say so by schema_version,",
        ),
        ({"type": "stone", "data": {}}, "streams of 'cart' have no 'stone': they have cart.item-added, cart.noted."),
        ({"type": "stone", "data": [1]}, "Expected `object`"),
        ({**added(), "colour": "red"}, "unknown field `colour`"),
        ({**added(), "metadata": {"$command": "x"}}, "'$command'"),
        ({**added(), "valid_at": "2026-01-31T12:00:00"}, "timezone"),
    ],
)
async def test_an_event_that_does_not_fit_is_refused_and_nothing_is_written(
    client: Client, store: AsyncStore, event: dict[str, Any], says: str
) -> None:
    done = await append(client, "cart-1", added(), event)
    assert (done.status_code, says in done.json()["detail"], await store.head()) == (422, True, 0), done.text


@pytest.mark.parametrize("stream", ["cart", "-1", "$process.x-1", "a" * 201 + "-1"])
async def test_a_stream_name_that_cannot_be_is_a_bad_request(client: Client, stream: str) -> None:
    done = await append(client, stream, stone(1))
    assert (done.status_code, done.json()["type"]) == (400, "urn:refold:problem:invalid-name")
