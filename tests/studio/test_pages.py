"""Every page, for people and for programs, at the root and under a prefix."""

from __future__ import annotations

import asyncio
import re
import shutil
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.http.desk import app
from tests.studio.conftest import HTML, JSON, Client, Open, carts, noted, run_through

from refold import AsyncStore, RawEvent
from refold.studio import filters, stored, studio
from refold.studio.pages import STATIC
from refold.testing import ManualClock

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
PAGES = (
    "", "events", "events/1", "events?category=cart&type=cart.item-added&text=b-1", "streams", "streams/cart-c-3",
    "streams/cart-c-3?at=2&base=0", "streams/cart-c-3?at=0", "streams/cart-c-3?valid_at=2025-01-01", "streams/cart-c-3/whatif",
    "streams/cart-c-3/whatif?drop=2", "traces", "projections", "projections/notes", "dead-letters", "processes",
    "processes/reminders", "processes/reminders/c-1", "catalogue", "catalogue/cart.item-added", "commands", "commands/cart.add",
    "search?q=cart", "model", "review", "review/ES001", "statistics", "statistics?span=hour", "audit", "audit?actor=ada&text=x",
)  # fmt: skip


class Elements(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    handle_startendtag = handle_starttag

    def links(self, root: str) -> set[str]:
        """Where its links within the Studio lead."""
        found = [attrs.get(name) for _, attrs in self.found for name in ("href", "src", "action")]
        return {each for each in found if each and not each.startswith("#")} | {root}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with carts, a read model that has dead letters, and a process."""
    file = tmp_path_factory.mktemp("studio") / "full.db"

    async def fill() -> None:
        async with await AsyncStore.open(f"sqlite:///{file}", events=[RawEvent]) as store:
            await carts(store)
            await noted(store, "a [gift]", "more", "else")
            await run_through(store)

    asyncio.run(fill())
    return file


@pytest.fixture
def where(request: pytest.FixtureRequest, where: str, tmp_path: Path) -> str:
    """A copy of the full file for those who ask for it: running everything anew for each of them takes long."""
    if "filled" not in request.fixturenames:
        return where
    return f"sqlite:///{shutil.copy(request.getfixturevalue('full'), tmp_path)}"


@pytest.fixture
def filled(store: AsyncStore) -> AsyncStore:
    return store


@pytest.mark.parametrize("page", PAGES)
async def test_every_page_has_html_and_a_json_twin(filled: AsyncStore, client: Client, page: str) -> None:
    html, json = await client.get(f"/{page}"), await client.get(f"/{page}", headers=JSON)
    assert (html.status_code, json.status_code) == (200, 200)
    assert html.headers["content-type"] == "text/html; charset=utf-8"
    assert (json.headers["content-type"], json.json()["schema"]) == ("application/json", 1)


@pytest.mark.parametrize("page", [*PAGES, "static/studio.js", "nothing", "events/live?after=x"])
async def test_every_answer_forbids_the_browser_all_that_is_not_ours(
    filled: AsyncStore, client: Client, page: str
) -> None:
    headers = (await client.get(f"/{page}")).headers
    assert headers["content-security-policy"] == POLICY
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")


@pytest.mark.parametrize("page", PAGES)
async def test_nothing_in_a_page_needs_what_the_policy_forbids(filled: AsyncStore, client: Client, page: str) -> None:
    for tag, attributes in Elements((await client.get(f"/{page}")).text).found:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
        assert tag != "style"
        assert tag != "script" or attributes == {"type": "module", "src": "/static/studio.js"}


async def test_every_link_leads_to_a_page(filled: AsyncStore, client: Client) -> None:
    """Also the links on the pages that these lead to, until no new ones are found; paging aside, which would never end."""
    seen, left = set[str](), {"/"}
    while left and len(seen) < 400:
        url = left.pop()
        seen.add(url)
        answer = await client.get(url)
        assert answer.status_code == 200, url
        if answer.headers["content-type"].startswith("text/html"):
            found = {
                each
                for each in Elements(answer.text).links("/")
                if not re.search(r"[?&](base|selected|after|before)=", each)
            }
            left |= found - seen
    assert len(seen) > 60


@pytest.mark.parametrize("prefix", ["/tools/studio", "/a b"])
async def test_mounted_under_a_prefix_every_link_stays_below_it(filled: AsyncStore, prefix: str) -> None:
    served = Starlette(routes=[Mount(prefix, studio(filled, app=app, hosts=["shop"]))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://shop", headers=HTML) as client:
        for page in PAGES:
            answer = await client.get(f"{prefix}/{page}")
            links = Elements(answer.text).links(f"{prefix.replace(' ', '%20')}/")
            assert (answer.status_code, {each[: len(prefix.replace(" ", "%20")) + 1] for each in links}) == (
                200, {f"{prefix.replace(' ', '%20')}/"},
            ), page  # fmt: skip


async def test_behind_a_proxy_that_takes_its_prefix_away_pages_are_found_and_links_have_it(filled: AsyncStore) -> None:
    mounted = Starlette(routes=[Mount("/studio", studio(filled, app=app, hosts=["shop"]))])

    async def served(scope: Any, receive: Any, send: Any) -> None:
        await mounted({**scope, "root_path": "/api"}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://shop", headers=HTML) as client:
        answers = [await client.get(f"/studio/{page}") for page in PAGES]
    assert {answer.status_code for answer in answers} == {200}
    links = {each for answer in answers for each in Elements(answer.text).links("/api/studio/")}
    assert {each[:12] for each in links} == {"/api/studio/"}


async def test_the_same_is_told_to_people_and_to_programs(filled: AsyncStore, client: Client) -> None:
    told = (await client.get("/streams/cart-c-3?at=2&base=1", headers=JSON)).json()
    html = (await client.get("/streams/cart-c-3?at=2&base=1")).text
    assert {name: told[name] for name in ("stream", "version", "at", "base", "state", "diff")} == {
        "stream": "cart-c-3", "version": 3, "at": 2, "base": 1, "state": {"items": 3},
        "diff": [{"op": "replace", "path": "/items", "value": 3, "old": 1}],
    }  # fmt: skip
    assert "<del>1</del>" in html
    assert [each["version"] for each in told["history"]] == [1, 2, 3]


async def test_the_format_in_the_url_counts_as_well(filled: AsyncStore, client: Client) -> None:
    assert (await client.get("/events?format=json")).json()["head"] == int(await filled.head())


# Events -----------------------------------------------------------------------


async def positions(client: Client, query: str) -> list[int]:
    return [each["position"] for each in (await client.get(f"/events?{query}", headers=JSON)).json()["data"]]


async def test_filters_are_put_together(filled: AsyncStore, client: Client) -> None:
    assert await positions(client, "stream=cart-c-3&text=b-2") == [5]
    assert await positions(client, "type=cart.item-added&category=cart&text=B-3") == [6]
    assert await positions(client, "stream=cart-c-3&type=cart.noted") == []
    assert await positions(client, "category=other") == []


async def test_pages_lead_on_and_back_and_no_event_is_missed(store: AsyncStore, client: Client) -> None:
    for start in range(0, 250, 50):
        await store.append("stone-1", [RawEvent("stone", {"n": n}) for n in range(start, start + 50)])
    seen, query = list[int](), ""
    while True:
        told = (await client.get(f"/events?{query}", headers=JSON)).json()
        seen += [each["position"] for each in told["data"]]
        if told["older"] is None:
            break
        query = f"before={told['older']}"
    assert seen == list(range(250, 0, -1))
    back = (await client.get(f"/events?after={seen[-1] + 9}", headers=JSON)).json()
    assert [each["position"] for each in back["data"]] == list(range(70, 10, -1))
    assert (back["older"], back["newer"]) == (11, 70)


async def test_a_page_ends_early_where_events_are_large(
    store: AsyncStore, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = store.context(correlation_id="long")
    for number in range(7):
        await told.append("stone-1", [RawEvent("stone", {"number": number, "text": "x" * 1_000})])
    for room in (filters, stored):
        monkeypatch.setattr(room, "SIZE", 2_000)
    pages, url = [], "/events"
    while url:
        told_page = (await client.get(url, headers=JSON)).json()
        pages.append([each["data"]["number"] for each in told_page["data"]])
        url = f"/events?before={told_page['older']}" if told_page["older"] else ""
    story = (await client.get("/traces/long", headers=JSON)).json()
    assert pages == [[6, 5], [4, 3], [2, 1], [0]]
    assert ([each["data"]["number"] for each in story["data"]], story["cut"]) == ([0, 1], True)


async def test_a_page_after_the_newest_event_is_the_newest_page(filled: AsyncStore, client: Client) -> None:
    assert await positions(client, f"after={int(await filled.head()) - 2}") == await positions(client, "")


async def test_one_jumps_to_a_date(opened: Open) -> None:
    clock = ManualClock(datetime(2025, 1, 1, tzinfo=UTC))
    async with await AsyncStore.open("memory://", events=[RawEvent], clock=clock) as store:
        for _ in range(5):
            await store.append("stone-1", [RawEvent("stone", {})])
            clock.move(timedelta(days=1))
        served = studio(store, hosts=["shop"])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://shop") as client:
            assert await positions(client, "until=2025-01-03T00:00:00") == [3, 2, 1]
            assert await positions(client, "since=2025-01-03&until=2025-01-04") == [4, 3]
            assert (await client.get("/events?until=soon")).status_code == 400


async def test_an_event_is_found_by_its_position_and_its_id(filled: AsyncStore, client: Client) -> None:
    one = (await client.get("/events/2", headers=JSON)).json()["data"]
    same = (await client.get(f"/events/{one['id']}", headers=JSON)).json()["data"]
    assert (one, one["stream"]) == (same, "cart-c-2")
    for wrong in ("0", "999999", str(UUID(int=5)), "x", "1" * 30):
        assert (await client.get(f"/events/{wrong}")).status_code == 404


async def test_a_search_that_takes_long_says_where_to_go_on(
    store: AsyncStore, client: Client, monkeypatch: Any
) -> None:
    for _ in range(2):
        await store.append("stone-1", [RawEvent("stone", {"n": n}) for n in range(1_000)])
    monkeypatch.setattr("refold.studio.filters._BUDGET", 0.0)
    told = (await client.get("/events?text=nowhere", headers=JSON)).json()
    html = (await client.get("/events?text=nowhere")).text
    assert (told["data"], told["paused"], told["older"]) == ([], True, 2_000)
    assert "Search on" in html


# Time travel ------------------------------------------------------------------


async def test_a_version_that_is_not_there_is_told(filled: AsyncStore, client: Client) -> None:
    answers = [
        await client.get(f"/streams/{path}") for path in ("cart-none", "cart-c-1?at=9", "cart-c-1?at=x", "nodash")
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 400, 400]
    assert "is at version 1" in answers[1].text


async def test_a_long_history_is_listed_around_the_version(store: AsyncStore, client: Client) -> None:
    await store.append("stone-1", [RawEvent("stone", {"n": n}) for n in range(1_000)])
    told = (await client.get("/streams/stone-1?at=500", headers=JSON)).json()
    html = (await client.get("/streams/stone-1?at=500")).text
    assert [told["history"][0]["version"], told["history"][-1]["version"], told["state"]] == [401, 600, {"n": 499}]
    assert ("400 earlier events" in html, "400 later events" in html) == (True, True)


async def test_a_large_state_is_cut_and_shown_whole_on_demand(store: AsyncStore, client: Client) -> None:
    await store.append("stone-1", [RawEvent("stone", {f"k{n}": n for n in range(2_500)})])
    cut, whole = (await client.get("/streams/stone-1")).text, (await client.get("/streams/stone-1?whole=1")).text
    assert (cut.count('<div class="line'), whole.count('<div class="line')) == (2_000, 2_502)


async def test_how_the_world_was_then_is_told(store: AsyncStore, client: Client) -> None:
    then = datetime(2024, 1, 1, tzinfo=UTC)
    await store.context(valid_at=then).append("stone-1", [RawEvent("stone", {"n": 1})])
    await store.append("stone-1", [RawEvent("stone", {"n": 2})])
    told = [
        (await client.get(f"/streams/stone-1{q}", headers=JSON)).json()["state"] for q in ("", "?valid_at=2024-06-01")
    ]
    assert told == [{"n": 2}, {"n": 1}]


async def test_an_event_that_no_class_can_read_hides_neither_itself_nor_the_others(
    store: AsyncStore, client: Client
) -> None:
    await carts(store, fill=2)
    await store.append("cart-c-2", [RawEvent("cart.item-added", {"sku": 7})])
    await client.get("/streams/cart-c-1")  # from now on the classes of the fold are known
    told = (await client.get("/streams/cart-c-2?at=3", headers=JSON)).json()
    html = (await client.get("/streams/cart-c-2?at=3")).text
    before = (await client.get("/streams/cart-c-2?at=2", headers=JSON)).json()
    assert ((await client.get("/events")).status_code, await positions(client, "")) == (200, [4, 3, 2, 1])
    assert (told["state"], told["problem"].startswith("UndecodableEvent"), len(told["history"])) == (None, True, 3)
    assert ("The state cannot be told" in html, before["state"]) == (True, {"items": 3})


async def whatif(client: Client, query: str) -> dict[str, Any]:
    told: dict[str, Any] = (await client.get(f"/streams/cart-c-3/whatif?{query}", headers=JSON)).json()
    return told


async def test_what_would_be_is_told_and_nothing_is_written(filled: AsyncStore, client: Client) -> None:
    before = int(await filled.head())
    dropped, replaced = (
        await whatif(client, "drop=3&drop=2"),
        await whatif(client, 'replace=1&data={"sku":"b","qty":5}'),
    )
    html = (await client.get("/streams/cart-c-3/whatif?drop=3")).text
    assert [(each["actual"], each["hypothetical"]) for each in (dropped, replaced)] == [
        ({"items": 6}, {"items": 1}), ({"items": 6}, {"items": 10}),
    ]  # fmt: skip
    assert [(each["version"], each["edited"], each["instead"]) for each in dropped["steps"]] == [
        (2, True, []),
        (3, True, []),
    ]
    assert ("<del>6</del>" in html, int(await filled.head())) == (True, before)


@pytest.mark.parametrize(
    "query", ["drop=9", "replace=9&data={}", "replace=1&data=x", "replace=1&data=[]", 'replace=1&data={"x":1}']
)
async def test_what_cannot_be_is_told_on_the_page(filled: AsyncStore, client: Client, query: str) -> None:
    told = await whatif(client, query)
    assert (told["problem"] != "", told["hypothetical"]) == (True, None)
    assert (await client.get("/streams/cart-c-3/whatif?drop=x")).status_code == 400


# Traces -----------------------------------------------------------------------


async def test_a_story_is_found_by_an_event_of_it_and_exported_as_a_picture(filled: AsyncStore, client: Client) -> None:
    event = (await client.get("/events/1", headers=JSON)).json()["data"]
    story = event["metadata"]["correlation_id"]
    one, same = [(await client.get(f"/traces/{name}", headers=JSON)).json() for name in (story, event["id"])]
    svg = await client.get(f"/traces/{story}?format=svg")
    assert (one["story"], one["data"]) == (same["story"], same["data"])
    assert (svg.headers["content-type"], svg.text.startswith("<svg")) == ("image/svg+xml", True)
    assert (await client.get("/traces/unheard")).status_code == 404


# The rest ---------------------------------------------------------------------


async def test_what_needs_a_look_is_counted_in_the_navigation(filled: AsyncStore, client: Client) -> None:
    html = (await client.get("/")).text
    assert re.search(r'<span>Dead letters</span><b class="badge bad">2</b>', html)


async def test_the_palette_finds_streams_types_positions_and_stories(filled: AsyncStore, client: Client) -> None:
    story = (await client.get("/events/1", headers=JSON)).json()["data"]["metadata"]["correlation_id"]
    found = {
        q: (await client.get("/search", params={"q": q}, headers=JSON)).json()["data"]
        for q in ("cart-c", "noted", "#1", story)
    }
    assert [each["title"] for each in found["cart-c"]] == ["cart-c-1", "cart-c-2", "cart-c-3"]
    assert [(each["title"], each["url"]) for each in found["noted"]] == [("cart.noted", "/events?type=cart.noted")]
    assert [each["url"] for each in found["#1"]] == ["/events/1"]
    assert [each["url"] for each in found[story]][-1] == f"/traces/{story}"


async def test_files_of_ours_are_asked_for_again_only_when_they_changed(client: Client) -> None:
    for name in STATIC:
        first = await client.get(f"/static/{name}")
        again = await client.get(f"/static/{name}", headers={"If-None-Match": first.headers["etag"]})
        assert (first.status_code, first.content, again.status_code) == (200, STATIC[name], 304)
    assert (await client.get("/static/../__init__.py")).status_code == 404


async def test_no_page_asks_for_anything_from_elsewhere() -> None:
    for name, content in STATIC.items():
        text = content.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z]+\.|@import|url\(", text), name


async def test_a_store_without_events_has_every_page_too(client: Client) -> None:
    for page in (
        "",
        "events",
        "streams",
        "traces",
        "projections",
        "dead-letters",
        "processes",
        "catalogue",
        "commands",
        "search",
    ):
        assert (await client.get(f"/{page}")).status_code == 200, page


async def test_a_store_without_sql_has_every_page_too() -> None:
    async with await AsyncStore.open("memory://", events=[RawEvent]) as store:
        await carts(store)
        served = studio(store, app=app, hosts=["shop"])
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(served), base_url="http://shop", headers=HTML
        ) as client:
            for page in (
                "",
                "events",
                "streams/cart-c-2",
                "traces",
                "projections",
                "dead-letters",
                "processes",
                "catalogue",
            ):
                assert (await client.get(f"/{page}")).status_code == 200, page


async def test_a_store_that_fails_is_told_in_words(store: AsyncStore, client: Client) -> None:
    await store.close()
    person, program = await client.get("/events"), await client.get("/events", headers=JSON)
    assert (person.status_code, person.headers["content-type"], "Store closed" in person.text) == (
        503, "text/plain; charset=utf-8", True,
    )  # fmt: skip
    assert (program.status_code, program.json()["type"]) == (503, "urn:refold:problem:store-closed")


async def test_without_an_application_data_are_merged_and_types_are_those_stored(
    filled: AsyncStore, opened: Open
) -> None:
    client = opened(app=None)
    told = (await client.get("/streams/cart-c-2", headers=JSON)).json()
    types = (await client.get("/catalogue", headers=JSON)).json()["data"]
    assert told["state"] == {"sku": "b-2", "qty": 2}
    assert [(each["name"], each["version"], each["events"]) for each in types][:1] == [("cart.item-added", None, 6)]
