"""The documentation is a site: it builds without a warning, each page can be found, and nothing comes from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.docs.pages import ROOT
from tests.docs.site import SITE, Nav, build, navigation, page, settings

DOCS = ROOT / "docs"
LOADED = re.compile(r'<(?:script|img|iframe|link rel="?stylesheet)[^>]*(?:src|href)="?(?:https?:)?//[^>]*')


def pages(nav: list[Nav]) -> Iterator[str]:
    """The pages of a navigation."""
    for entry in nav:
        for inner in entry.values():
            yield from [inner] if isinstance(inner, str) else pages(inner)


def test_headings_and_links_of_the_index_are_the_navigation() -> None:
    index = "# X\n\nthe [tutorial](t.md)\n\n## How to\n\n- [Run](r.md): with [it](i.md)\n\n"
    assert navigation(f"{index}### Grow\n\n- [see](s.md#x) [`do` it](d.md)\n") == [
        {"Home": "index.md"},
        {"Tutorial": "t.md"},
        {"How to": [{"Run": "r.md"}, {"It": "i.md"}, {"Grow": [{"Do it": "d.md"}]}]},
    ]


def test_what_stands_after_the_language_of_a_block_is_its_title_or_for_the_tests() -> None:
    assert (
        page("```python\n```python a.py\n  ```console exits 1\n") == '```python\n```python title="a.py"\n  ```console\n'
    )


def test_the_navigation_is_that_of_the_index() -> None:
    assert settings()["nav"] == navigation((DOCS / "index.md").read_text()), "python -m tests.docs.site --nav"


def test_every_page_is_in_the_navigation_once() -> None:
    there = [str(file.relative_to(DOCS)) for file in DOCS.rglob("*.md") if file.parent.name != "adr"]
    found = pages(settings()["nav"])
    assert sorted(file for file in found if "/adr/" not in file) == sorted(there)


def test_it_builds_without_a_warning_and_loads_nothing_from_elsewhere() -> None:
    build()
    texts = {file: file.read_text() for file in SITE.rglob("*.html")}
    assert len(texts) > len(list(DOCS.rglob("*.md"))) // 2
    assert [(file.name, found) for file, text in texts.items() for found in LOADED.findall(text)] == []
