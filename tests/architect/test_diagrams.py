"""The event model as a picture: nothing lies over anything else, every line leads from a card to a card, names stay text."""

from __future__ import annotations

from collections.abc import Iterable
from html.parser import HTMLParser
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refold.architect.diagrams import Board, Picture, board_of, laid_out, mermaid_of, names_of, svg_of
from refold.architect.diagrams.board import MIDDLE, Card, Slice, SliceKind
from refold.architect.diagrams.layout import HEIGHT, WIDTH, Box, Line
from refold.architect.diagrams.lettering import fitting, width_of
from refold.architect.model import derive
from refold.demo.app import app

KEPT = Path(__file__).parent / "event_model.mmd"
NAMES = st.sampled_from(
    ["a", "b", "order", "order.placed", "x" * 60, "<b>", '"&', "名前" * 9, "\u202eevil", "\x00\n]]>"]
)


@st.composite
def boards(draw: st.DrawFn) -> Board:
    """Any board: also with lanes of one name, events that stand in several places, and what feeds itself."""
    processes = draw(st.lists(NAMES, max_size=3, unique=True))
    streams = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    slices = draw(st.lists(a_slice(processes, streams), max_size=7))
    return Board(tuple(slices), tuple(processes), tuple(streams))


@st.composite
def a_slice(draw: st.DrawFn, processes: list[str], streams: list[str]) -> Slice:
    names = st.lists(NAMES, max_size=4, unique=True).map(tuple)
    events = tuple(Card("event", each, draw(NAMES), draw(st.sampled_from(streams))) for each in draw(names))
    kind: SliceKind = draw(st.sampled_from(["state change", "state view", "automation", "timeout"]))
    acts, bare = draw(st.booleans()), draw(st.booleans())
    by = Card("process", draw(NAMES), draw(NAMES), draw(st.sampled_from(processes))) if processes and acts else None
    middle = None if by is not None and bare else Card("command", draw(NAMES), draw(NAMES), MIDDLE)
    return Slice(kind, draw(NAMES), by, middle, events, draw(names))


def meet(one: Box, other: Box) -> bool:
    return abs(one.x - other.x) < WIDTH and abs(one.y - other.y) < HEIGHT


def through(line: Line, boxes: Iterable[Box]) -> list[Box]:
    """The cards that a line runs through."""
    return [
        box for box in boxes for (x1, y1), (x2, y2) in pairwise(line.points)
        if max(x1, x2) > box.x and min(x1, x2) < box.x + WIDTH and max(y1, y2) > box.y and min(y1, y2) < box.bottom
    ]  # fmt: skip


def touches(point: tuple[int, int], box: Box) -> bool:
    """Whether a point lies on the border of a card."""
    x, y = point
    within = box.x <= x <= box.x + WIDTH and box.y <= y <= box.bottom
    return within and (x in {box.x, box.x + WIDTH} or y in {box.y, box.bottom})


@settings(max_examples=150)
@given(boards())
def test_no_cards_meet_and_each_stands_within_its_lane_and_the_picture(board: Board) -> None:
    picture = laid_out(board)
    assert [pair for pair in combinations(picture.boxes, 2) if meet(*pair)] == []
    for box in picture.boxes:
        lanes = [lane for lane in picture.lanes if lane.y <= box.y and box.bottom <= lane.y + lane.height]
        assert [lane.name for lane in lanes] == [box.card.lane]
        assert 0 <= box.x <= picture.width - WIDTH
        assert box.bottom < picture.height
    assert all(upper.y + upper.height <= lower.y for upper, lower in pairwise(picture.lanes))


@settings(max_examples=150)
@given(boards())
def test_every_line_leads_from_one_card_to_another_around_all_cards(board: Board) -> None:
    picture = laid_out(board)
    for line in picture.lines:
        assert touches(line.points[0], line.source)
        assert touches(line.points[-1], line.target)
        assert all(x1 == x2 or y1 == y2 for (x1, y1), (x2, y2) in pairwise(line.points))
        assert through(line, picture.boxes) == []
        assert all(0 <= x <= picture.width and 0 <= y <= picture.height for x, y in line.points)


@settings(max_examples=150)
@given(boards())
def test_what_feeds_is_never_drawn_over_by_what_else_feeds(board: Board) -> None:
    """Lines of two events may cross, but none lies upon another."""
    fed = [line for line in laid_out(board).lines if line.fed]
    for one, other in combinations(fed, 2):
        if one.source != other.source:
            for (a, b), (c, d) in ((s, t) for s in pairwise(one.points) for t in pairwise(other.points)):
                assert not along(a, b, c, d), (one.points, other.points)


