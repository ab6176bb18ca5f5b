"""The audit as a page: what operators asked for, the newest first, for those who may steer."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request
from tests.studio.conftest import HTML, JSON, Client, Open

from refold import AsyncStore
from refold.http import Access, Grant
from refold.http.auditing import AskFor, audit

ASKED = (
    ("ada", "projections.pause", "notes", "the disk"), ("grace", "dead-letters.retry", "notes key=b-1", "mended"),
    ("ada", "commands.handle", "cart.add cart-1", "by telephone"),
)  # fmt: skip


@pytest.fixture
async def asked(store: AsyncStore) -> AsyncStore:
    for actor, action, subject, reason in ASKED:
        await audit(store, actor, AskFor(action, subject, reason, None))
    return store


async def told(client: Client, query: str = "") -> list[tuple[Any, ...]]:
    found = (await client.get(f"/audit?{query}", headers=JSON)).json()["data"]
    return [(each["actor"], each["action"], each["subject"], each["reason"]) for each in found]


async def test_the_newest_comes_first_and_says_who_asked_for_what_and_why(asked: AsyncStore, client: Client) -> None:
    html = (await client.get("/audit", headers=HTML)).text
    assert await told(client) == list(reversed(ASKED))
    assert all(text in html for row in ASKED for text in row)


async def test_it_is_filtered_by_what_the_url_says(asked: AsyncStore, client: Client) -> None:
    assert await told(client, "actor=ada") == [ASKED[2], ASKED[0]]
    assert await told(client, "action=dead-letters.retry") == [ASKED[1]]
    assert await told(client, "text=TELEPHONE&actor=ada") == [ASKED[2]]
    assert await told(client, "actor=nobody") == []
    assert await told(client, "until=2001-01-01") == []
    assert (await client.get("/audit?until=soon")).status_code == 400


async def test_its_pages_lead_on_and_back(store: AsyncStore, client: Client) -> None:
    for number in range(70):
        await audit(store, "ada", AskFor("projections.pause", f"n-{number}", "a test", None))
    first = (await client.get("/audit", headers=JSON)).json()
    second = (await client.get(f"/audit?before={first['older']}", headers=JSON)).json()
    back = (await client.get(f"/audit?after={second['data'][0]['position']}", headers=JSON)).json()
    subjects = [each["subject"] for page in (first, second) for each in page["data"]]
    assert (subjects, second["older"]) == ([f"n-{number}" for number in reversed(range(70))], None)
    assert back["data"] == first["data"]


async def test_whoever_only_reads_sees_neither_it_nor_a_way_to_it(asked: AsyncStore, opened: Open) -> None:
    async def reader(_: Request) -> Access:
        return Access("bob", (Grant("read"),))

    client = opened(authorize=reader)
    assert (await client.get("/audit", headers=HTML)).status_code == 403
    assert 'href="/audit"' not in (await client.get("/", headers=HTML)).text


async def test_an_entry_that_looks_otherwise_hides_no_others(asked: AsyncStore, client: Client) -> None:
    bad = '"><script>alert(1)</script>'
    await audit(asked, bad, AskFor(bad, bad, bad, bad))
    html = (await client.get("/audit", headers=HTML)).text
    assert await told(client) == [(bad, bad, bad, bad), *reversed(ASKED)]
    assert "<script>alert" not in html
