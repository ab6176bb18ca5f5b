"""Every snippet of every page is run, and what a page shows is what comes out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.commands import Commands
from tests.docs.pages import DOCS, ROOT, Page, everything
from tests.docs.running import Run, Untrue, environment

import refold

PAGES = [page for page in everything() if page.blocks]

# CONTRIBUTING.md shows a test without the imports on top of its file.
NAMES: dict[str, dict[str, object]] = {
    "CONTRIBUTING.md": {"pytest": pytest, **{name: getattr(refold, name) for name in refold.__all__}}
}


@pytest.fixture(scope="session")
def commands() -> Iterator[Commands]:
    with Commands(environment()) as commands:
        yield commands


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_does_what_it_says(page: Page, tmp_path: Path, commands: Commands) -> None:
    if page.path.is_relative_to(DOCS):
        for program in DOCS.glob("*.py"):  # what the pages import
            shutil.copy(program, tmp_path)
    assert Run(page, tmp_path, commands, NAMES.get(page.name)).all() == len(page.blocks)


def test_the_front_page_is_among_them() -> None:
    assert Page(ROOT / "README.md") in PAGES


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```python\nassert 1 == 2\n```\n", "AssertionError"),
        ("```python\nprint(1)\n```\n", "prints what the page does not show"),
        ("```python\nprint(1)\n```\n\n```text\n2\n```\n", "the page shows"),
        ("```python\nprint(1)\n```\n\nA word.\n\n```python\nx = 1\n```\n", "prints what the page does not show"),
        ("```python\ndef test_it():\n    raise ValueError('called')\n```\n", "called"),
        ("```console\n$ echo yes\nno\n```\n", "the page shows"),
        ("```console\n$ exit 3\n```\n", "ends with 3"),
        ("```console\n$ refold --version\nrefold 0\n```\n", "the page shows"),
        ("```console\n$ refold streams --store none.db\n```\n", "ends with 5:\nrefold: "),
        ("```console\nrefold streams\n```\n", "begins with '$ '"),
        ("    refold no-such-command\n", "ends with 2"),
        ("    make no-such-target\n", "no target 'no-such-target'"),
        ("    rm -r it-all\n", "nobody knows how to run"),
        ("```haskell\nmain = mempty\n```\n", "nobody knows how to run"),
    ],
)
def test_a_page_that_lies_is_found(text: str, complaint: str, tmp_path: Path, commands: Commands) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises((AssertionError, ValueError, Untrue)) as found:
        Run(Page(page), tmp_path, commands).all()
    assert complaint in f"{type(found.value).__name__}: {found.value}"


def test_a_page_may_leave_out_what_changes(tmp_path: Path, commands: Commands) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nprint('at', object())\n```\n\n```text\nat <object ...>\n```\n")
    assert Run(Page(page), tmp_path, commands).all() == 2


def test_an_exit_code_may_be_shown(tmp_path: Path, commands: Commands) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console exits 3\n$ echo one\none\n$ exit 3\n```\n")
    assert Run(Page(page), tmp_path, commands).all() == 1


def test_a_named_block_is_a_file_as_well(tmp_path: Path, commands: Commands) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python one.py\nx = 1\n```\n\n```python one.py\ny = x + 1\n```\n\n```python\nimport one\nassert one.y == y\n```\n"
    )
    Run(Page(page), tmp_path, commands).all()
    assert (tmp_path / "one.py").read_text() == "x = 1\n\ny = x + 1\n\n"
