"""Commands over HTTP: decided upon once, refused with the decider's words, tried out without a trace."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.http.conftest import Client, Serve
from tests.http.desk import Add, Cart, ItemAdded, carts
from tests.http.test_access import granted

from refold import App, AsyncStore, Decider


async def add(client: Client, qty: Any = 1, *, query: str = "id=c-1", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post(f"/commands/cart.add?{query}", json={"sku": "b-1", "qty": qty}, headers=named)


async def test_a_command_leads_to_events_and_the_state_after_them(client: Client, store: AsyncStore) -> None:
    done = await add(client, 3)
    (event,) = [event async for event in store.read()]
    assert (done.status_code, done.headers["etag"]) == (201, '"1"')
    assert done.json() == {
        "stream": "cart-c-1",
        "version": 1,
        "position": 1,
        "events": [{"type": "cart.item-added", "data": {"sku": "b-1", "qty": 3}}],
        "state": {"items": 3},
        "appended": True,
        "repeated": False,
    }
    assert (event.metadata.actor, event.metadata.free) == ("anyone", {"$command": "cart.add"})


async def test_who_may_not_read_is_told_no_state(serve: Serve, client: Client) -> None:
    await add(client, 3)
    writer, reader = serve(authorize=granted("append:cart")), serve(authorize=granted("append:cart", "read:cart"))
    first = [await add(each, 1, Idempotency_Key=str(number)) for number, each in enumerate((writer, reader))]
    again = [await add(each, 1, Idempotency_Key=str(number)) for number, each in enumerate((writer, reader))]
    tried = await add(writer, 1, query="id=c-1&dry_run=true")
    assert [each.json().get("state") for each in first] == [None, {"items": 5}]
    assert [(each.status_code, each.json().get("state"), len(each.json()["events"])) for each in again] == [
        (200, None, 0), (200, {"items": 5}, 1),
    ]  # fmt: skip
    assert (len(first[0].json()["events"]), tried.status_code) == (1, 403)


async def test_a_key_that_was_used_for_another_command_tells_nothing_of_that(client: Client) -> None:
    await add(client, 1, Idempotency_Key="k")
    other = await add(client, 2, Idempotency_Key="k", query="id=c-2")
    assert (other.status_code, other.json()["type"]) == (422, "urn:refold:problem:key-reused")
    assert "http:" not in other.text
    assert "cart-c-1" not in other.text


async def test_a_decider_that_refuses_is_heard(client: Client, store: AsyncStore) -> None:
    await add(client, 9)
    refused = await add(client, 2)
    assert (refused.status_code, refused.json()) == (
        422,
        {
            "type": "urn:refold:problem:command-refused",
            "title": "Command refused",
            "status": 422,
            "detail": "9 are in it",
            "error": "Full",
        },
    )
    assert await store.head() == 1


async def test_what_fails_in_the_fold_is_no_refusal(serve: Serve) -> None:
    def broken(cart: Cart, event: object) -> Cart:
        raise KeyError("a mistake")

    sick = replace(carts, evolve=broken, events=carts.event_types, commands=carts.command_types)
    done = await add(serve(app=App(sick)), 1)
    assert (done.status_code, "a mistake" in done.text) == (500, False)


async def test_a_dry_run_decides_and_appends_nothing(client: Client, store: AsyncStore) -> None:
    tried = await add(client, 3, query="id=c-1&dry_run=true")
    refused = await add(client, 11, query="id=c-1&dry_run=true")
    told = tried.json()
    assert (tried.status_code, told["appended"], told["version"], told["state"]) == (200, False, 0, {"items": 3})
    assert (refused.status_code, await store.head()) == (422, 0)


async def test_a_command_with_a_key_is_decided_once(client: Client, store: AsyncStore) -> None:
    first, again = await add(client, 3, Idempotency_Key="k"), await add(client, 3, Idempotency_Key="k")
    other = await add(client, 4, Idempotency_Key="k")
    assert [each.status_code for each in (first, again, other)] == [201, 200, 422]
    assert again.json() == {**first.json(), "repeated": True}
    assert (other.json()["type"], await store.head()) == ("urn:refold:problem:key-reused", 1)


async def test_a_command_may_lead_to_nothing(client: Client) -> None:
    done = await client.post("/commands/cart.note?id=c-1", json={"note": ""})
    assert (done.status_code, done.json()["events"]) == (200, [])


async def test_commands_that_meet_are_decided_one_after_another(client: Client, store: AsyncStore) -> None:
    done = await asyncio.gather(*(add(client, 1) for _ in range(15)))
    assert sorted(each.status_code for each in done) == [201] * 10 + [422] * 5
    assert await store.head() == 10


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("cart.add?id=c-1", {"sku": "b-1"}, 422),
        ("cart.add?id=c-1", {"sku": "b-1", "qty": "3"}, 422),
        ("cart.add?id=c-1", {"sku": "b-1", "qty": 3, "colour": "red"}, 422),
        ("cart.add?id=c-1", [], 422),
        ("cart.add", {"sku": "b-1", "qty": 3}, 400),
        ("cart.add?id=", {"sku": "b-1", "qty": 3}, 400),
        ("cart.add?id=%0A", {"sku": "b-1", "qty": 3}, 400),
        ("cart.add?id=c-1&category=stone", {"sku": "b-1", "qty": 3}, 404),
        ("cart.throw?id=c-1", {}, 404),
    ],
)
async def test_a_command_that_cannot_be_is_told(client: Client, path: str, body: Any, status: int) -> None:
    done = await client.post(f"/commands/{path}", json=body)
    assert (done.status_code, done.headers["content-type"]) == (status, "application/problem+json"), done.text


async def test_of_several_deciders_one_is_named(serve: Serve) -> None:
    both = serve(app=App(carts, replace(carts, category="basket", events=carts.event_types, commands=(Add,))))
    assert (await add(both)).status_code == 400
    assert (await add(both, query="id=c-1&category=basket")).json()["stream"] == "basket-c-1"


class Tally:
    """A state that is a class as any, with no form in JSON."""

    items = 0


def tallied(tally: Tally, event: ItemAdded) -> Tally:
    after = Tally()
    after.items = tally.items + event.qty
    return after


def add_to(command: Add, tally: Tally) -> list[ItemAdded]:
    return [ItemAdded(command.sku, command.qty + tally.items)]


async def test_a_command_is_done_also_where_the_state_after_it_cannot_be_shown(serve: Serve, store: AsyncStore) -> None:
    client = serve(app=App(Decider("cart", Tally, tallied, add_to)))
    done, tried = await add(client, 3), await add(client, 1, query="id=c-1&dry_run=true")
    asked = await client.get("/streams/cart-c-1/state")
    assert ((done.status_code, "state" in done.json()), await store.head()) == ((201, False), 1)
    assert (tried.status_code, tried.json()["events"][0]["data"]["qty"], "state" in tried.json()) == (200, 4, False)
    assert (asked.status_code, asked.json()["type"]) == (406, "urn:refold:problem:not-acceptable")
    assert asked.json()["detail"].startswith("a state has no form in JSON, so it can be neither shown nor compared: ")
