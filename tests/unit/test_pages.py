"""How much is read at once: as many rows as there may be, or about so many bytes."""

from __future__ import annotations

from refold.flows.pages import Reads
from refold.rows import Row


def rows(*sizes: int) -> list[Row]:
    return [
        Row(at, "a-1", at, b"", "a", 1, b"x" * size, "[]", 0, None, "", None, None, b"")
        for at, size in enumerate(sizes, 1)
    ]


def test_without_a_size_the_next_page_has_as_many_rows_as_any_whatever_was_found() -> None:
    reads, found = Reads(), rows(1, 1)
    assert (reads.kept(found), reads.most_after(found, found), reads.most_after([], [])) == (found, 1_000, 1_000)


def test_a_page_ends_with_the_row_that_makes_it_large_enough_and_the_next_is_no_more_than_twice_as_long() -> None:
    reads, found = Reads(rows=64, size=10), rows(4, 4, 4, 4)
    kept = reads.kept(found)
    assert (kept, reads.most_after(found, kept)) == (found[:3], 6)


def test_after_a_page_that_was_not_cut_the_next_may_be_whole() -> None:
    reads, found = Reads(rows=64, size=100), rows(4, 4)
    assert reads.most_after(found, reads.kept(found)) == 64
