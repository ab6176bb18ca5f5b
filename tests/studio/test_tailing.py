"""What comes while a page is open: from where the page was rendered, without a gap, and not one twice."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.requests import Request
from tests.http.serving import served
from tests.studio.conftest import HTML, JSON

from refold import AsyncStore, RawEvent
from refold.http import Access, Grant
from refold.http.auditing import AskFor, audit
from refold.studio import studio
from refold.studio.tailing import frame


def test_a_frame_keeps_lines_apart_and_says_where_it_is() -> None:
    assert frame("rows", "<tr>\n<td>", 7) == b"event: rows\ndata: <tr>\ndata: <td>\nid: 7\n\n"
    assert frame("rows", "", 8) == b"event: rows\nid: 8\ndata:\n\n"


async def rows(response: httpx.Response) -> AsyncIterator[tuple[int, list[int]]]:
    """The place and the positions of each message."""
    place, found = 0, list[int]()
    async for line in response.aiter_lines():
        if line.startswith("id: "):
            place = int(line[4:])
        found += [int(each) for each in re.findall(r'data-position="(\d+)"', line)]
        if not line and place:
            yield place, found
            place, found = 0, []


async def collected(client: httpx.AsyncClient, url: str, until: int, last: int | None = None) -> list[int]:
    """Positions in the order in which they came, up to one."""
    found: list[int] = []
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    async with asyncio.timeout(30), client.stream("GET", url, headers=headers) as response:
        async for place, positions in rows(response):
            found += reversed(positions)
            if place >= until:
                return found
    raise AssertionError("it ended")


async def stones(store: AsyncStore, count: int) -> None:
    for number in range(count):
        await store.append(f"stone-{number % 3}", [RawEvent("stone", {"n": number})])


async def test_between_the_page_and_the_connection_nothing_is_lost_under_load(store: AsyncStore) -> None:
    await stones(store, 5)
    async with served(studio(store)) as (client, _):
        page = (await client.get("/events", headers=HTML)).text
        live = re.search(r'data-live="([^"]+)"', page)
        assert live is not None
        shown = [int(each) for each in re.findall(r'class="row[^"]*" data-position="(\d+)"', page)]
        await stones(store, 40)  # before anybody follows
        writing = asyncio.create_task(stones(store, 400))
        came = await collected(client, live[1].replace("&amp;", "&"), 445)
        await writing
    assert [*reversed(shown), *came] == list(range(1, 446))


async def test_who_connects_again_goes_on_after_what_came_last(store: AsyncStore) -> None:
    await stones(store, 20)
    async with served(studio(store)) as (client, _):
        assert await collected(client, "/events/live?after=0", 20, last=12) == list(range(13, 21))


async def test_filters_hold_for_what_comes_and_the_place_moves_on(store: AsyncStore) -> None:
    async with served(studio(store)) as (client, _):
        following = asyncio.create_task(collected(client, "/events/live?after=0&stream=stone-1", 30))
        await stones(store, 30)
        assert await following == list(range(2, 31, 3))


async def test_a_stream_of_our_own_is_followed_from_where_its_page_was(store: AsyncStore) -> None:
    await store.append("stone-1", [RawEvent("stone", {})])
    for number in range(3):
        await audit(store, "ada", AskFor("x", str(number), "a test", None))
    own = [event.stream async for event in store.read(category="$audit")]
    async with served(studio(store)) as (client, _):
        following = asyncio.create_task(collected(client, f"/events/live?after=1&stream={own[1]}", 3))
        assert await following == [3]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.6):
                await collected(client, f"/events/live?after=3&stream={own[1]}", 3)


async def test_what_a_page_has_shown_does_not_come_again(store: AsyncStore) -> None:
    await stones(store, 4)
    async with served(studio(store)) as (client, _):
        head = (await client.get("/events", headers=JSON)).json()["head"]
        await stones(store, 2)
        assert await collected(client, f"/events/live?after={head}", 6) == [5, 6]


async def test_a_sign_of_life_comes_when_nothing_else_does(store: AsyncStore) -> None:
    async with served(studio(store, heartbeat=0.05)) as (client, _), client.stream("GET", "/events/live") as response:
        lines = response.aiter_lines()
        first = [await anext(lines) for _ in range(5)]
    assert (first, response.headers["content-type"]) == (
        ["retry: 1000", ": following", "", ": beat", ""], "text/event-stream; charset=utf-8",
    )  # fmt: skip


async def test_whoever_may_no_longer_look_is_let_go(store: AsyncStore) -> None:
    known = {"ada": True}

    async def authorize(_: Request) -> Access | None:
        return Access("ada", (Grant("read"),)) if known["ada"] else None

    page = studio(store, authorize=authorize, heartbeat=0.05)
    async with served(page) as (client, _), asyncio.timeout(30), client.stream("GET", "/events/live") as response:
        lines = response.aiter_lines()
        await anext(lines)
        known["ada"] = False
        async for _line in lines:
            pass


async def test_a_server_that_stops_lets_pages_go_and_a_page_that_goes_is_forgotten(store: AsyncStore) -> None:
    page = studio(store)
    async with served(page) as (client, _):
        async with client.stream("GET", "/events/live") as response:
            await anext(response.aiter_lines())
            assert len(page.following) == 1
        async with asyncio.timeout(30):
            while page.following:  # noqa: ASYNC110 - the server hears of it
                await asyncio.sleep(0.01)
        async with client.stream("GET", "/events/live") as response:
            lines = response.aiter_lines()
            await anext(lines)
            await page.close()
            async with asyncio.timeout(30):
                async for _line in lines:
                    pass


async def test_only_so_many_pages_follow_at_once(store: AsyncStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refold.studio.tailing._MOST", 1)
    async with served(studio(store)) as (client, _), client.stream("GET", "/events/live") as response:
        await anext(response.aiter_lines())
        assert (await client.get("/events/live")).status_code == 503
