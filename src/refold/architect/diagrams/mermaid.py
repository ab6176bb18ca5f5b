"""Mermaid: the event model as text that others draw: a flowchart, a subgraph for each slice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from refold.architect.diagrams.board import Board, Card, Slice

_SHAPES: Final = {
    "process": ('{{"', '"}}'), "command": ('["', '"]'), "effect": ('[["', '"]]'), "view": ('[("', '")]'), "event": ('("', '")'),
    "timeout": ('(["', '"])'),
}  # fmt: skip
_COLOURS: Final = (
    "classDef command fill:#dbe7ff,stroke:#6d9bf0,color:#173a86", "classDef event fill:#fde3c8,stroke:#eda14e,color:#7a3b00",
    "classDef view fill:#dcf5e3,stroke:#62bd82,color:#0f5a2c", "classDef process fill:#f1e3fb,stroke:#b47fdc,color:#542080",
    "classDef timeout fill:#fdf0d2,stroke:#d0a33c,color:#684800", "classDef effect fill:#ffffff,stroke:#aab1bd,color:#24262c",
)  # fmt: skip
_ENTITIES: Final = str.maketrans({
    letter: f"#{ord(letter)};" for letter in "#&<>\"'`\\;{}()[]|%*_~$"
})  # fmt: skip


def mermaid_of(board: Board) -> str:
    """The board as a flowchart. Names are text in it, whatever stands in them."""
    lines = ["flowchart LR"]
    for at, each in enumerate(board.slices):
        lines += _slice(at, each)
    lines += _feeding(board.slices)
    return "\n".join([*lines, *(f"  {each}" for each in _COLOURS)]) + "\n"


def _slice(at: int, each: Slice) -> Iterable[str]:
    yield f'  subgraph s{at}["{_told(each.title)}: {each.kind}"]'
    yield "    direction TB"
    for key, card in _cards(at, each):
        left, right = _SHAPES[card.kind]
        yield f"    {key}{left}{_told(_named(card))}{right}:::{card.kind}"
    above = "m" if each.middle else "p"
    if each.by and each.middle:
        yield f"    p{at} --> m{at}"
    if each.by or each.middle:
        yield from (f"    {above}{at} --> e{at}_{index}" for index in range(len(each.events)))
    yield "  end"


def _named(card: Card) -> str:
    """The name of a card; of a process before what it does it for, since there is no lane here that has its name."""
    return f"{card.lane}: {card.name}" if card.kind == "process" and card.name != card.lane else card.name


def _cards(at: int, each: Slice) -> Iterable[tuple[str, Card]]:
    if each.by:
        yield f"p{at}", each.by
    if each.middle:
        yield f"m{at}", each.middle
    yield from ((f"e{at}_{index}", card) for index, card in enumerate(each.events))


def _feeding(slices: Sequence[Slice]) -> Iterable[str]:
    first = {
        card.name: key
        for at, each in reversed(list(enumerate(slices)))
        for key, card in _cards(at, each)
        if key[0] == "e"
    }
    for at, each in enumerate(slices):
        target = f"p{at}" if each.by else f"m{at}"
        yield from (f"  {first[name]} -.-> {target}" for name in each.fed if name in first)


def _told(text: str) -> str:
    """Text as entities of Mermaid, where it would mean something to it or to HTML."""
    return "".join(letter if letter.isprintable() else " " for letter in text).translate(_ENTITIES) or " "
