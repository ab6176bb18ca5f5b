"""Reading over HTTP: pages, cursors, lines, tags, states, and what there is."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.http.conftest import Client, Serve, added, stone

from refold import App, AsyncStore, Fold, Personal, RawEvent, event
from refold.http import Quotas, anyone, api, reading


@pytest.fixture
async def stones(client: Client) -> Client:
    """Seven stones in two streams and a cart: positions 1 to 8."""
    for number in range(1, 8):
        await client.post(f"/streams/stone-{number % 2}", json={"events": [stone(number)]})
    await client.post("/streams/cart-1", json={"events": [added("b-1", 3)]})
    return client


def places(page: Any) -> list[int]:
    return [each["position"] for each in page.json()["data"]]


async def walk(client: Client, path: str) -> list[list[int]]:
    """The pages, by following the links."""
    pages, url = [], path
    while True:
        page = await client.get(url)
        pages.append(places(page))
        found = re.fullmatch(r"<(.+)>; rel=\"next\"", page.headers.get("link", ""))
        assert (found is None) == (page.json()["next"] is None)
        if found is None:
            return pages
        url = path.partition("?")[0] + found[1]


@pytest.mark.parametrize(
    ("path", "pages"),
    [
        ("/events?limit=3", [[1, 2, 3], [4, 5, 6], [7, 8]]),
        ("/events?limit=8", [[1, 2, 3, 4, 5, 6, 7, 8]]),
        ("/events?limit=3&direction=backward", [[8, 7, 6], [5, 4, 3], [2, 1]]),
        ("/events?category=stone&limit=4", [[1, 2, 3, 4], [5, 6, 7]]),
        ("/events?category=nothing", [[]]),
        ("/events?type=cart.item-added&type=other", [[8]]),
        ("/events?tag=sku:b-1", [[8]]),
        ('/events?query={"items":[{"types":["stone"]},{"tags":["sku:b-1"]}]}&after=5', [[6, 7, 8]]),
        ("/streams/stone-1?limit=3", [[1, 3, 5], [7]]),
        ("/streams/stone-1?after=1&limit=2", [[3, 5], [7]]),
        ("/streams/stone-1?direction=backward&limit=3", [[7, 5, 3], [1]]),
        ("/events?since=2100-01-01T00:00:00Z", [[]]),
        ("/events?since=2100-01-01", [[]]),
        ("/events?since=2020-01-01&until=2100-01-01T12:00&limit=100", [[1, 2, 3, 4, 5, 6, 7, 8]]),
        ("/events?until=2100-01-01T00:00:00Z&limit=100", [[1, 2, 3, 4, 5, 6, 7, 8]]),
    ],
)
async def test_pages_lead_through_all_that_is_selected(stones: Client, path: str, pages: list[list[int]]) -> None:
    assert await walk(stones, path) == pages


async def test_a_page_holds_no_more_than_the_server_gives(serve: Serve, stones: Client) -> None:
    small = serve(quotas=Quotas(page=2))
    assert places(await small.get("/events?limit=1000")) == [1, 2]


async def test_as_lines_all_of_it_comes(serve: Serve, stones: Client) -> None:
    small = serve(quotas=Quotas(page=2))
    lines = await small.get("/events?category=stone", headers={"Accept": "application/x-ndjson"})
    assert [json.loads(line)["position"] for line in lines.text.splitlines()] == [1, 2, 3, 4, 5, 6, 7]


async def test_what_nobody_offers_is_not_acceptable(stones: Client) -> None:
    assert (await stones.get("/events", headers={"Accept": "text/html"})).status_code == 406
    liked = await stones.get("/events", headers={"Accept": "application/x-ndjson;q=0.5, application/*;q=0.9"})
    assert liked.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/streams/stone-1", "/streams/stone-1/state"])
async def test_the_tag_of_an_answer_holds_as_long_as_it_would_be_the_same(stones: Client, path: str) -> None:
    first = await stones.get(path)
    tag = {"If-None-Match": first.headers["etag"]}
    same = await stones.get(path, headers=tag)
    await stones.post("/streams/stone-1", json={"events": [stone(8)]})
    new = await stones.get(path, headers=tag)
    assert [(each.status_code, bool(each.content)) for each in (first, same, new)] == [
        (200, True), (304, False), (200, True),
    ]  # fmt: skip
    assert [re.sub("-[0-9a-f]{32}", "-*", each.headers["etag"]) for each in (first, new)] == ['"4-*"', '"5-*"']
    assert same.headers["etag"] == first.headers["etag"]


async def test_the_tag_of_one_answer_is_that_of_no_other(serve: Serve, stones: Client) -> None:
    told = [
        await stones.get(path, headers={"Accept": kind})
        for path in ("/streams/stone-1", "/streams/stone-1?limit=2", "/streams/stone-1/state")
        for kind in (("application/json", "application/cloudevents-batch+json") if "state" not in path else ("*/*",))
    ]
    lines = await stones.get("/streams/stone-1", headers={"Accept": "application/x-ndjson", "If-None-Match": '"4"'})
    refolded = await serve(app=App(_count)).get("/streams/stone-1/state")
    every = [*told, lines, refolded]
    assert len({each.headers["etag"] for each in every}) == len(every) == 7
    assert (lines.status_code, lines.headers["etag"]) == (200, '"4"')
    assert {each.headers["cache-control"] for each in every} == {"no-store"}
    assert {each.headers["vary"] for each in every} == {"Authorization, Accept"}


def _counted(count: int, _: RawEvent) -> int:
    return count + 1


_count = Fold("stone", initial=int, evolve=_counted)


async def test_what_somebody_said_who_is_forgotten_is_not_revalidated(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db?keys=sqlite:///{tmp_path}/keys.db"
    async with await AsyncStore.open(url, events=[RawEvent, Named]) as store:
        await store.append("person-1", [Named("1", "Ada")])
        transport = httpx.ASGITransport(api(store, app=App(_person), authorize=anyone))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            paths = "/streams/person-1", "/streams/person-1/state"
            before = [await client.get(path) for path in paths]
            await store.forget("1")
            tags = [{"If-None-Match": each.headers["etag"]} for each in before]
            after = [await client.get(path, headers=tag) for path, tag in zip(paths, tags, strict=True)]
    assert [("Ada" in each.text, each.status_code) for each in before] == [(True, 200)] * 2
    assert [("Ada" in each.text, each.status_code) for each in after] == [(False, 200)] * 2


@event("person.named", subject=lambda told: told.id)
@dataclass(frozen=True)
class Named:
    id: str
    name: Personal[str]


def _called(_: str | None, named: Named) -> str | None:
    return named.name


_person = Fold("person", initial=lambda: None, evolve=_called)


async def test_the_tag_of_an_answer_is_what_a_writer_expects(stones: Client) -> None:
    tags = [(await stones.get(path)).headers["etag"] for path in ("/streams/stone-1", "/streams/stone-1/state")]
    given = [tags[0], '"5"', tags[1]]
    done = [
        await stones.post("/streams/stone-1", json={"events": [stone(8)]}, headers={"If-Match": tag}) for tag in given
    ]
    assert [each.status_code for each in done] == [201, 201, 412]


async def test_a_page_ends_early_where_events_are_large(stones: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [len(json.dumps(each)) for each in (await stones.get("/events")).json()["data"]]
    monkeypatch.setattr(reading, "_PAGE", sum(sizes[:2]))
    assert await walk(stones, "/events") == [[1, 2, 3], [4, 5, 6], [7, 8]]
    assert await walk(stones, "/events?direction=backward&limit=2") == [[8, 7], [6, 5], [4, 3], [2, 1]]
    batch = await stones.get("/events", headers={"Accept": "application/cloudevents-batch+json"})
    assert len(batch.json()) == 3


async def test_lines_are_sent_as_soon_as_they_have_many_bytes(
    store: AsyncStore, stones: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [len(json.dumps(each)) for each in (await stones.get("/events")).json()["data"]]
    monkeypatch.setattr(reading, "_CHUNK", sum(sizes[:2]))
    chunks = [chunk async for chunk in reading._lines(store.read())]
    places = [[json.loads(line)["position"] for line in chunk.splitlines()] for chunk in chunks]
    assert places == [[1, 2, 3], [4, 5, 6], [7, 8]]


async def test_an_answer_line_by_line_counts_as_a_subscription(serve: Serve, stones: Client) -> None:
    none = serve(quotas=Quotas(subscriptions=0))
    told = [
        await none.request(method, "/events", headers={"Accept": "application/x-ndjson"}) for method in ("GET", "HEAD")
    ]
    assert [each.status_code for each in told] == [429, 200]


async def test_one_event_is_found_by_its_position_and_by_its_id(stones: Client) -> None:
    by_place = (await stones.get("/events/3")).json()
    by_id = (await stones.get(f"/events/{by_place['id']}")).json()
    missing = [(await stones.get(f"/events/{each}")).status_code for each in ("9", "0", "x", "9" * 30)]
    assert (by_id, by_place["data"], missing) == (by_place, {"number": 3}, [404, 404, 404, 404])


@pytest.mark.parametrize(
    ("query", "version", "state"),
    [
        ("", 2, {"items": 5}),
        ("?at=1", 1, {"items": 3}),
        ("?at=%238", 1, {"items": 3}),
        ("?at=2000-01-01", 0, {"items": 0}),
        ("?at=2100-01-01T00:00Z", 2, {"items": 5}),
        ("?valid_at=2100-01-01T00:00:00Z", 2, {"items": 5}),
        ("?valid_at=2000-01-01", 0, {"items": 0}),
    ],
)
async def test_a_state_is_folded_as_of_then(stones: Client, query: str, version: int, state: dict[str, int]) -> None:
    await stones.post("/streams/cart-1", json={"events": [added("b-2", 2)]})
    told = (await stones.get(f"/streams/cart-1/state{query}")).json()
    assert (told["version"], told["state"]) == (version, state)


async def test_a_state_without_a_fold_is_the_data_merged(stones: Client) -> None:
    told = (await stones.get("/streams/stone-1/state")).json()
    assert told == {"stream": "stone-1", "version": 4, "position": 7, "state": {"number": 7}}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/streams/cart-9", 404), ("/streams/cart-9/state", 404), ("/streams/cart-1/state?at=9", 404),
        ("/streams/cart-1/state?at=soon", 400), ("/events?limit=0", 400), ("/events?limit=x", 400), ("/events?limit=null", 400),
        ("/events?after=-1", 400),
        ("/events?colour=red", 400), ("/events?limit=1&limit=2", 400), ("/events?query={", 400), ("/events?query=[]", 400),
        ('/events?query={"items":[{}]}', 400), ("/events?category=a&type=b", 400), ("/head?x=1", 400), ("/streams/%FF", 400),
        ("/nothing", 404), ("/", 404),
    ],
)  # fmt: skip
async def test_what_cannot_be_asked_is_told(stones: Client, path: str, status: int) -> None:
    done = await stones.get(path)
    assert (done.status_code, done.headers["content-type"]) == (status, "application/problem+json"), done.text


@pytest.mark.parametrize(
    ("parameter", "says"),
    [
        (
            "query=xyz",
            (
                "parameter 'query' is not JSON: Expecting value: line 1 column 1 (char 0). "
                'Write {"items": [{"types": [...], "tags": [...]}]}.'
            ),
        ),
        ("direction=sideways", "parameter 'direction' is 'sideways': it may be backward, forward."),
        ("since=soon", "a parameter does not fit: Invalid RFC3339 encoded datetime - at `$.since`."),
    ],
)  # fmt: skip
async def test_a_parameter_that_cannot_be_is_told_with_those_that_can(
    client: Client, parameter: str, says: str
) -> None:
    done = await client.get(f"/events?{parameter}")
    assert (done.status_code, done.json()["detail"]) == (400, says)


async def test_streams_are_listed_by_name(stones: Client) -> None:
    first = (await stones.get("/streams?limit=2")).json()
    rest = (await stones.get(f"/streams?limit=2&after={first['next']}")).json()
    some = (await stones.get("/streams?prefix=stone")).json()
    names = [[each["stream"] for each in page["data"]] for page in (first, rest, some)]
    assert (names, rest["next"]) == ([["cart-1", "stone-0"], ["stone-1"], ["stone-0", "stone-1"]], None)


async def test_the_store_as_a_whole_is_told(stones: Client, store: AsyncStore) -> None:
    stats = (await stones.get("/stats")).json()
    assert (await stones.get("/head")).json() == {"position": 8}
    assert (stats["events"], stats["categories"], stats["durability"]) == (8, {"cart": 1, "stone": 7}, store.durability)


async def test_head_has_no_body_and_other_methods_are_told(stones: Client) -> None:
    head, put = await stones.head("/streams/stone-1"), await stones.put("/streams/stone-1")
    assert (head.status_code, head.content, head.headers["etag"][:3]) == (200, b"", '"4-')
    assert (put.status_code, put.headers["allow"]) == (405, "GET, HEAD, POST")


async def test_it_is_mounted_under_a_prefix(store: AsyncStore) -> None:
    import httpx  # noqa: PLC0415
    from starlette.applications import Starlette  # noqa: PLC0415
    from starlette.routing import Mount  # noqa: PLC0415

    from refold.http import anyone, api  # noqa: PLC0415

    outer = Starlette(routes=[Mount("/shop/api", app=api(store, authorize=anyone))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://x") as client:
        done = await client.post("/shop/api/streams/stone-a%2Fb", json={"events": [stone(1)]})
        read = await client.get("/shop/api/streams/stone-a%2Fb")
    assert (done.status_code, read.json()["data"][0]["stream"]) == (201, "stone-a/b")
