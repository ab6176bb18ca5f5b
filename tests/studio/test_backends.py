"""The Studio is the same on every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from zlib import crc32

import httpx
import pytest
from tests.http.desk import app
from tests.http.serving import served
from tests.studio.conftest import HTML, JSON, carts
from tests.studio.test_tailing import collected

from refold import AsyncStore, RawEvent
from refold.studio import studio


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
            url = f"{request.getfixturevalue('nats')}/studio{crc32(request.node.name.encode())}"  # one for each test
    async with await AsyncStore.open(url, events=[RawEvent]) as store:
        yield store


async def test_a_store_is_shown_wherever_it_lives(anywhere: AsyncStore) -> None:
    await carts(anywhere)
    page = studio(anywhere, app=app, hosts=["shop"])
    await page.tally.ready()
    head = int(await anywhere.head())  # positions may have gaps
    pages = (
        "", "events?category=cart&text=b-1", f"events/{head}", "streams", "streams/cart-c-3?at=2&base=0",
        "streams/cart-c-3/whatif?drop=1", "traces", "projections", "processes", "dead-letters", "catalogue", "commands",
        "search?q=cart", "model", "review", "statistics?span=hour", "audit",
    )  # fmt: skip
    async with httpx.AsyncClient(transport=httpx.ASGITransport(page), base_url="http://shop", headers=HTML) as client:
        told = {each: (await client.get(f"/{each}")).status_code for each in pages}
        stats = (await client.get("/", headers=JSON)).json()
        state = (await client.get("/streams/cart-c-3?at=2&base=0", headers=JSON)).json()
    assert told == dict.fromkeys(pages, 200)
    assert (stats["stats"]["events"], sum(bar["events"] for bar in stats["activity"])) == (6, head)
    assert (state["state"], [each["path"] for each in state["diff"]]) == ({"items": 3}, ["/items"])


async def test_rows_come_live_wherever_a_store_lives(anywhere: AsyncStore) -> None:
    await carts(anywhere, fill=2)
    page = studio(anywhere, app=app)
    async with served(page) as (client, _):
        head = (await client.get("/events", headers=JSON)).json()["head"]
        receipt = await anywhere.append("stone-1", [RawEvent("stone", {"n": n}) for n in range(5)])
        assert await collected(client, f"/events/live?after={head}", receipt.positions[-1]) == [
            *map(int, receipt.positions)
        ]
