"""Following over HTTP: no gap and no double, between pages and streams, over reconnects, under load, until the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from tests.http.conftest import Client, Serve, stone
from tests.http.serving import served

from refold import AsyncStore, RawEvent
from refold.http import Quotas, anyone, api, following, sending
from refold.http.sending import Ahead

LINES = {"Accept": "application/x-ndjson"}


async def frames(response: httpx.Response) -> AsyncIterator[dict[str, str]]:
    """The frames of a stream of server-sent events, as fields; comments are under an empty name."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif fields:
            yield fields
            fields = {}


async def put(store: AsyncStore, *numbers: int, stream: str = "stone-1") -> None:
    for number in numbers:
        await store.append(stream, [RawEvent("stone", {"number": number})])


async def whole(client: Client, path: str, **headers: str) -> list[tuple[str, int]]:
    """The ids and numbers of all frames of a stream that ends."""
    async with client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200
        got = [frame async for frame in frames(response)]
    return [(frame["id"], json.loads(frame["data"])["data"]["number"]) for frame in got if "data" in frame]


async def test_events_come_with_their_places(client: Client, store: AsyncStore) -> None:
    await put(store, 1, 2)
    await put(store, 3, stream="brick-1")
    assert await whole(client, "/follow?idle=0") == [("1", 1), ("2", 2), ("3", 3)]
    assert await whole(client, "/follow?idle=0&category=stone") == [("1", 1), ("2", 2)]
    assert await whole(client, "/follow?idle=0&type=stone&after=2") == [("3", 3)]
    assert await whole(client, "/follow?idle=0&stream=brick-1") == [("1", 3)]
    assert await whole(client, "/follow?idle=0&after=end") == []


async def test_who_comes_back_goes_on_after_the_last_that_came(client: Client, store: AsyncStore) -> None:
    await put(store, 1, 2, 3)
    headers = {"Last-Event-ID": "2"}
    assert await whole(client, "/follow?idle=0&after=0", **headers) == [("3", 3)]
    assert await whole(client, "/follow?idle=0&stream=stone-1", **headers) == [("3", 3)]
    assert (await client.get("/follow?idle=0", headers={"Last-Event-ID": "x"})).status_code == 400


async def test_lines_are_events_and_nothing_else(client: Client, store: AsyncStore) -> None:
    await put(store, 1, 2)
    done = await client.get("/follow?idle=0", headers=LINES)
    lines = [json.loads(line)["data"]["number"] for line in done.text.splitlines() if line]
    assert (done.headers["content-type"], lines) == ("application/x-ndjson", [1, 2])


async def test_a_page_says_after_what_to_follow(client: Client, store: AsyncStore) -> None:
    await put(store, 1, 2)
    await put(store, 3, stream="brick-1")
    paths = (
        "events?",
        "events?category=stone&",
        "events?category=none&",
        "streams/stone-1?",
        "events?direction=backward&",
    )
    pages = {path: (await client.get(f"/{path}limit=10")).json()["follow"] for path in paths}
    assert pages == dict(zip(paths, (3, 2, 3, 2, 3), strict=True))


async def test_an_event_that_cannot_be_read_is_told_and_ends_it(store: AsyncStore, tmp_path: Any) -> None:
    async with await AsyncStore.open(f"sqlite:///{tmp_path}/shop.db", events=[RawEvent]) as writer:
        await put(writer, 1)
    async with await AsyncStore.open(f"sqlite:///{tmp_path}/shop.db") as strict:
        transport = httpx.ASGITransport(api(strict, authorize=anyone))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            done = await client.get("/follow")
    assert '"type":"urn:refold:problem:unknown-event-type"' in done.text
    assert "event: problem" in done.text


async def test_a_client_has_so_many_open_and_a_slot_is_given_back(serve: Serve) -> None:
    served = serve(quotas=Quotas(subscriptions=0))
    refused = await served.get("/follow?idle=0")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
    one = serve(quotas=Quotas(subscriptions=1))
    assert [(await one.get("/follow?idle=0")).status_code for _ in range(3)] == [200, 200, 200]


async def test_a_sign_of_life_moves_who_follows_on(store: AsyncStore) -> None:
    await put(store, 1, 2, stream="brick-1")
    async with (
        served(api(store, authorize=anyone, heartbeat=0.05)) as (client, _),
        client.stream("GET", "/follow?category=stone") as response,
    ):
        got = frames(response)
        assert await anext(got) == {"retry": "1000", "": "following"}
        while (beat := await anext(got)).get("id") != "2":  # one may come before the first look
            assert beat[""] == "beat"
        assert (beat, await anext(got)) == ({"": "beat", "id": "2"}, {"": "beat", "id": "2"})


async def test_a_sign_of_life_never_leads_past_an_event_that_was_not_sent(
    store: AsyncStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, 1, 2)
    app: Any = api(store, authorize=anyone)
    real, late = asyncio.timeout, True

    @asynccontextmanager
    async def timeout(seconds: float) -> AsyncGenerator[None]:
        """The first time is over just when events have become ready."""
        nonlocal late
        if late:
            late = False
            (subscription,) = app.following
            while int(subscription.position) < 2:  # noqa: ASYNC110 - read by a thread
                await asyncio.sleep(0.001)
            raise TimeoutError
        async with real(seconds):
            yield

    monkeypatch.setattr("refold.http.following.asyncio.timeout", timeout)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        got = [frame async for frame in frames(await client.get("/follow?idle=0")) if "id" in frame]
    assert [(frame["id"], "data" in frame) for frame in got] == [("1", True), ("2", True)]


