"""Who is let in, from where, and to what: the host, the origin, the one-time link, roles, and a page for reading only."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from tests.http.desk import app
from tests.studio.conftest import HTML, JSON, Client, Open, carts

from refold import AsyncStore
from refold.http import Access, Grant
from refold.studio import studio
from refold.studio.application import ROUTES
from refold.studio.guarding import HEADERS
from refold.studio.sessions import OneTime

SAME = {"Origin": "http://shop"}
NULL = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("shop", 200),
        ("shop:8140", 200),
        ("evil.example", 421),
        ("127.0.0.1", 421),
        ("", 421),
        ("[shop", 421),
        ("shop.evil", 421),
    ],
)
async def test_only_the_names_that_are_ours_are_answered(client: Client, host: str, status: int) -> None:
    assert (await client.get("/", headers={"Host": host})).status_code == status


async def test_without_hosts_only_this_machine_is_answered(store: AsyncStore) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(studio(store)), base_url="http://127.0.0.1:1") as client:
        answers = [
            (await client.get("/", headers={"Host": host})).status_code for host in ("localhost:1", "[::1]:1", "shop")
        ]
    assert answers == [200, 200, 421]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200), (SAME, 200), (NULL, 200), ({"Origin": "null"}, 403), ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://shop.evil"}, 403), ({"Origin": "http://["}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)  # fmt: skip
async def test_pages_of_other_origins_may_not_ask(client: Client, headers: Mapping[str, str], status: int) -> None:
    assert (await client.get("/", headers=headers)).status_code == status


async def test_a_link_lets_one_browser_in_once(store: AsyncStore) -> None:
    locked = OneTime(studio(store, hosts=["shop"]), "cookie")
    token = locked.token
    transport = httpx.ASGITransport(locked)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://shop") as one,
        httpx.AsyncClient(transport=transport, base_url="http://shop") as other,
    ):
        shut = [
            (await one.get(path)).status_code
            for path in ("/", "/?token=wrong", "/?token=ä", "/events", "/static/studio.css")
        ]
        opened = await one.get(f"/?token={token}")
        inside, late = await one.get("/"), await other.get(f"/?token={token}")
    assert shut == [401] * 5
    assert (opened.status_code, opened.headers["location"], inside.status_code, late.status_code) == (
        303,
        "/",
        200,
        401,
    )
    assert {"HttpOnly", "SameSite=strict"} <= {part.strip() for part in opened.headers["set-cookie"].split(";")}
    assert all(late.headers[name] == value for name, value in HEADERS.items())
    assert (locked.token, token in str(opened.headers)) == ("", False)


def access(*grants: str) -> Access:
    return Access("ada", tuple(Grant.parse(each) for each in grants))


@pytest.mark.parametrize(
    ("given", "page", "act"),
    [
        (None, 401, 401), (access(), 403, 403), (access("read:cart"), 403, 403), (access("read"), 200, 403),
        (access("read", "append"), 200, 403), (access("read", "admin"), 200, 404),
    ],
)  # fmt: skip
async def test_to_look_takes_read_and_to_steer_takes_the_role_of_an_operator(
    opened: Open, given: Access | None, page: int, act: int
) -> None:
    async def authorize(_: Request) -> Access | None:
        return given

    client = opened(authorize=authorize, read_only=False)
    asked = {"reason": "a test", "confirm": "yes"}
    answers = await client.get("/events"), await client.post("/projections/none/pause", data=asked, headers=SAME)
    assert [answer.status_code for answer in answers] == [page, act]


async def test_streams_of_our_own_are_for_operators(store: AsyncStore, opened: Open) -> None:
    async def reader(_: Request) -> Access:
        return access("read")

    await carts(store, fill=1)
    from tests.studio.conftest import run_through  # noqa: PLC0415

    await run_through(store)
    client = opened(authorize=reader)
    paths = (
        "/streams/$process.reminders-c-1",
        "/events?category=$process.reminders",
        "/processes/reminders/c-1",
    )
    assert [(await client.get(path)).status_code for path in paths] == [403] * 3
    assert [(await client.get(path)).status_code for path in ("/events/2", "/streams/cart-c-1")] == [404, 200]


async def test_events_of_our_own_are_for_operators_whatever_they_are_found_by(store: AsyncStore, opened: Open) -> None:
    async def reader(_: Request) -> Access:
        return access("read")

    await carts(store, fill=1)
    from tests.studio.conftest import run_through  # noqa: PLC0415

    await run_through(store)
    own = [event async for event in store.read(category="$process.reminders")]
    clients = opened(authorize=reader), opened()
    for type in {event.type for event in own}:
        paths = f"/events?type={type}", f"/events?type={type}&text=c"
        told = [[(await client.get(path, headers=JSON)).json()["data"] for path in paths] for client in clients]
        assert (told[0], [bool(found) for found in told[1]]) == ([[], []], [True, True]), type
    stories = [
        (await client.get(f"/traces/{own[0].metadata.correlation_id}", headers=JSON)).json() for client in clients
    ]
    streams = [{event["stream"].partition("-")[0] for event in story["data"]} for story in stories]
    assert streams == [{"cart"}, {"cart", "$process.reminders"}]


async def test_events_of_our_own_do_not_come_live_but_to_operators(store: AsyncStore) -> None:
    frames = [await _live(store, access(*grants)) for grants in (("read",), ("read", "admin"))]
    assert ["stone.late" in frame for frame in frames] == [False, True]


async def _live(store: AsyncStore, who: Access) -> str:
    """What comes of a page that follows a type, one event of which stands in a journal."""
    from tests.http.test_visible import JOURNAL, NoteLate  # noqa: PLC0415

    async def authorize(_: Request) -> Access:
        return who

    await store.bind(JOURNAL).handle(who.name, NoteLate(1))
    page = studio(store, authorize=authorize, hosts=["shop"], heartbeat=0.05)
    scope = {
        "type": "http", "method": "GET", "path": "/events/live", "raw_path": b"/events/live", "root_path": "",
        "query_string": b"type=stone.late", "headers": [(b"host", b"shop")], "client": None,
    }  # fmt: skip
    came: list[bytes] = []

    async def send(message: Any) -> None:
        came.append(message.get("body", b""))
        if b"stone.late" in came[-1] or b": beat" in came[-1]:
            await page.close()

    async def receive() -> Any:
        await asyncio.Event().wait()

    await page(scope, receive, send)
    return b"".join(came).decode()


WRITES = [route for route in ROUTES if route.writes]


def test_whatever_is_posted_but_a_form_to_try_out_writes() -> None:
    assert {route.path for route in ROUTES if route.method == "POST"} - {route.path for route in WRITES} == {
        "/commands/{name}"
    }


@pytest.mark.parametrize("route", WRITES, ids=lambda route: f"{route.method} {route.path}")
async def test_a_studio_for_reading_only_does_nothing_else(store: AsyncStore, client: Client, route: object) -> None:
    path = str(getattr(route, "path", "")).replace("{position}", "1").replace("{", "").replace("}", "")
    method = str(getattr(route, "method", ""))
    asked = {"reason": "a test", "confirm": "yes"}
    answer = await client.request(method, path, data=asked if method == "POST" else None, headers={**SAME, **JSON})
    assert (answer.status_code, answer.json()["type"], int(await store.head())) == (
        403,
        "urn:refold:problem:read-only",
        0,
    )


async def test_a_command_is_not_appended_where_all_is_for_reading(store: AsyncStore, client: Client) -> None:
    form = {"id": "c-1", "field.sku": "b-1", "field.qty": "2", "do": "append", "reason": "a test", "confirm": "yes"}
    answer = await client.post("/commands/cart.add", data=form, headers={**SAME, **HTML})
    assert (answer.status_code, int(await store.head())) == (403, 0)


async def test_other_methods_are_refused_and_say_which_work(client: Client) -> None:
    answer = await client.delete("/events")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


async def test_the_application_is_the_one_of_the_tests(opened: Open) -> None:
    assert (await opened(app=app).get("/commands", headers=JSON)).json()["data"][0]["command"] == "cart.add"
