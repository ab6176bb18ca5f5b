"""The event model and the review as pages: drawn within the policy, with links that lead on, and as files."""

from __future__ import annotations

import pytest
from tests.studio.conftest import HTML, JSON, Client, Open
from tests.studio.test_pages import Elements

from refold import App, Fold, event
from refold.architect.rules.catalogue import ELSEWHERE, RULES

BAD = '"><script>alert(1)</script>'


@event(BAD)
class Bad:
    """With a name that wants to be more."""

    tags: list[str]


def evolve(count: int, _: Bad) -> int:
    return count + 1


bad = App(Fold(BAD, initial=int, evolve=evolve))


async def test_cards_lead_to_types_and_commands(client: Client) -> None:
    links = Elements((await client.get("/model")).text).links("/")
    assert {"/commands/cart.add", "/catalogue/cart.item-added", "/static/diagram.css"} <= links


async def test_the_catalogue_and_the_palette_lead_to_it(client: Client) -> None:
    found = (await client.get("/search?q=model", headers=JSON)).json()["data"]
    assert [(each["title"], each["url"]) for each in found] == [("Event model", "/model")]
    assert "Event model →" in (await client.get("/catalogue", headers=HTML)).text


async def test_it_is_a_file_too(client: Client) -> None:
    svg, text, other = [await client.get(f"/model?format={kind}") for kind in ("svg", "mermaid", "x")]
    assert (svg.headers["content-type"], svg.text.startswith("<svg"), "<style>" in svg.text) == (
        "image/svg+xml",
        True,
        True,
    )
    assert (text.text.startswith("flowchart LR"), other.status_code) == (True, 400)
    assert "attachment" in svg.headers["content-disposition"]


async def test_without_an_application_there_is_a_word_in_its_place(opened: Open) -> None:
    client = opened(app=None)
    for page in ("model", "review"):
        assert "--app module:app" in (await client.get(f"/{page}", headers=HTML)).text


@pytest.mark.parametrize("page", ["model", "review", "review/ES002", "catalogue"])
async def test_names_of_an_application_stay_text(opened: Open, page: str) -> None:
    answer = await opened(app=bad).get(f"/{page}", headers=HTML)
    scripts = [attributes for tag, attributes in Elements(answer.text).found if tag == "script"]
    assert (answer.status_code, scripts) == (200, [{"type": "module", "src": "/static/studio.js"}])


async def test_findings_are_told_with_their_rules_and_each_rule_has_a_page(opened: Open) -> None:
    client = opened(app=bad)
    found = (await client.get("/review", headers=JSON)).json()["data"]
    html = (await client.get("/review", headers=HTML)).text
    own = [each for each in found if each["rule"] == "ES002"]
    assert (len(own), own[0]["tier"], 'href="/review/ES002"' in html) == (1, "fact", True)
    assert (await client.get("/review/ES002", headers=JSON)).json()["data"] == own
    for name in RULES:
        assert (await client.get(f"/review/{name}", headers=HTML)).status_code == 200, name
    for name in (*ELSEWHERE, "ES999", "x"):
        assert (await client.get(f"/review/{name}", headers=HTML)).status_code == 404, name
