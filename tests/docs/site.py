"""The documentation as a site, in build/site: `python -m tests.docs.site`. What its index says is its navigation."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from shutil import copytree, rmtree
from typing import Any, TypeAlias

from tests.docs.pages import ROOT

Nav: TypeAlias = dict[str, "str | list[Nav]"]

SETTINGS, PAGES, SITE = ROOT / "zensical.toml", ROOT / "build" / "pages", ROOT / "build" / "site"
_LINK = re.compile(r"\[([^\]]+)\]\(([\w./-]+\.md)\)")
_WORDS = re.compile(r"^( *```\w+) (\S.*)$", re.MULTILINE)
_NAV = re.compile(r"^nav = \[.*?\]$", re.MULTILINE | re.DOTALL)


def navigation(index: str) -> list[Nav]:
    """The headings of the index, and under each the pages that it links, in their order."""
    found: list[Nav] = [{"Home": "index.md"}, *_links(index.partition("## ")[0])]
    for title, part in _parts(index, "## "):
        groups = [Nav({name: _links(text)}) for name, text in _parts(part, "### ")]
        found.append({title: [*_links(re.split(r"^### ", part, flags=re.MULTILINE)[0]), *groups]})
    return found


def _parts(text: str, mark: str) -> Iterator[tuple[str, str]]:
    for part in re.split(rf"^{mark}", text, flags=re.MULTILINE)[1:]:
        title, _, rest = part.partition("\n")
        yield title.strip(), rest


def _links(text: str) -> list[Nav]:
    found = [(name.replace("`", ""), page) for name, page in _LINK.findall(text)]
    return [{name[:1].upper() + name[1:]: page} for name, page in found]


def settings() -> dict[str, Any]:
    """What the site is built with."""
    found: dict[str, Any] = tomllib.loads(SETTINGS.read_text())["project"]
    return found


def write_navigation() -> None:
    """Take the navigation from the index."""
    nav = "".join(_lines(navigation((ROOT / "docs" / "index.md").read_text()), "  "))
    SETTINGS.write_text(_NAV.sub(lambda _: f"nav = [\n{nav}]", SETTINGS.read_text(), count=1))


def _lines(nav: list[Nav], indent: str) -> Iterator[str]:
    for entry in nav:
        ((title, inner),) = entry.items()
        if isinstance(inner, str):
            yield f'{indent}{{ "{title}" = "{inner}" }},\n'
        else:
            yield f'{indent}{{ "{title}" = [\n{"".join(_lines(inner, indent + "  "))}{indent}] }},\n'


def page(text: str) -> str:
    """A page as the site's Markdown has it: what stands after the language of a block is its title, or for the tests."""
    return _WORDS.sub(
        lambda fence: fence[1] if fence[2].startswith("exits ") else f'{fence[1]} title="{fence[2]}"', text
    )


def _copy() -> None:
    copytree(ROOT / "docs", PAGES, dirs_exist_ok=True)
    for copied in PAGES.rglob("*.md"):
        copied.write_text(page(copied.read_text()))


def build() -> str:
    """Write the site; gives what its builder says. Raises `CalledProcessError` where a page has a warning."""
    rmtree(PAGES, ignore_errors=True)
    _copy()
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def main(*options: str) -> None:
    """Build it, or say why it cannot be."""
    if "--nav" in options:
        return write_navigation()
    try:
        build()
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.stdout}{error.stderr}")
    print(f"The documentation is a site: {SITE / 'index.html'}")
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
