"""Rows as a driver gives them."""

from __future__ import annotations

from refold.rows import Row, made


def test_tuples_of_a_driver_become_rows() -> None:
    values = (5, "a-1", 2, b"id", "n", 3, b"{}", "[]", 1, None, "story", None, None, b"{}")
    rows = made(iter([values, values]))
    assert rows == [Row(*values), Row(*values)]
    assert [type(row) for row in rows] == [Row, Row]
