"""What is exported comes in again the same, in every format: whatever the events say."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.eventlogs.moving import ENDINGS, exported, held, imported, store_of
from tests.eventlogs.ocel_rules import flaws

from refold import Store, default, event, split, upcast
from refold.errors import EventLogError, Refused, UsageError
from refold.eventlogs import parquetlog
from refold.eventlogs import spool as spool_module
from refold.eventlogs.exporter import Choices, export
from refold.eventlogs.importer import Imported
from refold.eventlogs.rows import BadRow
from refold.messages import Metadata, NewEvent, Position, RawEvent, Recorded, StreamName
from refold.upcasting import Parts

CHARACTERS = st.characters(exclude_categories=["Cs"])
TEXTS = st.text(CHARACTERS, max_size=8) | st.sampled_from(
    ["", " ", "\x07", "\n\t\r", "<&>\"'", "\ufffe", "[]", "1", "ü"]
)
NUMBERS = (
    st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0, 1, 1.0, 2**64, -(2**63) - 1, 10**30])
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
KEYS = TEXTS | st.sampled_from([
    "concept:name", "time:timestamp", "identity:id", "lifecycle:transition", "org:resource", "case:concept:name", "case:x",
    "refold.data", "refold.position", "type", "id", "time", "amount",
])  # fmt: skip
NAMES = st.sampled_from(["1", "a:b", "a-b", "ü <x>", "gift", "tag-gift"])
CATEGORIES = st.sampled_from(["account", "tag", "x:y"])
TAGS = st.sampled_from(["gift", "tag:gift", "account:1", "a-b:c", ":", "x:", ":x", "x:y:1", "account:a-b", '"', "ü<"])
ACTORS = st.none() | st.sampled_from(["ada", "<bob>"])
TIMES = st.none() | st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
STORIES = (
    st.builds(
        Metadata,
        st.sampled_from(["story", "other"]),
        st.none() | st.just("cause"),
        ACTORS,
        free=st.dictionaries(TEXTS, TEXTS, max_size=2),
    )
    | st.none()
)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, NewEvent[RawEvent]]]:
    """Events for some streams."""
    events = list[tuple[str, NewEvent[RawEvent]]]()
    for number in range(draw(st.integers(0, 6))):
        data = draw(st.dictionaries(KEYS, VALUES, max_size=4))
        event = RawEvent(draw(st.sampled_from(["paid", "a.b", "ü <1>"])), data, draw(st.sampled_from([1, 3])))
        id, story = UUID(int=draw(st.integers(1, 2**100)) * 8 + number), draw(STORIES)
        new = NewEvent(event, id, draw(TIMES), draw(st.frozensets(TAGS, max_size=3)), story or Metadata(str(id)))
        events.append((f"{draw(CATEGORIES)}-{draw(NAMES)}", new))
    return events


@pytest.mark.parametrize(("ending", "by"), [*((ending, "stream") for ending in ENDINGS), ("xes", "correlation")])
@settings(max_examples=40)
@given(events=histories())
def test_what_is_exported_comes_in_again_the_same(
    ending: str, by: str, events: list[tuple[str, NewEvent[RawEvent]]]
) -> None:
    with TemporaryDirectory() as directory, store_of(events) as store, store_of() as new:
        path = Path(directory, f"events.{ending}")
        choices = Choices("stream" if by == "stream" else "correlation")
        assert exported(store, path, choices) == len(events)
        streams = len({stream for stream, _ in events})

        if ending == "ocel.json":
            assert flaws(json.loads(path.read_text())) == []
        assert imported(path, new) == (Imported(len(events), streams, 0), [])
        assert held(new) == held(store)
        assert imported(path, new) == (Imported(0, 0, len(events)), [])
        assert held(new) == held(store)


AWKWARD = [
    "", " ", "a\nb\tc\rd  e", "<&>\"'", "]]>", "\x07", "\x85\u2028", "\ufffe", "[1]", "null", "1", "true", "2024-03-01T12:00:00Z",
    0, 1, -1, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 1.0, 0.1, -0.0, 1e300, 5e-324, True, False, None, [], {}, [None], {"": None},
]  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_value_that_is_awkward_comes_in_again_just_so(tmp_path: Path, ending: str) -> None:
    events = [
        (f"a-{number}", NewEvent(RawEvent(f"type {number}", {"value": value}), UUID(int=number)))
        for number, value in enumerate(AWKWARD, 1)
    ]
    with store_of(events) as store, store_of() as new:
        exported(store, tmp_path / f"events.{ending}")
        assert imported(tmp_path / f"events.{ending}", new)[1] == []
        assert held(new) == held(store)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_value_that_is_long_comes_in_again_just_so(tmp_path: Path, ending: str) -> None:
    texts = ["x" * 131_073, '"\n' * 100_000]
    with store_of(("a-1", NewEvent(RawEvent("t", {"text": text}))) for text in texts) as store, store_of() as new:
        exported(store, tmp_path / f"events.{ending}")
        assert imported(tmp_path / f"events.{ending}", new)[1] == []
        assert held(new) == held(store)


@split("order.closed", 1, into={"order.paid": 1, "order.shipped": 2})
def paid_and_shipped(data: dict[str, Any]) -> Parts:
    yield "order.paid", {"amount": data["amount"]}
    yield "order.shipped", {"to": data["to"]}


@event("order.paid", upcasters=[paid_and_shipped])
class Paid:
    amount: int


@event("order.shipped", version=2, upcasters=[paid_and_shipped, upcast("order.shipped", 1, to=2)(default(to="Ulm"))])
class Shipped:
    to: str


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_read_as_several_events_is_exported_as_several_and_comes_in_again(tmp_path: Path, ending: str) -> None:
    first, id, last = UUID(int=1), UUID(int=2), UUID(int=3)
    path, valid_at = tmp_path / f"events.{ending}", datetime(2024, 3, 1, tzinfo=UTC)
    with Store.open("memory://", events=[Paid, Shipped, RawEvent]) as store, store_of() as new:
        store.append("order-1", [NewEvent(RawEvent("order.shipped", {}), first)])
        closed = RawEvent("order.closed", {"amount": 5, "to": "Oslo"})
        store.append("order-1", [NewEvent(closed, id, valid_at, frozenset({"customer:1"}))])
        store.append("order-1", [NewEvent(Paid(6), last)])
        assert exported(store, path) == 4
        assert imported(path, new) == (Imported(4, 1, 0), [])
        assert imported(path, new) == (Imported(0, 0, 4), [])
        assert [(e.id, e.version, e.type, e.schema_version, e.data.data, e.tags) for e in new.read()] == [
            (first, 1, "order.shipped", 2, {"to": "Ulm"}, frozenset()),
            (id, 2, "order.paid", 1, {"amount": 5}, {"customer:1"}),
            (uuid5(id, "1"), 3, "order.shipped", 2, {"to": "Oslo"}, {"customer:1"}),
            (last, 4, "order.paid", 1, {"amount": 6}, frozenset()),
        ]  # fmt: skip
        assert [e.metadata.valid_at == valid_at for e in new.read()] == [False, True, True, False]


def test_each_message_that_is_exported_has_an_id_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "events.cloudevents.jsonl"
    with Store.open("memory://", events=[Paid, Shipped, RawEvent]) as store:
        store.append("order-1", [RawEvent("order.closed", {"amount": 5, "to": "Oslo"})])
        exported(store, path)
    told = [json.loads(line) for line in path.read_text().splitlines()]
    assert len({(each["source"], each["id"]) for each in told}) == len(told) == 2


@pytest.mark.parametrize("ending", ["jsonl", "csv", "xes", "ocel.json"])
def test_a_packed_export_comes_in_as_well(tmp_path: Path, ending: str) -> None:
    export(many(300), tmp_path / f"events.{ending}")
    packed = tmp_path / f"events.{ending}.gz"
    packed.write_bytes(gzip.compress((tmp_path / f"events.{ending}").read_bytes()))
    with store_of() as new, store_of() as other:
        assert imported(packed, new) == imported(tmp_path / f"events.{ending}", other) == (Imported(300, 300, 0), [])
        assert held(new) == held(other)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_map_of_many_keys_comes_in_again_whole(tmp_path: Path, ending: str) -> None:
    wide = {f"k{number}": number for number in range(1_500)}
    with store_of([("a-1", NewEvent(RawEvent("wide", wide), UUID(int=1)))]) as store, store_of() as new:
        exported(store, tmp_path / f"events.{ending}")
        assert imported(tmp_path / f"events.{ending}", new) == (Imported(1, 1, 0), [])
        assert held(new) == held(store)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("part", [0.5, 0.99])
def test_an_export_that_ends_within_an_event_is_told_and_nothing_is_written(
    tmp_path: Path, ending: str, part: float
) -> None:
    path = tmp_path / f"events.{ending}"
    export(many(300), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b"\n", 0, int(len(whole) * part)) + 20])
    with store_of() as new:
        try:
            told = imported(path, new)
        except EventLogError:
            told = None, [BadRow(1, None, "")]
        assert (told[0], bool(told[1]), held(new)) == (None, True, [])


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_export_that_fails_leaves_what_was_there(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"events.{ending}"

    def broken() -> Iterator[Recorded[RawEvent]]:
        yield from many(3)
        raise OSError("the disk is gone")

    with pytest.raises(UsageError, match="the disk is gone"):
        export(broken(), path)
    assert list(tmp_path.iterdir()) == []

    path.write_text("mine")
    with pytest.raises(Refused):
        export(many(3), path)
    with pytest.raises(UsageError):
        export(broken(), path, replace=True)
    assert (list(tmp_path.iterdir()), path.read_text()) == ([path], "mine")


def test_a_format_that_is_not_known_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"tells no format by its end: known are .*\.parquet and \.xes"):
        export((), tmp_path / "events.txt")
    with pytest.raises(
        UsageError, match="there is no format 'xml': known are jsonl, csv, parquet, xes, ocel, cloudevents"
    ):
        export((), tmp_path / "events.txt", "xml")
    assert export((), tmp_path / "events.txt", "jsonl") == 0


@pytest.mark.parametrize("ending", ENDINGS)
def test_memory_does_not_grow_with_the_history(tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquetlog, "GROUP", 500)  # rows, which are in memory together
    export(many(10), tmp_path / f"first.{ending}")  # what is loaded once is loaded
    tracemalloc.start()
    try:
        export(many(6_000), tmp_path / f"events.{ending}")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_500_000, peak


def many(count: int) -> Iterator[Recorded[RawEvent]]:
    """Events of many streams, each of about 300 bytes."""
    for number in range(1, count + 1):
        yield Recorded(
            RawEvent("paid", {"amount": number, "note": "x" * 200}), "paid", 1, StreamName("account", str(number % 700)),
            number // 700 + 1, Position(number), datetime(2026, 1, 1, tzinfo=UTC), UUID(int=number), frozenset({"kind:a"}),
            Metadata(f"story {number}"),
        )  # fmt: skip


@pytest.mark.parametrize("value", [0, 2**64, -(10**40), 1.5, "ü", [2**70], {"a": 2**70}], ids=str)
def test_what_is_packed_comes_back_equal(value: object) -> None:
    packing = spool_module.Packing(dict[str, object])
    assert packing.unpack(packing.pack({"x": value})) == {"x": value}


def test_what_is_packed_with_a_large_number_keeps_what_is_no_number() -> None:
    packing = spool_module.Packing(list[float])
    assert str(packing.unpack(packing.pack([2**70, float("nan"), float("-inf")]))) == f"[{float(2**70)}, nan, -inf]"


def test_what_is_put_aside_comes_back_in_order() -> None:
    with spool_module.spool() as kept:
        places = [kept.place_of(name, "kind") for name in ("b", "a", "b", "c")]
        for number in range(2_500):
            kept.keep(-number % 7, number, b"%d" % number)
        expected = sorted((-number % 7, number) for number in range(2_500))
        assert [(place, int(content)) for place, content in kept.sorted()] == expected
        assert (places, list(kept.names())) == ([1, 2, 1, 3], [("b", "kind"), ("a", "kind"), ("c", "kind")])
        assert (kept.kind_of("c"), kept.kind_of("d")) == ("kind", None)
