"""Laws of names, ids and queries."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refold import InvalidName, Query, QueryItem, StreamName
from refold.clock import SystemClock, as_datetime, as_microseconds, as_text, as_uuid, uuid7
from refold.messages import checked_name
from refold.query import ANY, EXISTS, NO_STREAM, holds
from refold.testing import ManualClock
from refold.testing import strategies as refold_st

FEW = st.frozensets(st.sampled_from("abcd"), max_size=4)


@given(refold_st.stream_names())
def test_a_stream_name_is_read_as_it_was_written(name: StreamName) -> None:
    assert StreamName.parse(str(name)) == name
    assert StreamName.parse(name) is name


@given(refold_st.stream_names(), refold_st.stream_names())
def test_two_names_are_written_alike_only_if_they_are_one(a: StreamName, b: StreamName) -> None:
    assert (str(a) == str(b)) == (a == b)


@given(st.text())
def test_text_is_a_name_or_is_refused_with_a_sentence_that_can_be_printed(text: str) -> None:
    try:
        assert checked_name("thing", text) == text
    except InvalidName as error:
        told = str(error)
    else:
        told = "fine"
        assert 1 <= len(text) <= 200
        assert not set(text) & set(map(chr, [*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F)]))
        text.encode()
    assert told.isprintable()


@given(refold_st.names())
def test_generated_names_are_names(name: str) -> None:
    assert checked_name("thing", name) == name


@given(FEW, FEW, st.sampled_from("abcd"), FEW)
def test_an_item_matches_one_of_its_types_and_all_of_its_tags(
    types: frozenset[str], wanted: frozenset[str], type: str, tags: frozenset[str]
) -> None:
    if types or wanted:
        expected = (type in types if types else True) and all(tag in tags for tag in wanted)
        assert QueryItem(types, wanted).matches(type, tags) == expected


@given(
    refold_st.queries(st.sampled_from("ab"), st.sampled_from("tu")),
    refold_st.queries(st.sampled_from("ab"), st.sampled_from("tu")),
)
def test_or_matches_what_either_matches(one: Query, other: Query) -> None:
    every = [(type, frozenset(tags)) for type in "abc" for tags in ("", "t", "u", "tu")]
    for type, tags in every:
        assert (one | other).matches(type, tags) == (one.matches(type, tags) or other.matches(type, tags))
    assert all(Query.all().matches(type, tags) for type, tags in every)
    assert (one | other) == (other | one)


@given(st.integers(0, 10))
def test_an_expectation_holds_for_just_the_versions_that_it_names(version: int) -> None:
    assert [e for e in range(11) if holds(e, version)] == [version]
    assert (holds(ANY, version), holds(NO_STREAM, version), holds(EXISTS, version)) == (True, version == 0, version > 0)


@given(st.integers(0, (1 << 60) - 1), st.binary(min_size=8, max_size=8))
def test_a_uuid7_has_its_layout(moment: int, random: bytes) -> None:
    """RFC 9562, figure 11: 48 bits of milliseconds, version, 12 bits, variant, 62 bits."""
    id = as_uuid(uuid7(moment, random))
    assert (id.version, id.variant) == (7, "specified in RFC 4122")
    assert id.int >> 80 == moment >> 12
    assert (id.int >> 64) & 0xFFF == moment & 0xFFF
    assert id.int & ((1 << 62) - 1) == int.from_bytes(random, "big") & ((1 << 62) - 1)
    assert as_text(id.bytes) == str(id)


@given(st.integers(0, (1 << 60) - 2), st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8))
def test_a_later_uuid7_is_greater(moment: int, one: bytes, other: bytes) -> None:
    assert uuid7(moment, one) < uuid7(moment + 1, other)


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock()])
def test_ids_rise_and_none_comes_twice(clock: SystemClock | ManualClock) -> None:
    ids = [clock.new_id() for _ in range(20_000)]
    assert ids == sorted(set(ids))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_makes_other_ids() -> None:
    def random_half(of: bytes) -> bytes:
        return of[8:]

    clock = SystemClock()
    clock.new_id()  # so that there are numbers in stock
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.write(writing, clock.new_id())
        os._exit(0)
    os.waitpid(child, 0)
    assert random_half(os.read(reading, 16)) != random_half(clock.new_id())


def test_an_id_tells_about_when_it_was_made() -> None:
    before = datetime.now(UTC).timestamp()
    milliseconds = int.from_bytes(SystemClock().new_id()[:6], "big")
    assert before - 0.002 <= milliseconds / 1_000 <= datetime.now(UTC).timestamp()


@given(st.datetimes(timezones=st.sampled_from([UTC])))
def test_a_time_is_its_microseconds(moment: datetime) -> None:
    assert as_datetime(as_microseconds(moment)) == moment
