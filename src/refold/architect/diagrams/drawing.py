"""Drawing: a picture as SVG. All text is escaped; colours are classes of a stylesheet, since a strict policy forbids others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import Final, TypeAlias

from refold.architect.diagrams.layout import EDGE, HEIGHT, NAMES, WIDTH, Box, Column, Lane, Line, Picture, Point
from refold.architect.diagrams.lettering import fitting

STYLE: Final = (files("refold.architect.diagrams") / "diagram.css").read_text("utf-8")
"""The stylesheet of pictures."""
Link: TypeAlias = "Callable[[str, str], str]"
"""Where a card leads, by its kind and name; empty for nowhere."""
_INSET: Final = 11
_ROUND: Final = 5


def svg_of(picture: Picture, *, label: str, link: Link | None = None, alone: bool = True) -> str:
    """The picture. `alone`: with its stylesheet in it, to stand in a file; else for a page that has the stylesheet."""
    width, height = NAMES + picture.width + EDGE, picture.height
    inner = [
        *([f"<style>{STYLE}</style>", '<rect class="ground" width="100%" height="100%"/>'] if alone else []),
        *_ground(picture),
        f'<g transform="translate({NAMES} 0)">',
        *(_head(each) for each in picture.columns),
        *(_line(each, points) for each, points in _unshared(picture.lines)),
        *(_box(each, link) for each in picture.boxes),
        "</g>",
        *(_name(each) for each in picture.lanes),
    ]
    opening = (
        f'<svg class="model" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="{"group" if link else "img"}" aria-label="{_text(label)}">'
    )
    return "\n".join([opening, *inner, "</svg>\n"])


def names_of(picture: Picture) -> str:
    """The names of the lanes alone: to stand still while the picture is moved beneath them."""
    names = "".join(_name(each) for each in picture.lanes)
    return (
        f'<svg class="model names" viewBox="0 0 {NAMES} {picture.height}" width="{NAMES}" height="{picture.height}" '
        f'aria-hidden="true"><rect class="ground" width="100%" height="100%"/>{_beds(picture, NAMES + 8)}{names}</svg>'
    )


def _text(text: str) -> str:
    """Text for an element or an attribute: without what XML has no character for."""
    return escape("".join(letter if letter.isprintable() else "�" for letter in text))


def _ground(picture: Picture) -> Iterable[str]:
    yield _beds(picture, NAMES + picture.width)
    for each in picture.columns[1:]:
        x = NAMES + each.x - 12
        yield f'<path class="rule" d="M{x}.5 6V{picture.height - EDGE}"/>'


def _beds(picture: Picture, width: int) -> str:
    return "".join(
        f'<rect class="bed" x="{EDGE}.5" y="{lane.y}.5" width="{width - EDGE}" height="{lane.height}" rx="7"/>'
        for lane in picture.lanes
    )


def _name(lane: Lane) -> str:
    shown = _text(fitting(lane.name, NAMES - 20, 12.5, bold=True))
    y = lane.y + lane.height // 2 + 5
    return f'<text class="lane" x="{EDGE + _INSET}" y="{y}">{shown}<title>{_text(lane.name)}</title></text>'


def _head(column: Column) -> str:
    title = _text(fitting(column.title, WIDTH, 12.5, bold=True))
    return (
        f'<text class="head" x="{column.x}" y="18">{title}<title>{_text(column.title)}</title></text>'
        f'<text class="kind" x="{column.x}" y="32">{_text(column.kind)}</text>'
    )


def _box(box: Box, link: Link | None) -> str:
    card, room = box.card, WIDTH - 2 * _INSET
    there = link(card.kind, card.name) if link else ""
    note = (
        f'<text class="note" x="{box.x + _INSET}" y="{box.y + 41}">{_text(fitting(card.note, room, 11))}</text>'
        if card.note
        else ""
    )
    inner = (
        f'<rect x="{box.x}.5" y="{box.y}.5" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
        f'<text class="card" x="{box.x + _INSET}" y="{box.y + 23}">{_text(fitting(card.name, room, 12.5, bold=True))}</text>'
        f"{note}<title>{_text(f'{card.kind} {card.name}: {card.note}' if card.note else f'{card.kind} {card.name}')}</title>"
    )
    if there:
        return f'<a class="is-{card.kind}" href="{_text(there)}">{inner}</a>'
    return f'<g class="is-{card.kind}">{inner}</g>'


def _unshared(lines: Iterable[Line]) -> Iterable[tuple[Line, Sequence[Point]]]:
    """What of each line is to be drawn: dashes over dashes would make it solid. The highest and longest is drawn whole."""
    drawn: dict[Box, list[Point]] = {}
    for line in sorted(lines, key=_by_height):
        if not line.fed:
            yield line, line.points
            continue
        corners = drawn.setdefault(line.source, [])
        turn, under = line.points[2:4]
        if any(y == turn[1] and turn[0] < under[0] <= x for x, y in corners):
            yield line, line.points[3:]
        else:
            yield line, line.points[2:] if corners else line.points
        corners.append(under)


def _by_height(line: Line) -> tuple[int, int]:
    return line.points[min(2, len(line.points) - 1)][1], -line.points[-1][0]


def _line(line: Line, points: Sequence[Point]) -> str:
    kind = "feeds" if line.fed else "leads"
    return f'<path class="{kind}" d="{_path(points)}"/><path class="tip {kind}-tip" d="{_tip(line.points)}"/>'


def _path(points: Sequence[Point]) -> str:
    """Corner by corner, each of them rounded."""
    parts = [f"M{points[0][0]} {points[0][1]}"]
    for before, at, after in zip(points, points[1:], points[2:], strict=False):
        near, far = _towards(at, before), _towards(at, after)
        parts.append(f"L{near[0]} {near[1]}Q{at[0]} {at[1]} {far[0]} {far[1]}")
    parts.append(f"L{points[-1][0]} {points[-1][1]}")
    return "".join(parts)


def _towards(at: Point, other: Point) -> Point:
    """A little on the way from one corner to the next, no more than half of it."""
    found: list[int] = []
    for here, there in zip(at, other, strict=True):
        step = min(_ROUND, abs(there - here) // 2)
        found.append(here + (step if there > here else -step))
    return found[0], found[1]


def _tip(points: Sequence[Point]) -> str:
    """The head of an arrow, at the end of the last stretch."""
    (x1, y1), (x, y) = points[-2:]
    if x1 != x:
        return f"M{x} {y}l-8 -4v8z"
    return f"M{x} {y}l-4 -8h8z" if y > y1 else f"M{x} {y}l-4 8h8z"