async def test_what_is_appended_after_the_first_byte_is_not_missed(
    store: AsyncStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, 1)
    appended, pump = asyncio.Event(), following._pump

    async def late(*args: Any) -> None:
        await appended.wait()
        await pump(*args)

    monkeypatch.setattr("refold.http.following._pump", late)
    async with (
        asyncio.timeout(60),
        served(api(store, authorize=anyone)) as (client, _),
        client.stream("GET", "/follow?after=end&idle=5") as response,
    ):
        got = frames(response)
        await anext(got)
        await put(store, 2)
        appended.set()
        assert (await anext(got))["id"] == "2"


async def test_who_follows_is_let_go_when_the_server_stops(store: AsyncStore) -> None:
    await put(store, 1)
    app: Any = api(store, authorize=anyone)
    async with served(app) as (client, server), client.stream("GET", "/follow") as response:
        got = frames(response)
        await anext(got)
        await anext(got)
        server.should_exit = True
        assert [frame async for frame in got] == []
    assert (app.following, app._slots.open) == (set(), {})


async def test_what_is_ready_for_a_client_is_bounded_by_bytes() -> None:
    ahead, put = Ahead[bytes](3_000), list[int]()

    async def fill() -> None:
        for number, size in enumerate([1_000, 5_000, 10, 10, 5_000, 10]):
            await ahead.put(b"x" * size, size)
            put.append(number)

    filling = asyncio.ensure_future(fill())
    sizes, most = list[int](), 0
    for _ in range(6):
        for _ in range(5):
            await asyncio.sleep(0)
        most = max(most, ahead.size)
        sizes.append(len(await ahead.get()))
    await filling
    assert (sizes, most < 3_000 + 5_300, ahead.size, ahead.is_empty) == (
        [1_000, 5_000, 10, 10, 5_000, 10],
        True,
        0,
        True,
    )


async def test_no_more_is_read_for_who_does_not_read(store: AsyncStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "AHEAD", 2_000)
    await store.append("stone-1", [RawEvent("stone", {"number": n, "text": "x" * 500}) for n in range(40)])
    app: Any = api(store, authorize=anyone)
    sent, stuck = list[bytes](), asyncio.Event()

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))
        if b"data:" in sent[-1]:
            stuck.set()
            await asyncio.Event().wait()

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope: dict[str, Any] = {
        "type": "http", "method": "GET", "path": "/follow", "raw_path": b"/follow", "root_path": "", "headers": [],
        "query_string": b"", "client": None,
    }  # fmt: skip
    asking = asyncio.ensure_future(app(scope, receive, send))
    async with asyncio.timeout(20):
        await stuck.wait()
        (subscription,) = app.following
        place = -1
        while place != (place := int(subscription.position)):
            for _ in range(20):
                await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert place < 15


async def test_who_goes_away_leaves_nothing_behind(store: AsyncStore) -> None:
    app: Any = api(store, authorize=anyone)
    async with served(app) as (client, _):
        async with client.stream("GET", "/follow") as response:
            await anext(frames(response))
            assert [*app._slots.open.values()] == [1]
        async with asyncio.timeout(20):
            while app._slots.open or app.following:  # noqa: ASYNC110 - until the server has noticed
                await asyncio.sleep(0.01)


async def follow_to(client: Client, path: str, last: int, places: list[int], break_after: int | None = None) -> None:
    """Follow until the last position; after `break_after` frames the connection breaks, and is made again."""
    headers: dict[str, str] = {}
    while not places or places[-1] < last:
        async with client.stream("GET", path, headers=headers) as response:
            count = 0
            async for frame in frames(response):
                if "id" in frame:
                    headers = {"Last-Event-ID": frame["id"]}
                if "data" in frame:
                    places.append(json.loads(frame["data"])["position"])
                    count += 1
                if places and (places[-1] >= last or count == break_after):
                    break


@pytest.mark.parametrize(
    ("clients", "events"), [(20, 200), pytest.param(200, 2_000, marks=pytest.mark.long)], ids=["short", "long"]
)
async def test_many_follow_while_many_are_appended_and_nobody_misses_or_doubles_one(
    tmp_path: Any, clients: int, events: int
) -> None:
    async with await AsyncStore.open(f"sqlite:///{tmp_path}/shop.db", events=[RawEvent]) as store:
        app = api(store, authorize=anyone, quotas=Quotas(subscriptions=clients, rate=1e6, burst=10**6))
        async with served(app) as (client, _):
            seen: list[list[int]] = [[] for _ in range(clients)]
            following = [
                asyncio.create_task(follow_to(client, "/follow", events, places, None if number % 2 else events // 7))
                for number, places in enumerate(seen)
            ]
            for start in range(0, events, 10):
                numbers = range(start, start + 10)
                done = await client.post("/streams/stone-1", json={"events": [stone(number) for number in numbers]})
                assert done.status_code == 201
            await asyncio.gather(*following)
    assert seen == [[*range(1, events + 1)]] * clients
