"""The API is the same on every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.http.conftest import stone
from tests.http.desk import app
from tests.http.test_access import issue

from refold import AsyncStore, RawEvent
from refold.http import api


@pytest.fixture(params=["memory", "sqlite", "postgres", "nats"])
async def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncStore]:
    match request.param:
        case "memory":
            url = "memory://"
        case "sqlite":
            url = f"sqlite:///{tmp_path}/shop.db"
        case "postgres":
            url = request.getfixturevalue("postgres").new_database()
        case _:
            url = f"{request.getfixturevalue('nats')}/http"
    async with await AsyncStore.open(url, events=[RawEvent]) as store:
        yield store


async def test_a_store_is_served_wherever_it_lives(anywhere: AsyncStore) -> None:
    headers = {"Authorization": f"Bearer {await issue(anywhere, 'read', 'append')}"}
    transport = httpx.ASGITransport(api(anywhere, app=app))
    async with httpx.AsyncClient(transport=transport, base_url="http://x", headers=headers) as client:
        key = {"Idempotency-Key": "k", "Expected-Version": "no stream"}
        body = {"events": [stone(1), stone(2)]}
        appended = [await client.post("/streams/stone-1", json=body, headers=key) for _ in range(2)]
        decided = [
            await client.post(
                "/commands/cart.add?id=1", json={"sku": "b-1", "qty": 2}, headers={"Idempotency-Key": "c"}
            )
            for _ in range(2)
        ]
        lost = await client.post("/streams/stone-1", json=body, headers={"Expected-Version": "1"})
        page = (await client.get("/events?limit=2")).json()
        rest = (await client.get(f"/events?after={page['next']}")).json()
        followed = await client.get(f"/follow?idle=0&after={page['next']}", headers={"Accept": "application/x-ndjson"})
        state = (await client.get("/streams/cart-1/state")).json()
        told = [
            (await client.get(path)).status_code
            for path in ("/stats", "/streams", "/readyz", "/metrics", "/projections")
        ]
    assert [each.status_code for each in (*appended, *decided, lost)] == [201, 200, 201, 200, 409]
    assert [each["type"] for each in (*page["data"], *rest["data"])] == ["stone", "stone", "cart.item-added"]
    assert (len([line for line in followed.text.splitlines() if line]), state["state"], told) == (
        1,
        {"items": 2},
        [200] * 5,
    )
