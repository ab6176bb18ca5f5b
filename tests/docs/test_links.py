"""Every link leads somewhere, and every page can be reached."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.pages import DOCS, ROOT, Page, documentation, everything


@pytest.mark.parametrize("page", everything(), ids=lambda page: page.name)
def test_every_relative_link_of_a_page_resolves(page: Page) -> None:
    assert [link for link in page.links if not _resolves(page, link)] == []


def _resolves(page: Page, link: str) -> bool:
    if "://" in link or link.startswith("mailto:"):
        return True
    path, _, anchor = link.partition("#")
    target = (page.path.parent / path).resolve() if path else page.path
    if not target.exists():
        return False
    return not anchor or (target.suffix == ".md" and anchor in Page(target).anchors)


def test_no_page_is_an_orphan() -> None:
    reached: set[Path] = set()
    waiting = [DOCS / "index.md"]
    while waiting:
        path = waiting.pop()
        if path not in reached and path.suffix == ".md" and path.exists():
            reached.add(path)
            links = (link.partition("#")[0] for link in Page(path).links if "://" not in link)
            waiting += [(path.parent / link).resolve() for link in links if link]
    assert {page.path for page in documentation()} - reached == set()


def test_the_front_page_leads_to_the_documentation() -> None:
    targets = {
        (ROOT / link.partition("#")[0]).resolve() for link in Page(ROOT / "README.md").links if "://" not in link
    }
    assert targets & {DOCS, DOCS / "index.md"}


def test_a_link_into_the_void_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Here\n\n[a](nowhere.md) [b](#here) [c](#there) [d](https://example.org)\n")
    assert [link for link in Page(page).links if not _resolves(Page(page), link)] == ["nowhere.md", "#there"]
