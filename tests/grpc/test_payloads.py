"""Laws: what one side appended, the other reads as the same; bytes come back as they came, tags in their order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.grpc.serving import umadb

from refold import NewEvent, RawEvent, Store
from refold.rpc.notes import KEY, Note, note_in, placed, places_of
from refold.rpc.payloads import BYTES, WRITINGS, Written, given_back, kept

ONE_STORE = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])

texts = st.text(st.characters(codec="utf-8"))
names = st.text(st.characters(codec="utf-8", categories=("L", "N", "S")), min_size=1, max_size=20).filter(
    lambda text: not text.startswith("$")
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(texts, json_values, max_size=4)
ways_to_write = st.sampled_from(
    [
        *WRITINGS.values(),
        lambda data: json.dumps(data, indent=2).encode(),
        lambda data: json.dumps(data).encode() + b"\n",
    ]
)
payloads = st.binary(max_size=200) | st.builds(lambda data, write: write(data), objects, ways_to_write)


@settings(max_examples=400)
@given(payloads)
@example(b"")
@example(b"{}")
@example(b'{"a":1,"a":2}')
@example(b'{"a":1.0e0}')
@example(b'{"a":123456789012345678901234567890}')
@example(b'{"a":1e999}')
@example(b'{"a":"\\ud800"}')
@example(b'{"$bytes":"AA=="}')
@example(b'{"a": NaN}')
@example(b'{"a":' * 2_000 + b"1" + b"}" * 2_000)
@example(b'{ "a":"' + b"x" * 40_000 + b'"}')
def test_bytes_come_back_as_they_came(payload: bytes) -> None:
    data, written = kept(payload)
    stored = msgspec.json.encode(data)
    assert given_back(msgspec.json.decode(stored), written) == payload


@given(objects, ways_to_write)
def test_json_is_kept_as_json_however_it_was_written(data: Mapping[str, Any], write: Any) -> None:
    found, written = kept(write(data))
    assert found == json.loads(write(data))
    assert written.way != BYTES


@given(st.lists(names, max_size=6))
def test_tags_come_back_in_their_order(tags: list[str]) -> None:
    assert [*placed({*tags}, places_of(tags))] == tags


@given(st.dictionaries(texts, texts) | st.builds(lambda text: {KEY: text}, texts), st.dictionaries(texts, json_values))
@example({KEY: '{"written":{"way":"text"}}'}, {})
@example({KEY: '{"written":{"way":"$bytes"}}'}, {BYTES: 1})
@example({KEY: '{"written":{"way":"$bytes"}}'}, {BYTES: "=a"})
@example({KEY: '{"written":{"way":"?"},"places":[9,-1],"tracking":["a",-1]}'}, {})
@example({KEY: '{"tracking":["a",99999999999999999999]}'}, {})
def test_a_note_that_others_wrote_breaks_nothing(metadata: Mapping[str, str], data: Mapping[str, Any]) -> None:
    note = note_in(metadata)
    assert isinstance(given_back(data, note.written), bytes)
    assert sorted(placed({"a", "b"}, note.places)) == ["a", "b"]
    assert note.tracking is None or 0 <= note.tracking[1] < 2**64


def test_a_note_is_written_only_where_there_is_something_to_note() -> None:
    assert Note(Written(), places_of(["a", "b"])).entry() == {}


events = st.builds(  # ids are not drawn: one that is drawn again names the first event
    lambda *given: umadb.Event(*given[:3], uuid4(), given[3]),
    names, payloads, st.lists(names, max_size=4), st.dictionaries(names, texts, max_size=3),
)  # fmt: skip


def parts(event: Any) -> tuple[Any, ...]:
    return event.event_type, event.data, event.tags, event.uuid, event.metadata


@ONE_STORE
@given(st.lists(events, min_size=1, max_size=5))
def test_what_a_client_appends_it_reads_as_the_same(uma: Any, batch: list[Any]) -> None:
    before = uma.head() or 0
    last = uma.append(batch)
    read = [*uma.read(start=before + 1)]
    assert [parts(each.event) for each in read] == [*map(parts, batch)]
    assert read[-1].position == uma.head() == last


recorded = st.builds(
    lambda name, data, tags, free: NewEvent(RawEvent(name, data), uuid4(), tags=frozenset(tags), metadata=free),
    names, objects, st.sets(names, max_size=4), st.dictionaries(names, texts, max_size=3),
)  # fmt: skip


@ONE_STORE
@given(st.lists(recorded, min_size=1, max_size=5))
def test_what_refold_appends_a_client_reads_as_the_same(
    uma: Any, store: Store, batch: list[NewEvent[RawEvent]]
) -> None:
    receipt = store.context(actor="me").append("heap-1", batch)
    told = [(parts(each.event), each.position, each.tracking_info) for each in uma.read(start=receipt.positions[0])]
    assert told == [
        (
            (new.data.type, msgspec.json.encode(new.data.data), sorted(new.tags), new.id, _metadata(new, batch[0].id)),
            position,
            None,
        )
        for new, position in zip(batch, receipt.positions, strict=True)
    ]


def _metadata(new: NewEvent[RawEvent], story: UUID | None) -> dict[str, str]:
    free = new.metadata
    assert isinstance(free, Mapping)
    return {**free, "$stream": "heap-1", "$correlation_id": str(story), "$actor": "me"}


@pytest.mark.parametrize("payload", [b"{}" * 2, b"[1]", b'"a"', b"1"])
def test_what_is_no_object_is_kept_as_bytes(payload: bytes) -> None:
    data, written = kept(payload)
    assert ([*data], written) == ([BYTES], Written(BYTES))