def along(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int], d: tuple[int, int]) -> bool:
    """Whether two stretches have more than a point in common."""
    for axis, cross in ((0, 1), (1, 0)):
        if a[cross] == b[cross] == c[cross] == d[cross]:
            low = max(min(a[axis], b[axis]), min(c[axis], d[axis]))
            high = min(max(a[axis], b[axis]), max(c[axis], d[axis]))
            return low < high
    return False


class Elements(HTMLParser):
    """Names of elements and of their attributes, as a page reads them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(name for name, _ in attrs)}

    handle_startendtag = handle_starttag


KNOWN = {
    "svg", "style", "rect", "g", "text", "title", "path", "a", "class", "xmlns", "viewbox", "width", "height", "role",
    "aria-label", "transform", "x", "y", "rx", "d", "href", "aria-hidden",
}  # fmt: skip
HOSTILE = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</title></text></svg><svg onload=alert(1)>", "]]>",
    "&lt;", "\x00\x1b", "javascript:alert(1)", "'onclick='x",
)  # fmt: skip


@pytest.mark.parametrize("bad", HOSTILE)
def test_names_stay_text_in_a_page_and_in_a_file(bad: str) -> None:
    event, view = Card("event", bad, bad, bad), Card("view", bad, bad, MIDDLE)
    by = Card("process", bad, bad, bad)
    board = Board((Slice("state change", bad, by, view, (event, event), (bad,)),), (bad,), (bad,))
    picture = laid_out(board)
    for svg in (
        svg_of(picture, label=bad),
        svg_of(picture, label=bad, alone=False, link=lambda kind, name: f"/{kind}/?{name}"),
        names_of(picture),
    ):
        ET.fromstring(svg)  # noqa: S314 - our own
        assert {each.lower() for each in Elements(svg).found} <= KNOWN


def test_hostile_names_are_entities_in_mermaid() -> None:
    bad = '"] --> x; click x "javascript:alert(1)" %% <b>'
    board = Board((Slice("state change", bad, None, Card("command", bad, "", MIDDLE)),), (), ("s",))
    text = mermaid_of(board)
    labels = [line for line in text.splitlines() if "#34;" in line]
    assert (len(labels), text.count("click"), [line.count('"') for line in labels]) == (2, 2, [2, 2])
    assert not any(each in text for each in ("javascript:alert(1)", "<b>", "%%"))


def test_a_text_that_is_too_wide_is_cut_with_an_ellipsis() -> None:
    for text in ("order.discount-granted-by-the-manager-of-the-shop", "W" * 40, "名" * 40, "i" * 200):
        cut = fitting(text, 150, 12.5, bold=True)
        assert cut.endswith("…")
        assert text.startswith(cut[:-1])
        assert width_of(cut, 12.5, bold=True) <= 150
    assert fitting("order.placed", 150, 12.5, bold=True) == "order.placed"


def test_of_copies_of_an_event_the_one_feeds_that_stands_left_of_what_is_fed() -> None:
    event = Card("event", "stone", "", "s")
    changes = [Slice("state change", str(n), None, Card("command", str(n), "", MIDDLE), (event,)) for n in range(3)]
    view = Slice("state view", "v", None, Card("view", "v", "", MIDDLE), (), ("stone", "unheard of"))
    picture = laid_out(Board((*changes[:2], view, changes[2]), (), ("s",)))
    assert [line.source.x for line in fed(picture)] == [picture.columns[1].x]


def fed(picture: Picture) -> list[Line]:
    return [line for line in picture.lines if line.fed]


def test_without_an_application_there_is_an_empty_picture() -> None:
    from refold import App  # noqa: PLC0415

    board = board_of(derive(App()))
    assert (board.slices, laid_out(board).boxes) == ((), ())


def test_the_model_of_the_shop_is_as_it_was() -> None:
    """If that is meant: refold diagram tests/architect/event_model.mmd --format mermaid --app refold.demo.app:app --yes."""
    assert mermaid_of(board_of(derive(app))) == KEPT.read_text("utf-8")


def test_what_feeds_the_shop_comes_from_the_left_unless_it_comes_around() -> None:
    board = board_of(derive(app))
    known = [(each.kind, each.title) for each in board.slices]
    assert len(known) == len(set(known))
    picture = laid_out(board)
    assert all(line.source.x < line.target.x for line in fed(picture) if line.target.card.kind == "view")
