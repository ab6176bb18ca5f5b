"""Swim lanes as a picture: where each lane, card and edge stands, in pixels; the template draws them as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from msgspec import Struct

from refold.stories import Card, Entry, Lane, Story

MARGIN: Final = 12
HEAD: Final = 134
"""The width of a lane's name."""
CARD: Final = 218
GAP: Final = 50
ROW: Final = 36
PAD: Final = 10
BETWEEN: Final = 7
_LETTERS: Final = 24
"""Characters that fit into a card."""
_NAME: Final = 14


class Spot(Struct, frozen=True):
    """An event in its card: `path` are the keys of all events that led to it, itself included, and of all it led to."""

    entry: Entry
    x: int
    y: int
    label: str
    title: str
    path: Sequence[str]


class CardBox(Struct, frozen=True):
    """A card."""

    x: int
    y: int
    height: int
    spots: Sequence[Spot]


class LaneBox(Struct, frozen=True):
    """A lane."""

    lane: Lane
    name: str
    id: str
    y: int
    height: int
    cards: Sequence[CardBox]


class Curve(Struct, frozen=True):
    """An edge as a path of SVG."""

    source: str
    target: str
    by: str
    d: str


class Picture(Struct, frozen=True):
    """All of it, and its size."""

    lanes: Sequence[LaneBox]
    curves: Sequence[Curve]
    width: int
    height: int


def picture(story: Story) -> Picture:
    """The story, drawn."""
    places: dict[str, tuple[int, int]] = {}
    boxes: list[LaneBox] = []
    paths = _paths(story)
    y = MARGIN
    for lane in story.lanes:
        height = 2 * PAD + max(len(card.entries) for card in lane.cards) * ROW
        cards = [_card(card, y + PAD, places, paths) for card in lane.cards]
        boxes.append(LaneBox(lane, cut(lane.category, _NAME), cut(lane.id, _NAME), y, height, cards))
        y += height + BETWEEN
    curves = [
        Curve(edge.source, edge.target, edge.by, curve(places[edge.source], places[edge.target]))
        for edge in story.edges
        if edge.by or places[edge.source][0] != places[edge.target][0]
    ]
    width = 2 * MARGIN + HEAD + story.hops * CARD + (story.hops - 1) * GAP + PAD
    return Picture(boxes, curves, width, y - BETWEEN + MARGIN)


def _card(card: Card, y: int, places: dict[str, tuple[int, int]], paths: Mapping[str, Sequence[str]]) -> CardBox:
    x = MARGIN + HEAD + card.hop * (CARD + GAP)
    spots: list[Spot] = []
    for index, entry in enumerate(card.entries):
        top = y + index * ROW
        places[entry.key] = x, top
        by = f"◆ {entry.by} → " if entry.by else ""
        label = cut(f"{by}{entry.command}" if entry.command or by else "event", _LETTERS + 9)
        spots.append(Spot(entry, x, top, label, cut(entry.type, _LETTERS), paths[entry.key]))
    return CardBox(x, y, len(card.entries) * ROW, spots)


def curve(source: tuple[int, int], target: tuple[int, int]) -> str:
    """From the right edge of one event to the left edge of another."""
    x1, y1 = source[0] + CARD, source[1] + ROW // 2
    x2, y2 = target[0] - 5, target[1] + ROW // 2
    bend = max(GAP // 2, (x2 - x1) // 2)
    return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"


def _paths(story: Story) -> Mapping[str, Sequence[str]]:
    """For each event all that led to it, and all that it led to."""
    causes = {edge.target: edge.source for edge in story.edges}
    found: dict[str, list[str]] = {}
    for entry in story.entries:
        key: str | None = entry.key
        up: list[str] = []
        while key is not None and key not in up:
            up.append(key)
            key = causes.get(key)
        found[entry.key] = up
    for entry in story.entries:
        for above in found[entry.key][1:]:
            if len(found[above]) < 1_000:  # noqa: PLR2004 - a page has its limits
                found[above].append(entry.key)
    return found


def cut(text: str, most: int) -> str:
    """No more of a text than fits."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def since(after: timedelta) -> str:
    """How long after the beginning, in few characters."""
    seconds = after.total_seconds()
    if seconds < 1:
        return f"+{seconds * 1_000:.0f} ms"
    if seconds < 100:  # noqa: PLR2004
        return f"+{seconds:.1f} s"
    minutes = int(seconds) // 60
    return f"+{minutes} min" if minutes < 100 else f"+{minutes // 60} h {minutes % 60:02}"  # noqa: PLR2004
