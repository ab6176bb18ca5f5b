"""Copies as values: what a transform is given, what it changed, and digests that tell whether all is there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import msgspec
import pytest

from refold import StreamName
from refold.copying.changes import KINDS, Changes, kinds
from refold.copying.digests import EMPTY, FIELDS, Digests, StreamDigest, Totals, fields_of, fields_to_be
from refold.copying.report import Equivalence, FieldDifference, StreamDifference, differing
from refold.copying.stored import Arriving, StoredEvent, id_of, stored, tags_of, unchanged
from refold.messages import Position
from refold.rows import NewRow, Row

ID = UUID(int=1)
ROW = Row(
    5, "a-1", 2, ID.bytes, "n", 3, b'{"x": 1}', '["t:1","t:2"]', 1_000_000, 2_000_000, "story", "because", "ann", b'{"k":"v"}'
)  # fmt: skip
SAME = unchanged(ROW)


def arriving(stream: str = "a-1", **changed: Any) -> Arriving:
    return Arriving(stream, msgspec.structs.replace(SAME.row, **changed), ROW.recorded_at)


def test_a_transform_is_given_all_that_is_stored() -> None:
    event = stored(ROW)
    assert event == StoredEvent(
        StreamName("a", "1"), "n", {"x": 1}, 3, frozenset({"t:1", "t:2"}), datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC),
        "story", "because", "ann", {"k": "v"}, ID, 2, Position(5), datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
    )  # fmt: skip
    assert stored(ROW._replace(valid_at=None, tags="[]")) == replace(event, valid_at=None, tags=frozenset())


def test_an_event_arrives_as_it_was() -> None:
    row = NewRow(ID.bytes, "n", 3, b'{"x": 1}', ("t:1", "t:2"), 2_000_000, "story", "because", "ann", b'{"k":"v"}')
    assert Arriving("a-1", row, 1_000_000) == SAME
    assert (tags_of(ROW), tags_of(ROW._replace(tags="[]"))) == (("t:1", "t:2"), ())


def test_the_first_that_an_event_becomes_keeps_its_id_and_the_others_have_one_that_follows() -> None:
    assert [id_of(ID.bytes, nth) for nth in (0, 1, 2)] == [ID.bytes, uuid5(ID, "1").bytes, uuid5(ID, "2").bytes]


@pytest.mark.parametrize(
    ("became", "found"),
    [
        ([], ["dropped"]),
        ([SAME], ["unchanged"]),
        ([SAME, SAME], ["split"]),
        ([arriving(type="m"), SAME], ["split", "renamed"]),
        ([arriving("a-2")], ["moved"]),
        ([arriving(schema_version=4)], ["schema_version"]),
        ([arriving(data=b"{}")], ["data"]),
        ([arriving(tags=())], ["tags"]),
        ([arriving(valid_at=None)], ["valid_at"]),
        ([arriving(correlation_id="another")], ["metadata"]),
        ([arriving(causation_id=None)], ["metadata"]),
        ([arriving(actor=None)], ["metadata"]),
        ([arriving(metadata=b"{}")], ["metadata"]),
        ([arriving(metadata=b'{ "k": "v" }')], ["unchanged"]),
        ([arriving("a-2", type="m", data=b"{}")], ["moved", "renamed", "data"]),
    ],
)
def test_what_became_of_an_event_is_told_by_kind(became: list[Arriving], found: list[str]) -> None:
    assert kinds(ROW, became) == found


def test_changes_are_counted_in_the_order_of_their_kinds() -> None:
    changes = Changes()
    for became in ([arriving(data=b"{}")], [SAME, SAME, SAME], [SAME], [SAME], []):
        changes.count(ROW, became)
    assert list(changes.counts.items()) == [("unchanged", 2), ("dropped", 1), ("split", 1), ("added", 2), ("data", 1)]
    assert changes.counts.keys() <= KINDS.keys()


def test_a_digest_covers_every_field_but_the_position() -> None:
    values = dict(zip(FIELDS, fields_of(ROW), strict=True))
    assert values == {
        "stream": "a-1", "version": 2, "id": ID.hex, "type": "n", "schema_version": 3, "data": {"x": 1},
        "tags": ("t:1", "t:2"), "recorded_at": 1_000_000, "valid_at": 2_000_000, "correlation_id": "story",
        "causation_id": "because", "actor": "ann", "metadata": {"k": "v"},
    }  # fmt: skip
    assert fields_to_be(SAME, 2) == fields_of(ROW) == fields_of(ROW._replace(position=6))


@pytest.mark.parametrize("data", [b"{", b"\xff", b"[" * 100_000])
def test_what_no_value_can_hold_counts_by_its_bytes(data: bytes) -> None:
    assert fields_of(ROW._replace(data=data))[5] == data.hex()


def test_what_arrives_has_the_digest_of_what_then_stands_there() -> None:
    source, target = Digests(), Digests()
    for row in (ROW._replace(version=1), ROW, ROW._replace(stream="a-2", version=1)):
        assert source.add_arriving(unchanged(row)) == target.add(row)
    assert source.totals == target.totals
    assert (source.totals.events, source.totals.streams, len(source.totals.digest)) == (3, 2, 32)
    assert {name: found.events for name, found in source.streams.items()} == {"a-1": 2, "a-2": 1}
    assert (source.of("a-3"), differing(source, target)) == (EMPTY, [])


def test_digests_depend_on_the_order_and_on_what_was_there_before() -> None:
    one, other, longer = Digests(), Digests(), Digests()
    first, second = ROW._replace(version=1), ROW._replace(stream="b-1", version=1)
    for digests, rows in ((one, (first, second)), (other, (second, first)), (longer, (first, second, ROW))):
        for row in rows:
            digests.add(row)
    assert (one.streams == other.streams, one.totals.digest == other.totals.digest) == (True, False)
    assert one.of("a-1") != longer.of("a-1")
    assert len(one.of("a-1").digest) == len(EMPTY.digest) == 16
    assert (differing(one, longer), differing(Digests(), one)) == (["a-1"], ["a-1", "b-1"])


def digest(events: int) -> StreamDigest:
    return StreamDigest(events, events.to_bytes(16, "big"))


@pytest.mark.parametrize(
    ("difference", "told"),
    [
        (
            StreamDifference("a-1", digest(1_200), digest(1_000), 1_001),
            "stream 'a-1': event 1001 is missing: 1,000 of 1,200 are there",
        ),
        (
            StreamDifference("a-1", digest(1_000), digest(1_200), 1_001),
            "stream 'a-1': event 1001 is too much: it should have 1,000, and has 1,200",
        ),
        (
            StreamDifference("a-1", digest(2), digest(2), 2, (FieldDifference("data", 1, 2), FieldDifference("tags", 1, 2))),
            "stream 'a-1': event 2 differs in data, tags",
        ),
    ],
    ids=["missing", "too much", "other"],
)  # fmt: skip
def test_a_difference_is_told_in_words(difference: StreamDifference, told: str) -> None:
    assert str(difference) == told


def test_a_copy_is_equal_if_it_holds_what_it_should_whatever_the_source_held() -> None:
    source, expected, other = Totals(3, 1, "s"), Totals(2, 1, "e"), Totals(2, 1, "o")
    equal = Equivalence(Position(3), source, expected, expected, 0, (), None, None, {})
    assert (equal.is_equal, msgspec.structs.replace(equal, target=other).is_equal) == (True, False)
