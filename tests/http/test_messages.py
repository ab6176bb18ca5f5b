"""CloudEvents over HTTP: what goes out comes in again, once, in every form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.http.conftest import Client, Serve, added, stone

from refold import AsyncStore, CloudEvent

STRUCTURED = {"Content-Type": "application/cloudevents+json"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}


def message(id: str = "m-1", subject: str | None = "cart-1", **changed: Any) -> dict[str, Any]:
    form = {"specversion": "1.0", "id": id, "source": "/till", "type": "cart.item-added", "subject": subject}
    return {**form, "data": {"sku": "b-1", "qty": 2}, **changed}


async def send(client: Client, body: Any, headers: dict[str, str]) -> Any:
    return await client.post("/cloudevents", content=json.dumps(body), headers=headers)


async def test_a_message_becomes_an_event_of_the_stream_that_is_its_subject_once(
    client: Client, store: AsyncStore
) -> None:
    given = message(time="2026-01-31T12:00:00Z", correlationid="story")
    first, again = await send(client, given, STRUCTURED), await send(client, given, STRUCTURED)
    (event,) = [event async for event in store.read("cart-1")]
    assert (first.status_code, again.status_code) == (201, 200)
    assert (event.data.sku, event.metadata.correlation_id, event.metadata.causation_id) == ("b-1", "story", "m-1")
    assert (event.valid_at.isoformat(), event.metadata.actor) == ("2026-01-31T12:00:00+00:00", "anyone")


async def test_the_binary_form_is_taken_too(client: Client, store: AsyncStore) -> None:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "m-1",
        "ce-source": "/till",
        "ce-type": "stone",
        "ce-subject": "stone-1",
    }
    done = await client.post("/cloudevents", json={"number": 7}, headers=headers)
    (event,) = [event async for event in store.read("stone-1")]
    assert (done.status_code, event.data.data) == (201, {"number": 7})


async def test_a_batch_is_taken_message_by_message_and_may_be_sent_again(client: Client, store: AsyncStore) -> None:
    batch = [message("m-1"), message("m-2", "cart-2"), message("m-3", "cart-1")]
    failed = await send(client, [*batch[:2], message("m-3", data={})], BATCH)
    done = await send(client, batch, BATCH)
    assert (failed.status_code, failed.json()["detail"].startswith("message 3 of 3: ")) == (422, True)
    assert [(each["stream"], each["version"], each["repeated"]) for each in done.json()["receipts"]] == [
        ("cart-1", 1, True), ("cart-2", 1, True), ("cart-1", 2, False),
    ]  # fmt: skip
    assert await store.head() == 3


async def test_what_goes_out_is_read_as_messages(client: Client) -> None:
    await client.post("/streams/cart-1", json={"events": [added("b-1", 2)]})
    await client.post("/streams/stone-1", json={"events": [stone(1)]})
    one = await client.get("/events/1", headers={"Accept": "application/cloudevents+json"})
    batch = await client.get("/events", headers={"Accept": "application/cloudevents-batch+json"})
    read = CloudEvent.parse(dict(one.headers), one.content)
    assert (read.type, read.subject, read.source, read.data) == (
        "cart.item-added", "cart-1", "/refold", b'{"sku":"b-1","qty":2}',
    )  # fmt: skip
    assert [each["subject"] for each in batch.json()] == ["cart-1", "stone-1"]
    assert batch.json()[0] == one.json()


async def test_a_store_takes_in_what_another_gives_out(client: Client, serve: Serve) -> None:
    await client.post("/streams/cart-1", json={"events": [added("b-1", 2), added("b-2", 1)]})
    batch = (await client.get("/events", headers={"Accept": "application/cloudevents-batch+json"})).json()
    moved = [{**each, "subject": "cart-9"} for each in batch]
    assert (await send(client, moved, BATCH)).status_code == 201
    assert (await client.get("/streams/cart-9/state")).json()["state"] == {"items": 3}


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (message(specversion="0.3"), STRUCTURED, 400),
        (message(subject=None), STRUCTURED, 400),
        (message(subject="cart"), STRUCTURED, 400),
        (message(id=""), STRUCTURED, 400),
        (message(time="yesterday"), STRUCTURED, 400),
        (message(data={"sku": 1}), STRUCTURED, 422),
        (message(data=[1]), STRUCTURED, 422),
        ({**message(), "data": None, "data_base64": "e30="}, STRUCTURED, 400),
        (message(datacontenttype="text/plain", data="x"), STRUCTURED, 400),
        ([], STRUCTURED, 422),
        ([], BATCH, 422),
        ([1], BATCH, 422),
        (message(), {"Content-Type": "application/json"}, 415),
    ],
)
async def test_what_is_no_message_is_refused(
    client: Client, store: AsyncStore, body: Any, headers: dict[str, str], status: int
) -> None:
    done = await send(client, body, headers)
    assert (done.status_code, await store.head()) == (status, 0), done.text
