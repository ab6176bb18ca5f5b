"""However quickly stored events are opened, they are what the simplest code would make of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from refold import (
    InvalidName,
    Metadata,
    Position,
    RawEvent,
    Recorded,
    Store,
    StreamName,
    UndecodableEvent,
    UnknownEventType,
    event,
)
from refold.clock import as_datetime, as_datetimes, as_microseconds, as_uuid, as_uuids
from refold.codec import Codec
from refold.flows.read import opened, opened_all
from refold.rows import Row, made
from refold.testing import strategies as refold_st

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = as_microseconds(datetime.min.replace(tzinfo=UTC)), as_microseconds(datetime.max.replace(tzinfo=UTC))
EDGE = (1 << 32) * 1_000_000
"""From here on, in 2106, times are converted one by one."""

times = st.integers(0, EDGE) | st.integers(FIRST, LAST)
rows = st.builds(
    Row,
    position=st.integers(1, 2**62),
    stream=refold_st.stream_names().map(str),
    version=st.integers(1, 2**62),
    id=st.binary(min_size=16, max_size=16),
    type=st.sampled_from(["law.counted", "unknown"]),
    schema_version=st.just(1),
    data=st.integers(0, 2**63).map(lambda count: b'{"count":%d}' % count),
    tags=st.sets(refold_st.names(), max_size=3).map(lambda tags: json.dumps(sorted(tags))),
    recorded_at=times,
    valid_at=st.none() | times,
    correlation_id=refold_st.names(),
    causation_id=st.none() | refold_st.names(),
    actor=st.none() | refold_st.names(),
    metadata=st.dictionaries(refold_st.names(), refold_st.names(), max_size=3).map(lambda d: json.dumps(d).encode()),
)


@event("law.counted")
class Counted:
    count: int


DECODERS = Codec([Counted, RawEvent]).known


def as_the_simplest_code_has_it(row: Row) -> Recorded[Any]:
    """One after another, by what Python brings along."""
    data = json.loads(row.data)
    category, _, id = row.stream.partition("-")
    return Recorded(
        data=Counted(**data) if row.type == "law.counted" else RawEvent(row.type, data, row.schema_version),
        type=row.type,
        schema_version=row.schema_version,
        stream=StreamName(category, id),
        version=row.version,
        position=Position(row.position),
        recorded_at=EPOCH + timedelta(microseconds=row.recorded_at),
        id=UUID(bytes=row.id),
        tags=frozenset(json.loads(row.tags)),
        metadata=Metadata(
            correlation_id=row.correlation_id,
            causation_id=row.causation_id,
            actor=row.actor,
            valid_at=None if row.valid_at is None else EPOCH + timedelta(microseconds=row.valid_at),
            free=json.loads(row.metadata),
        ),
    )


@given(st.lists(rows, max_size=10), st.integers(1, 20))
def test_many_events_opened_together_are_those_opened_one_by_one(some: list[Row], times_over: int) -> None:
    stored = some * times_over
    simple = [as_the_simplest_code_has_it(row) for row in stored]
    assert (
        list(opened_all(DECODERS, stored)) == [*chain.from_iterable(opened(DECODERS, row) for row in stored)] == simple
    )
    assert [repr(found) for found in opened_all(DECODERS, stored)] == [repr(found) for found in simple]


@given(st.lists(times))
@example([0, EDGE - 1])
@example([EDGE - 1, EDGE])
@example([-1, 0])
@example([FIRST, LAST])
@example([FIRST + 1, 0])
def test_times_converted_together_are_exact_to_the_microsecond(some: list[int]) -> None:
    exact = [EPOCH + timedelta(microseconds=moment) for moment in some]
    assert as_datetimes(some) == [as_datetime(moment) for moment in some] == exact
    assert [as_microseconds(moment) for moment in as_datetimes(some)] == some
    assert {moment.tzinfo for moment in as_datetimes(some)} <= {UTC}


@given(st.lists(st.binary(min_size=16, max_size=16)))
def test_ids_converted_together_are_the_uuids_of_their_bytes(some: list[bytes]) -> None:
    whole = [UUID(bytes=id) for id in some]
    assert as_uuids(some) == [as_uuid(id) for id in some] == whole
    assert [(hash(id), str(id), id.is_safe) for id in as_uuids(some)] == [
        (hash(id), str(id), id.is_safe) for id in whole
    ]


@given(refold_st.names() | refold_st.stream_names().map(str) | st.text("a- \n"))
@example("-1")
@example("a-")
@example("-")
def test_a_name_in_one_text_is_read_or_refused_as_its_two_parts_are(text: str) -> None:
    category, dash, id = text.partition("-")
    told = _told(lambda: StreamName.parse(text))
    assert told == _told(lambda: StreamName.parse(text)), "what is remembered is another"
    assert told == _told(lambda: StreamName(category, id)) if dash else told.startswith("InvalidName")


def _told(make: Callable[[], StreamName]) -> str:
    try:
        name = make()
    except InvalidName as error:
        return f"InvalidName: {error}"
    return f"{name!r} {hash(name)} {name}"


@given(st.lists(rows, max_size=3))
def test_rows_made_of_what_a_driver_gives_have_their_columns(some: list[Row]) -> None:
    fetched = [tuple(row) for row in some]
    assert [(type(row), row._asdict()) for row in made(fetched)] == [(Row, row._asdict()) for row in some]


def test_the_events_before_an_unreadable_one_are_given_and_then_it_is_named() -> None:
    with Store.open("memory://") as store:
        store.append("count-1", [Counted(1), RawEvent("strange", {}), Counted(2)])
        assert _read(store) == ([Counted(1)], "UnknownEventType at 2")


def test_data_that_do_not_fit_their_class_are_named_in_the_middle_of_a_page() -> None:
    with Store.open("memory://", events=[Counted]) as store:
        store.append("count-1", [RawEvent("law.counted", {"count": count}) for count in [*range(100), "many"]])
        assert _read(store) == ([Counted(count) for count in range(100)], "UndecodableEvent at 101")


def _read(store: Store) -> tuple[Sequence[object], str]:
    found: list[object] = []
    try:
        found.extend(recorded.data for recorded in store.read())
    except (UnknownEventType, UndecodableEvent) as error:
        return found, f"{type(error).__name__} at {error.position}"
    pytest.fail("an event that cannot be read was read")
