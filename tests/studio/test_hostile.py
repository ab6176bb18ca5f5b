"""What somebody else has written into a store stays text: in names, types, keys, values, errors, and in the URL."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from tests.studio.conftest import HTML, Client
from tests.studio.test_pages import Elements

from refold import AsyncStore, RawEvent
from refold.messages import Metadata, NewEvent

BAD = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'onmouseover='alert(1)",
    "</title></textarea><svg onload=alert(1)>", "{{ 7 * 7 }}", "{% raw %}", "javascript:alert(1)", "<!--", "]]>",
    "&lt;b&gt;", "%3Cscript%3E", "%2e%2e/%2f", "a/b?c=d#e", "..", "+ +", "\\u003cb>",
)  # fmt: skip


@pytest.fixture
async def poisoned(store: AsyncStore) -> AsyncStore:
    """Each of these in every place where text can stand."""
    for number, bad in enumerate(BAD):
        known = Metadata(bad[:200], None, bad, free={bad: bad})
        data = {bad: bad, "list": [bad, {bad: [bad]}], "text": bad * 3}
        await store.append(f"bad-{bad}", [NewEvent(RawEvent(bad, data), metadata=known, tags=frozenset({bad}))])
        await store.append(f"bad-{bad}", [NewEvent(RawEvent(bad, {bad: number}), metadata=known)])
    return store


def elements(html: str) -> set[tuple[str, tuple[str, ...]]]:
    """Which elements a page has, with the names of their attributes."""
    return {(tag, tuple(sorted(attributes))) for tag, attributes in Elements(html).found}


async def looked_at(client: Client, url: str) -> str:
    answer = await client.get(url, headers=HTML)
    assert answer.status_code == 200, url
    return answer.text


@pytest.mark.parametrize("bad", BAD)
async def test_no_page_gains_an_element_or_an_attribute(poisoned: AsyncStore, client: Client, bad: str) -> None:
    known = Metadata("story", None, "ada", free={"b": "c"})
    for data in ({"a": 1}, {"a": 2, "list": ["x", {"b": ["c"]}]}):
        await poisoned.append("good-1", [NewEvent(RawEvent("good", data), metadata=known, tags=frozenset({"t"}))])
    name, type, story = quote(f"bad-{bad}", safe=""), quote(bad, safe=""), quote(bad, safe="")
    pairs = {
        f"/streams/{name}": "/streams/good-1", f"/streams/{name}?at=1&base=0": "/streams/good-1?at=1&base=0",
        f"/events?stream={name}": "/events?stream=good-1", f"/events?type={type}": "/events?type=good",
        f"/events?text={type}": "/events?text=1", f"/search?q=bad-{type}": "/search?q=good", "/events/1": "/events/33",
    }  # fmt: skip
    if bad != "..":  # which every client takes for the folder above
        pairs |= {f"/traces/{story}": "/traces/story", f"/catalogue/{type}": "/catalogue/good"}
    for evil, good in pairs.items():
        strange = {
            each for each in elements(await looked_at(client, evil)) - elements(await looked_at(client, good))
            if each[0] in {"script", "img", "b", "iframe"} or any(name.startswith("on") for name in each[1])
        }  # fmt: skip
        allowed = {("b", ("class",)), ("b", ())}
        assert strange <= allowed, evil


async def test_names_with_anything_in_them_are_found_by_the_links_that_lead_to_them(
    poisoned: AsyncStore, client: Client
) -> None:
    pages = [Elements(await looked_at(client, url)).links("/") for url in ("/streams", "/events", "/catalogue")]
    links = {link for found in pages for link in found if link.startswith(("/streams/", "/events/", "/events?type"))}
    assert len([link for link in links if link.startswith("/streams/bad")]) >= len(BAD)
    for link in links:
        await looked_at(client, link)


async def test_rows_that_come_live_are_escaped_by_the_same_renderer(poisoned: AsyncStore, client: Client) -> None:
    from refold.studio.rows import html_of, rows_of  # noqa: PLC0415

    events = [event async for event in poisoned.read()]
    names = {"url": lambda *path, **_: "/".join(quote(part, safe="") for part in path), "hue": lambda _: "hue-0"}
    found = Elements(f"<table>{html_of(rows_of(events), names)}</table>").found
    assert {tag for tag, _ in found} == {"table", "tr", "td", "a", "i"}


async def test_the_exported_picture_is_escaped_too(poisoned: AsyncStore, client: Client) -> None:
    for bad in BAD[:5]:
        svg = (await client.get(f"/traces/{quote(bad, safe='')}?format=svg")).text
        assert {tag for tag, _ in Elements(svg).found} <= {
            "svg", "style", "rect", "defs", "marker", "path", "g", "text", "a", "title",
        }  # fmt: skip


@pytest.mark.parametrize(
    "path",
    [
        "/%ff", "/streams/%ff", "/events/%00", "/streams/a-%0a", "/traces/%2f%2f", "/events?before=%ff", "/events?before=-1",
        "/search?q=%00", "//evil.example/", f"/streams/{'x' * 5_000}-1",
    ],
)  # fmt: skip
async def test_strange_paths_are_answered_calmly(poisoned: AsyncStore, client: Client, path: str) -> None:
    answer = await client.get(f"http://shop{path}")
    assert answer.status_code in {200, 400, 404}
