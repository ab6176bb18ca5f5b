"""Archived streams as values: their record, the manifest, what a page would miss, and pages put together."""

from __future__ import annotations

import pytest

from refold import Query
from refold.archiving import (
    END,
    ArchivedStream,
    ArchiveFile,
    Gone,
    InArchive,
    Manifest,
    Reach,
    by_stream,
    described,
    digest_of,
    is_selected,
    may_hold,
    merged,
    reach_of,
)
from refold.ports import EVERYTHING, InCategory, InStory, InStream, Matching, Selection
from refold.rows import Row


def row(position: int, stream: str = "a-1", version: int = 1, type: str = "n", tags: str = "[]") -> Row:
    return Row(
        position, stream, version, bytes(16), type, 1, b"{}", tags, position * 10, None, "story", None, None, b"{}"
    )


ROWS = [row(3, version=1, tags='["t:1","t:2"]'), row(5, version=2), row(8, version=3, tags='["t:1"]')]
EITHER = Query.of(types=["n"]) | Query.of(types=["m"], tags=["t:1"])
FILE = ArchiveFile("f", "", 0, "a", 3, 10, 20, "", "")


def test_a_stream_is_recorded_with_where_it_begins_and_ends() -> None:
    assert described(ROWS) == ArchivedStream("a-1", 3, 3, 3, 8, 30, 80, digest_of(ROWS))


def test_a_digest_covers_every_row_and_their_order() -> None:
    assert digest_of(ROWS) != digest_of(ROWS[::-1]) != digest_of(ROWS[:2])
    assert (digest_of(ROWS), len(digest_of(ROWS))) == (digest_of(list(ROWS)), 32)


def test_rows_are_told_apart_by_their_streams() -> None:
    assert list(by_stream([*ROWS, row(4, "a-2")])) == [("a-1", ROWS), ("a-2", [row(4, "a-2")])]


def test_an_event_that_is_gone_tells_where_it_stood() -> None:
    assert (Gone(7).position, str(Gone(7))) == (7, "7")


def test_a_manifest_finds_its_files_and_the_streams_in_them() -> None:
    other, again = ArchiveFile("g", "", 0, "b", 1, 1, 2, "", ""), ArchiveFile("f", "new", 1, "a", 3, 10, 20, "", "")
    one = Manifest("id").with_file(FILE, [described(ROWS)]).with_file(other, [])
    two = one.with_file(again, [described([row(9, "a-2")])])
    assert (one.file("f"), one.file("g")) == (FILE, other)
    first, second = InArchive("f", 3, digest_of(ROWS)), InArchive("f", 1, digest_of([row(9, "a-2")]))
    assert two == Manifest("id", (other, again), {"a-1": first, "a-2": second})


@pytest.mark.parametrize(
    ("selection", "rows", "reach"),
    [
        (Selection(), [], Reach(-1, END, 0, END)),
        (Selection(limit=0), [], Reach(-1, END, 0, END)),
        (Selection(after=4, limit=1), [row(5)], Reach(4, 5, 0, END)),
        (Selection(after=4, limit=3), [row(5), row(7), row(9)], Reach(4, 9, 0, END)),
        (Selection(after=4, limit=3), [row(5), row(9)], Reach(4, END, 0, END)),
        (Selection(limit=2, position_until=7), [row(5), row(9)], Reach(-1, 7, 0, END)),
        (Selection(backward=True, limit=3), [row(9), row(7), row(5)], Reach(4, END, 0, END)),
        (Selection(backward=True, limit=3, after=10), [row(9), row(5)], Reach(-1, 9, 0, END)),
        (Selection(backward=True, after=10, position_until=6), [], Reach(-1, 6, 0, END)),
        (Selection(recorded_from=1, recorded_until=2), [], Reach(-1, END, 1, 2)),
        (Selection(InCategory("a")), [], Reach(-1, END, 0, END, "a")),
        (Selection(InStory("s")), [], Reach(-1, END, 0, END)),
        (Selection(InStream("a-1"), after=2, limit=1), [row(5)], Reach(-1, END, 0, END)),
        (Selection(Matching(Query.of(types=["n", "m"]))), [], Reach(-1, END, 0, END, None, ("m", "n"))),
        (Selection(Matching(EITHER)), [], Reach(-1, END, 0, END, None, ("n",))),
        (Selection(Matching(Query.of(types=["n"], tags=["t:1"]))), [], None),
    ],
)  # fmt: skip
def test_a_page_tells_what_it_looked_through(selection: Selection, rows: list[Row], reach: Reach | None) -> None:
    assert reach_of(selection, rows) == reach


def test_pages_of_one_selection_become_one_page() -> None:
    one, other = [row(1), row(4)], [row(2), row(3)]
    assert merged(Selection(limit=3), one, [], other) == [row(1), row(2), row(3)]
    assert merged(Selection(limit=3, backward=True), one[::-1], other[::-1]) == [row(4), row(3), row(2)]
    assert (merged(Selection(), [], one), merged(Selection(), [], [])) == (one, ())


@pytest.mark.parametrize(
    ("selection", "may"),
    [
        (Selection(), True),
        (Selection(after=19), True),
        (Selection(after=20), False),
        (Selection(position_until=10), True),
        (Selection(position_until=9), False),
        (Selection(InCategory("a")), True),
        (Selection(InCategory("b")), False),
    ],
)
def test_a_file_is_opened_only_if_it_may_hold_what_is_asked_for(selection: Selection, *, may: bool) -> None:
    assert may_hold(FILE, selection) is may


@pytest.mark.parametrize(
    ("source", "selected"),
    [
        (InStream("a-1"), True),
        (InStream("a-2"), False),
        (InCategory("a"), True),
        (InCategory("a-1"), False),
        (InStory("story"), True),
        (InStory("another"), False),
        (EVERYTHING, True),
        (Matching(Query.of(types=["n"], tags=["t:1"])), True),
        (Matching(Query.of(types=["n"], tags=["t:2"])), False),
        (Matching(Query.of(types=["m"])), False),
    ],
)
def test_a_row_is_of_a_source_or_not(source: InStream | InCategory | InStory | Matching, *, selected: bool) -> None:
    assert is_selected(Selection(source), row(1, tags='["t:1"]')) is selected


def test_a_category_ends_at_the_first_dash() -> None:
    row_of_a = row(1, "a-1-2")
    assert [is_selected(Selection(InCategory(name)), row_of_a) for name in ("a", "a-1")] == [True, False]
