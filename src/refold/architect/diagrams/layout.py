"""Layout: where each card stands, and how each line runs: through gutters and channels, never through a card.

Right of each column is a gutter, below each lane of processes and below the middle a channel. A line from an event to what it
feeds leaves to the right, goes up in a place of the gutter that is its own, along a track of the channel, and up again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from refold.architect.diagrams.board import MIDDLE, Board, Card, Lanes, Slice

WIDTH: Final = 172
HEIGHT: Final = 56
NAMES: Final = 148
"""The width of the names of lanes."""
HEAD: Final = 40
EDGE: Final = 4
_PAD: Final = 12
_BUS: Final = 12
"""Left of a column, where the lines run to further events of it."""
_STEP: Final = 7
_GAP: Final = 4

Point: TypeAlias = tuple[int, int]
Place: TypeAlias = tuple[Lanes, str]
_MIDDLE: Final[Place] = ("middle", MIDDLE)


class Box(Struct, frozen=True):
    """A card in its place."""

    card: Card
    x: int
    y: int

    @property
    def bottom(self) -> int:
        return self.y + HEIGHT


class Lane(Struct, frozen=True):
    """A lane, over all columns."""

    name: str
    y: int
    height: int


class Column(Struct, frozen=True):
    """A column: where it begins, and what its head says."""

    x: int
    title: str
    kind: str


class Line(Struct, frozen=True):
    """A line from one card to another, corner by corner; `fed`: from an event to what it feeds."""

    source: Box
    target: Box
    points: tuple[Point, ...]
    fed: bool


class Picture(Struct, frozen=True):
    """All of it. The names of the lanes stand left of x = 0."""

    columns: tuple[Column, ...]
    lanes: tuple[Lane, ...]
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: int
    height: int


class _Feed(Struct):
    """An event that feeds something: its place in the board, and what it feeds."""

    column: int
    at: int
    targets: list[int]
    tracks: dict[Place, int]
    gutter: int = 0


def laid_out(board: Board) -> Picture:
    """The board with everything in its place."""
    feeds = _feeds(board)
    xs, width = _columns(board, feeds)
    tracks = _tracks(board, feeds)
    lanes = _lanes(board, tracks)
    boxes = [_boxes(each, x, lanes) for each, x in zip(board.slices, xs, strict=True)]
    lines = [line for each in boxes for line in _own_lines(each)]
    lines += _feeding(board, feeds, boxes, xs, lanes)
    columns = [Column(x, each.title, each.kind) for each, x in zip(board.slices, xs, strict=True)]
    last = list(lanes.values())[-1]
    flat = [box for each in boxes for box in each.all]
    return Picture(tuple(columns), tuple(lanes.values()), tuple(flat), tuple(lines), width, last.y + last.height + EDGE)


def _lane_of(board: Board, column: int) -> Place:
    """The lane of what is fed in a column."""
    by = board.slices[column].by
    return _MIDDLE if by is None else by.place


def _feeds(board: Board) -> Sequence[_Feed]:
    """For each event that feeds something: the copy of it that stands nearest on the left, or else the first."""
    stands: dict[str, list[tuple[int, int]]] = {}
    for column, each in enumerate(board.slices):
        for at, card in enumerate(each.events):
            stands.setdefault(card.name, []).append((column, at))
    found: dict[tuple[int, int], _Feed] = {}
    for target, each in enumerate(board.slices):
        for name in each.fed:
            if name in stands:
                before = [place for place in stands[name] if place[0] < target]
                place = before[-1] if before else stands[name][0]
                found.setdefault(place, _Feed(*place, [], {})).targets.append(target)
    return [found[place] for place in sorted(found)]


def _columns(board: Board, feeds: Sequence[_Feed]) -> tuple[Sequence[int], int]:
    """Where the columns begin; and each line is given its place in the gutter."""
    xs, x = list[int](), _BUS
    for column in range(len(board.slices)):
        xs.append(x)
        own = [feed for feed in feeds if feed.column == column]
        for index, feed in enumerate(own):
            feed.gutter = x + WIDTH + _STEP * (index + 1)
        x += WIDTH + _STEP * (len(own) + 1) + _BUS
    return xs, x


def _tracks(board: Board, feeds: Sequence[_Feed]) -> Mapping[Place, int]:
    """How many tracks the channel below each lane has; and each line is given one of them. Two that meet have two."""
    counts: dict[Place, int] = {}
    for lane in [place for place in _places(board) if place[0] != "stream"]:
        taken: list[int] = []  # up to which column each track is in use
        spans: list[tuple[int, int, _Feed]] = []
        for feed in feeds:
            targets = [each for each in feed.targets if _lane_of(board, each) == lane]
            if targets:
                spans.append((min(feed.column, *targets), max(feed.column, *targets), feed))
        for first, last, feed in sorted(spans, key=lambda span: span[:2]):
            free = next((track for track, until in enumerate(taken) if until < first), len(taken))
            taken[free:] = [last, *taken[free + 1 :]]
            feed.tracks[lane] = free
        counts[lane] = len(taken)
    return counts


def _lanes(board: Board, tracks: Mapping[Place, int]) -> Mapping[Place, Lane]:
    lanes: dict[Place, Lane] = {}
    y = HEAD
    for place in _places(board):
        most = max((sum(card.place == place for card in each.events) for each in board.slices), default=1)
        height = 2 * _PAD + HEIGHT + (max(most, 1) - 1) * (HEIGHT + _PAD) + _STEP * tracks.get(place, 0)
        lanes[place] = Lane(place[1], y, height)
        y += height + _GAP
    return lanes


def _places(board: Board) -> Iterable[Place]:
    """The lanes from top to bottom."""
    return (*(("process", name) for name in board.processes), _MIDDLE, *(("stream", name) for name in board.streams))


class _Placed(Struct):
    """The cards of a column."""

    by: Box | None
    middle: Box | None
    events: list[Box]

    @property
    def all(self) -> Iterable[Box]:
        return [each for each in (self.by, self.middle, *self.events) if each is not None]


def _boxes(each: Slice, x: int, lanes: Mapping[Place, Lane]) -> _Placed:
    def top(card: Card, row: int = 0) -> Box:
        return Box(card, x, lanes[card.place].y + _PAD + row * (HEIGHT + _PAD))

    rows: dict[Place, int] = {}
    events: list[Box] = []
    for card in each.events:
        events.append(top(card, rows.get(card.place, 0)))
        rows[card.place] = rows.get(card.place, 0) + 1
    by, middle = (None if card is None else top(card) for card in (each.by, each.middle))
    return _Placed(by, middle, events)


def _own_lines(column: _Placed) -> Iterable[Line]:
    """Within a column: straight down to what comes next, and around that to the rest."""
    above = column.middle or column.by
    if column.by is not None and column.middle is not None:
        yield Line(column.by, column.middle, _down(column.by, column.middle), fed=False)
    if above is None:
        return
    for index, box in enumerate(sorted(column.events, key=lambda box: box.y)):
        yield Line(above, box, _around(above, box) if index else _down(above, box), fed=False)


def _down(source: Box, target: Box) -> tuple[Point, ...]:
    x = source.x + WIDTH // 2
    return (x, source.bottom), (x, target.y)


def _around(source: Box, target: Box) -> tuple[Point, ...]:
    out, middle = source.x - _BUS // 2, target.y + HEIGHT // 2
    start = source.bottom - _PAD
    return (source.x, start), (out, start), (out, middle), (target.x, middle)


def _feeding(
    board: Board, feeds: Sequence[_Feed], boxes: Sequence[_Placed], xs: Sequence[int], lanes: Mapping[Place, Lane]
) -> Iterable[Line]:
    ports = {column: _ports(board, column, feeds, xs[column]) for column in range(len(board.slices))}
    for index, feed in enumerate(feeds):
        source = boxes[feed.column].events[feed.at]
        middle = source.y + HEIGHT // 2
        for column in feed.targets:
            target = boxes[column].by or boxes[column].middle
            if target is not None:
                lane = _lane_of(board, column)
                y = lanes[lane].y + _PAD + HEIGHT + _STEP * (feed.tracks[lane] + 1)
                x = ports[column][index]
                points = (
                    (source.x + WIDTH, middle),
                    (feed.gutter, middle),
                    (feed.gutter, y),
                    (x, y),
                    (x, target.bottom),
                )
                yield Line(source, target, points, fed=True)


def _ports(board: Board, column: int, feeds: Sequence[_Feed], x: int) -> Mapping[int, int]:
    """Where the lines come in: side by side, left of the line that leads on."""
    coming = [index for index, feed in enumerate(feeds) if column in feed.targets]
    room = WIDTH // 2 - 8 if board.slices[column].by is not None else WIDTH
    return {index: x + room * (place + 1) // (len(coming) + 1) for place, index in enumerate(coming)}
