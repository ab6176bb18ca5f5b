"""Commands of an assistant: tried out without a trace; sent only where that is allowed, with who wanted it and why."""

from __future__ import annotations

from typing import Any

import pytest
from tests.mcp.conftest import Call, asked

from refold import AsyncStore

ADD = {"command": "cart.add", "id": "1", "data": {"sku": "b-1", "qty": 2}}


async def everything(store: AsyncStore) -> list[tuple[str, str, str | None]]:
    own = [event async for event in store.read(category="$audit")]
    events = [*own, *[event async for event in store.read(journals=True) if event.stream.category != "$audit"]]
    return [(each.stream.category, each.type, each.metadata.actor) for each in sorted(events, key=lambda e: e.position)]


@pytest.mark.parametrize("commands", [False, True])
async def test_a_command_that_is_tried_out_writes_nothing(store: AsyncStore, *, commands: bool) -> None:
    told = await asked(store, "simulate_command", ADD, allow_commands=commands)
    assert told == {
        "stream": "cart-1", "version": 0, "position": 0, "appended": False, "repeated": False, "state": {"items": 2},
        "events": [{"type": "cart.item-added", "data": {"sku": "b-1", "qty": 2}}],
    }  # fmt: skip
    assert (await everything(store), await store.head()) == ([], 0)


async def test_a_refusal_is_told_in_the_words_of_the_decider(call: Call) -> None:
    problem = await call("simulate_command", command="cart.add", id="1", data={"sku": "b-1", "qty": 11})
    assert (problem["title"], problem["stored"]) == ("Command refused", {"detail": "0 are in it", "error": "Full"})


async def test_a_command_that_is_sent_says_who_and_why_and_names_its_story(store: AsyncStore) -> None:
    wanted = {**ADD, "reason": "Ada agreed"}
    told = await asked(store, "send_command", wanted, allow_commands=True, actor="ada-s-assistant")
    (reason,) = [event.data.reason async for event in store.read(category="$audit")]
    (event,) = [event async for event in store.read("cart-1")]
    assert (told["state"], told["correlation_id"], reason) == (
        {"items": 2}, event.metadata.correlation_id, "Ada agreed",
    )  # fmt: skip
    assert await everything(store) == [
        ("$audit", "$audit.asked", "ada-s-assistant"),
        ("cart", "cart.item-added", "ada-s-assistant"),
    ]


async def test_a_command_with_a_key_is_sent_once(store: AsyncStore) -> None:
    wanted: dict[str, Any] = {**ADD, "data": {"sku": "b-1", "qty": 7}, "reason": "again", "idempotency_key": "k"}
    first, second = [await asked(store, "send_command", wanted, allow_commands=True) for _ in range(2)]
    assert (first["repeated"], second) == (False, {**first, "repeated": True})


async def test_a_command_without_a_reason_is_not_sent(store: AsyncStore) -> None:
    problem = await asked(store, "send_command", ADD, allow_commands=True)
    assert ("reason" in problem["stored"]["detail"], await store.head()) == (True, 0)
