"""The documentation as data: its pages, and of each page the blocks, links, headings and prose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FRONT = tuple(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md"))


@dataclass(frozen=True, slots=True)
class Block:
    """A code block. `words` is what stands after its fence; an indented block has none. `line` is that of its first line."""

    words: tuple[str, ...]
    text: str
    line: int

    @property
    def kind(self) -> str:
        """The language, or `indented`."""
        return self.words[0] if self.words else "indented"


@dataclass(frozen=True, slots=True)
class Prose:
    """A paragraph, heading, list item or table cell: its text and inline code, and the heading that it stands under."""

    text: str
    code: tuple[str, ...]
    links: tuple[str, ...]
    heading: str
    line: int


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        """Its path within the repository."""
        return self.path.relative_to(ROOT).as_posix() if self.path.is_relative_to(ROOT) else self.path.name

    @cached_property
    def _tokens(self) -> list[Token]:
        return MarkdownIt("commonmark").enable("table").parse(self.path.read_text("utf-8"))

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Its code blocks, in order."""
        return tuple(_blocks(self._tokens))

    @cached_property
    def prose(self) -> tuple[Prose, ...]:
        """All that is not a code block."""
        return tuple(_prose(self._tokens))

    @cached_property
    def anchors(self) -> frozenset[str]:
        """What a link to a part of this page may end in."""
        headings = (p.heading for p in self.prose)
        return frozenset("".join(c for c in h.lower().replace(" ", "-") if c.isalnum() or c in "-_") for h in headings)

    @property
    def links(self) -> tuple[str, ...]:
        """Where its links lead."""
        return tuple(link for part in self.prose for link in part.links)

    def column(self, number: int = 0) -> tuple[str, ...]:
        """The inline code in one column of all its tables, without the heads."""
        return tuple(code for row in self.rows for code in row[number].code)

    def table(self, heading: str) -> tuple[tuple[str, ...], ...]:
        """The texts of the tables under a heading, without the heads."""
        return tuple(tuple(cell.text for cell in row) for row in self.rows if row[0].heading == heading)

    @cached_property
    def rows(self) -> tuple[tuple[Prose, ...], ...]:
        """The rows of all its tables, without the heads."""
        return tuple(_rows(self._tokens))


def _blocks(tokens: list[Token]) -> Iterator[Block]:
    for token in tokens:
        start = token.map[0] if token.map else 0
        if token.type == "fence":
            yield Block(tuple(token.info.split()) or ("text",), token.content, start + 2)
        elif token.type == "code_block":
            yield Block((), token.content, start + 1)


def _prose(tokens: list[Token]) -> Iterator[Prose]:
    heading = ""
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type != "inline":
            continue
        if before is not None and before.type == "heading_open":
            heading = _text(token)
        yield _part(token, heading)


def _rows(tokens: list[Token]) -> Iterator[tuple[Prose, ...]]:
    heading, body, row = "", False, list[Prose]()
    for before, token in pairwise(tokens):
        if before.type == "heading_open":
            heading = _text(token)
        elif token.type in ("tbody_open", "tbody_close"):
            body = token.type == "tbody_open"
        elif body and token.type == "inline":
            row.append(_part(token, heading))
        elif body and token.type == "tr_close":
            yield tuple(row)
            row = []


def _part(token: Token, heading: str) -> Prose:
    children = token.children or []
    code = tuple(child.content for child in children if child.type == "code_inline")
    links = tuple(str(child.attrs["href"]) for child in children if child.type == "link_open")
    return Prose(_text(token), code, links, heading, token.map[0] + 1 if token.map else 0)


def _text(token: Token) -> str:
    return "".join(" " if child.type == "softbreak" else child.content for child in token.children or [])


def documentation() -> tuple[Page, ...]:
    """Every page under `docs/`."""
    return tuple(Page(path) for path in sorted(DOCS.rglob("*.md")))


def everything() -> tuple[Page, ...]:
    """Every page under `docs/` and those at the root that are there."""
    return (*(Page(path) for path in FRONT if path.exists()), *documentation())
