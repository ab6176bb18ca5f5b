"""Rows as a driver gives them, and the digest of one, which is stored: it stays as it is."""

from __future__ import annotations

from hashlib import blake2b

import msgspec
import pytest

from refold.rows import Row, digest, made

ROW = (5, "a-1", 2, b"id", "n", 3, b"{}", "[]", 1, None, "story", None, None, b"{}")


def test_tuples_of_a_driver_become_rows() -> None:
    rows = made(iter([ROW, ROW]))
    assert rows == [Row(*ROW), Row(*ROW)]
    assert [type(row) for row in rows] == [Row, Row]


def test_the_digest_of_a_row_is_eight_bytes_of_blake2b_over_its_messagepack() -> None:
    assert digest(ROW) == digest(Row(*ROW)) == blake2b(msgspec.msgpack.encode(ROW), digest_size=8).digest()
    assert digest(ROW).hex() == "b167025f1eb199b2"


@pytest.mark.parametrize("field", range(len(ROW)), ids=Row._fields)
def test_a_row_of_which_anything_was_changed_has_another_digest(field: int) -> None:
    assert digest((*ROW[:field], "another", *ROW[field + 1 :])) != digest(ROW)
