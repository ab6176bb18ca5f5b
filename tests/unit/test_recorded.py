"""Rows of a store as what was recorded: all that is known of each, once for one that is read whole, once for each part."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from tests.unit.test_decoding import Done, Left, Right, Undone

from refold import Metadata, Position, Recorded, UndecodableEvent
from refold.codec import Codec
from refold.decoding import recorded_all, recorded_each
from refold.messages import StreamName
from refold.rows import Row

ID, AT = UUID(int=5), datetime(2026, 1, 2, tzinfo=UTC)
VALID = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)


def row(type: str = "a.done", version: int = 2, data: bytes = b'{"n":1}', **other: Any) -> Row:
    plain = Row(9, "s-1", 7, ID.bytes, type, version, data, "[]", 0, None, "story", None, None, b"{}")
    return plain._replace(**other)


def recorded(data: Any, type: str, version: int, **other: Any) -> Recorded[Any]:
    bare = Metadata("story", None, None, None, {})
    plain = Recorded(data, type, version, StreamName("s", "1"), 7, Position(9), AT, ID, frozenset(), bare)
    return msgspec.structs.replace(plain, **other)


FULL: dict[str, Any] = {
    "tags": '["x","y"]',
    "valid_at": 1_000_000,
    "causation_id": "cause",
    "actor": "me",
    "metadata": b'{"free":"text"}',
}
TOLD: dict[str, Any] = {
    "tags": frozenset({"x", "y"}),
    "metadata": Metadata("story", "cause", "me", VALID, {"free": "text"}),
}
BOTH = [recorded(Left(1), "a.left", 1, part=1, parts=2), recorded(Right(2), "a.right", 2, part=2, parts=2)]


@pytest.mark.parametrize(
    ("stored", "found"),
    [
        (row(), [recorded(Done(1), "a.done", 2)]),
        (row(**FULL), [recorded(Done(1), "a.done", 2, **TOLD)]),
        (row(version=1), [recorded(Done(2), "a.done", 2)]),
        (row(version=1, **FULL), [recorded(Done(2), "a.done", 2, **TOLD)]),
        (row("a.both", 1), BOTH),
    ],
)
def test_a_row_becomes_what_was_recorded(stored: Row, found: Sequence[Recorded[Any]]) -> None:
    decoders = Codec().decoders((Done, Left, Right))
    assert recorded_all(decoders, stored, ID, AT) == found
    assert list(recorded_each(decoders, [stored], [ID], [AT])) == found


def test_rows_are_read_one_after_another_and_backward_their_parts_too() -> None:
    decoders, stored = Codec().decoders((Done, Left, Right)), [row("a.both", 1), row()]
    forward = list(recorded_each(decoders, stored, [ID, ID], [AT, AT]))
    backward = list(recorded_each(decoders, stored, [ID, ID], [AT, AT], backward=True))
    assert forward == [*BOTH, recorded(Done(1), "a.done", 2)]
    assert backward == [*reversed(BOTH), recorded(Done(1), "a.done", 2)]


def test_a_row_that_cannot_be_read_is_told_with_its_place() -> None:
    with pytest.raises(UndecodableEvent) as caught:
        list(recorded_each(Codec().decoders((Done,)), [row(data=b"{}")], [ID], [AT]))
    assert (caught.value.type, caught.value.stream, caught.value.version, caught.value.position) == (
        "a.done",
        "s-1",
        7,
        9,
    )


def test_rows_ids_and_times_are_of_one_length() -> None:
    with pytest.raises(ValueError, match="zip"):
        list(recorded_each(Codec().decoders((Done,)), [row()], [ID, ID], [AT]))


def test_an_older_shape_is_told_apart() -> None:
    decoders = Codec().decoders((Done,))
    assert [decoders.has_older([row(version=version)]) for version in (1, 2)] == [True, False]
    assert Codec().decoders((Undone,)).has_older([row(version=1)]) is False
