"""Copies: the same from and to every backend, by law; and what is wrong with one is found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.copying.places import WAYS, Places, held

from refold import (
    Copied,
    Fold,
    NewEvent,
    NotACopy,
    Position,
    Projection,
    RawEvent,
    Store,
    StoredEvent,
    StreamName,
    StreamWrite,
    TransformFailed,
    event,
    sql,
)
from refold.copying.report import FieldDifference, StateDifference, States
from refold.ports import Write
from refold.rows import NewRow
from refold.testing import ManualClock
from refold.testing import strategies as refold_st

SLOW = [
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.function_scoped_fixture,
]
STREAMS = st.sampled_from(["account-1", "account-2", "a-b-1", "Ä-€"]) | refold_st.stream_names().map(str)
WRITES = st.dictionaries(STREAMS, st.lists(refold_st.raw_events(), min_size=1, max_size=4), min_size=1, max_size=3)
HISTORIES = st.lists(st.tuples(st.integers(0, 2), WRITES), max_size=6)
"""Appends, each to several streams, and the microseconds that pass before it."""


def fill(store: Store, clock: ManualClock, history: Iterable[tuple[int, dict[str, Any]]]) -> None:
    for pause, writes in history:
        clock.move(timedelta(microseconds=pause))
        store.append_all([StreamWrite(name, events) for name, events in writes.items()])


def example(store: Store) -> None:
    """Two carts and an order, seven events."""
    for stream, type, data, tags in (
        ("cart-1", "added", {"sku": "b", "qty": 2}, {"sku:b"}),
        ("cart-1", "noted", {"text": "a gift"}, set[str]()),
        ("cart-2", "added", {"sku": "b", "qty": 1}, {"sku:b"}),
        ("order-1", "placed", {"cart": "1", "lines": ["b", "c"]}, set[str]()),
        ("cart-1", "added", {"sku": "c", "qty": 1}, {"sku:c"}),
        ("cart-2", "added", {"sku": "d", "qty": 1}, {"sku:d"}),
        ("order-1", "paid", {}, set[str]()),
    ):
        store.append(stream, [NewEvent(RawEvent(type, data), tags=frozenset(tags))])


@pytest.fixture
def source() -> Iterator[Store]:
    with Store.open("memory://", events=[RawEvent]) as store:
        example(store)
        yield store


@pytest.fixture
def target() -> Iterator[Store]:
    with Store.open("sqlite:///:memory:", events=[RawEvent]) as store:
        yield store


def streams(store: Store) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for e in store.read():
        found.setdefault(str(e.stream), []).append(e.type)
    return found


# Law ---------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new"), WAYS)
@settings(max_examples=5, suppress_health_check=SLOW)
@given(history=HISTORIES)
def test_a_copy_has_the_digests_of_its_source_whatever_the_backends(
    places: Places, old: str, new: str, history: list[tuple[int, dict[str, Any]]]
) -> None:
    clock = ManualClock()
    source, target = places.open(old, clock), places.open(new)
    try:
        fill(source, clock, history)
        source.copy_to(target)
        report = source.check_copy(target)
        assert (report.is_equal, report.differing, report.source) == (True, 0, report.target)
        assert held(target) == held(source)
        assert target.check_copy(source).is_equal
    finally:
        places.close()


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(history=HISTORIES, cut=st.integers(0, 6))
def test_a_copy_in_two_runs_is_one_in_a_single_run(history: list[tuple[int, dict[str, Any]]], cut: int) -> None:
    clock = ManualClock()
    with (
        Store.open("memory://", events=[RawEvent], clock=clock) as source,
        Store.open("memory://", events=[RawEvent]) as once,
        Store.open("memory://", events=[RawEvent]) as twice,
    ):
        for part in (history[:cut], history[cut:]):
            fill(source, clock, part)
            source.copy_to(twice, transform=restless)
        source.copy_to(once, transform=restless)
        assert held(twice) == held(once)
        assert source.check_copy(twice, transform=restless).is_equal
        assert source.copy_to(twice, transform=restless).written == 0


def restless(event: StoredEvent) -> Iterable[StoredEvent]:
    """Nothing, itself, or several, by the id: what is last in the target is any of them."""
    for n in range(event.id.int % 4):
        yield replace(event, stream=StreamName("part", str(n)), data={"was": dict(event.data)})


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), refold_st.json_values()), st.randoms())
def test_spaces_and_the_order_of_keys_make_no_difference_to_a_digest(data: dict[str, Any], random: Any) -> None:
    keys = random.sample([*data], len(data))
    texts = msgspec.json.encode(data), msgspec.json.format(msgspec.json.encode({key: data[key] for key in keys}))
    digests = {one_digest(NewRow(bytes(16), "t", 1, text, (), None, "s", None, None, b"{}")) for text in texts}
    assert len(digests) == 1


def one_digest(row: NewRow) -> str:
    with Store.open("memory://", events=[RawEvent], clock=ManualClock()) as store:
        store.append_all([Write("a-1", (row,))])
        return store.check_copy(store).target.digest


def test_each_field_of_an_event_makes_a_difference_to_its_digest() -> None:
    row = NewRow(bytes(16), "t", 1, b"{}", (), None, "s", None, None, b"{}")
    others: dict[str, Any] = {
        "id": bytes(15) + b"x", "type": "u", "schema_version": 2, "data": b'{"a":1}', "tags": ("t",), "valid_at": 1,
        "correlation_id": "r", "causation_id": "c", "actor": "a", "metadata": b'{"k":"v"}',
    }  # fmt: skip
    assert set(others) == set(NewRow.__struct_fields__)
    changed = [msgspec.structs.replace(row, **{name: value}) for name, value in others.items()]
    assert len({one_digest(each) for each in [row, *changed]}) == len(others) + 1


# What is kept, and what is found -------------------------------------------------


def test_read_models_that_the_target_keeps_inline_are_brought_along(source: Store, target: Store) -> None:
    seen = Projection("seen", schema="create table seen (position integer primary key)")

    @seen.on(RawEvent)
    def see(e: Any) -> Iterator[Any]:
        yield sql("insert into seen values (:position)", position=e.position)

    source.copy_to(target.inline(seen))
    assert target.query("select count(*) from seen") == [(7,)]


def test_a_page_that_becomes_more_than_a_thousand_events_brings_them_along_too(target: Store) -> None:
    seen = Projection("seen", schema="create table seen (position integer primary key)")

    @seen.on(RawEvent)
    def see(e: Any) -> Iterator[Any]:
        yield sql("insert into seen values (:position)", position=e.position)

    with Store.open("memory://", events=[RawEvent]) as source:
        source.append("a-1", [RawEvent("t", {})] * 700)
        source.copy_to(target.inline(seen), transform=lambda e: (e, replace(e, type="u")))
    assert target.query("select count(*), max(position) from seen") == [(1_400, 1_400)]


def test_a_copy_is_told_of_page_by_page(target: Store) -> None:
    told: list[Copied] = []
    with Store.open("memory://", events=[RawEvent]) as source:
        for _ in range(3):
            source.append("a-1", [RawEvent("t", {})] * 700)
        source.copy_to(target, tell=told.append)
    assert told == [Copied(n, n, Position(n)) for n in (1_000, 2_000, 2_100)]


@pytest.mark.parametrize(
    ("planted", "difference"),
    [
        ({"data": {"text": "another"}}, FieldDifference("data", {"text": "a gift"}, {"text": "another"})),
        ({"type": "Noted"}, FieldDifference("type", "noted", "Noted")),
        ({"schema_version": 2}, FieldDifference("schema_version", 1, 2)),
        ({"tags": frozenset("t")}, FieldDifference("tags", (), ("t",))),
        ({"valid_at": datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)}, FieldDifference("valid_at", None, 1_000_000)),
        ({"actor": "eve"}, FieldDifference("actor", None, "eve")),
        ({"causation_id": "x"}, FieldDifference("causation_id", None, "x")),
        ({"metadata": {"k": "v"}}, FieldDifference("metadata", {}, {"k": "v"})),
    ],
)
def test_a_planted_difference_is_found(
    source: Store, target: Store, planted: dict[str, Any], difference: FieldDifference
) -> None:
    source.copy_to(target, transform=lambda e: [replace(e, **planted) if e.position == 2 else e])
    report = source.check_copy(target)
    (found,) = report.differences
    assert (report.is_equal, report.differing) == (False, 1)
    assert (found.stream, found.version, found.fields) == ("cart-1", 2, (difference,))
    assert str(found) == f"stream 'cart-1': event 2 differs in {difference.field}"


def test_an_event_that_is_missing_or_too_much_is_found(source: Store, target: Store) -> None:
    source.copy_to(target, transform=lambda e: [e] if e.position < 6 else [])
    target.append("cart-1", [RawEvent("added", {})])
    assert [str(each) for each in source.check_copy(target).differences] == [
        "stream 'cart-1': event 4 is too much: it should have 3, and has 4",
        "stream 'cart-2': event 2 is missing: 1 of 2 are there",
        "stream 'order-1': event 2 is missing: 1 of 2 are there",
    ]


def test_another_order_over_streams_is_a_difference_though_each_stream_is_equal() -> None:
    writes = [StreamWrite(f"a-{n}", [NewEvent(RawEvent("t", {}), UUID(int=n))]) for n in (1, 2)]
    with (
        Store.open("memory://", events=[RawEvent], clock=ManualClock()) as one,
        Store.open("memory://", events=[RawEvent], clock=ManualClock()) as other,
    ):
        one.append_all(writes)
        other.append_all(writes[::-1])
        report = one.check_copy(other)
    assert (report.is_equal, report.differing) == (False, 0)


def test_a_copy_may_be_compared_as_the_source_was_at_a_position(source: Store, target: Store) -> None:
    source.copy_to(target)
    source.append("cart-3", [RawEvent("added", {})])
    assert source.check_copy(target, until=Position(7)).is_equal
    assert not source.check_copy(target).is_equal


def test_nobody_else_may_write_to_the_target(source: Store, target: Store) -> None:
    source.copy_to(target)
    target.append("cart-1", [RawEvent("added", {})])
    source.append("cart-1", [RawEvent("added", {})])
    before = held(target)
    with pytest.raises(NotACopy, match="position 8, 'added' of stream 'cart-1', was not copied from the source"):
        source.copy_to(target)
    assert held(target) == before


def test_whoever_writes_meanwhile_is_found_before_the_next_page(target: Store) -> None:
    with Store.open("memory://", events=[RawEvent]) as source:
        for _ in range(2):
            source.append("a-1", [RawEvent("t", {})] * 1_000)
        with pytest.raises(NotACopy, match="its event at position 1001, 't' of stream 'b-1', was not copied"):
            source.copy_to(target, tell=lambda _: target.append("b-1", [RawEvent("t", {})]))
        assert target.head() == 1_001


class Stopped(Exception):
    """Somebody stopped a copy."""


@pytest.mark.parametrize("backend", ["sqlite", "nats"])
def test_what_another_copy_of_the_same_source_wrote_meanwhile_is_gone_on_from(places: Places, backend: str) -> None:
    source, target = places.open("memory"), places.open(backend)
    for _ in range(3):
        source.append("a-1", [RawEvent("t", {})] * 1_000)

    def stop(_: Copied) -> None:
        raise Stopped

    def another(copied: Copied) -> None:
        if copied.position == 1_000:
            with pytest.raises(Stopped):
                source.copy_to(target, tell=stop)

    assert source.copy_to(target, tell=another) == Copied(2_000, 2_000, Position(3_000))
    assert source.check_copy(target).is_equal


@pytest.mark.parametrize("backend", ["sqlite", "nats"])
def test_a_target_that_holds_a_coming_event_elsewhere_is_no_copy(places: Places, backend: str) -> None:
    source, target = places.open("memory"), places.open(backend)
    first, second = source.append("a-1", [RawEvent("t", {}), RawEvent("t", {})]).ids
    head = target.append("a-1", [NewEvent(RawEvent("t", {}), id) for id in (second, first)]).position
    with pytest.raises(NotACopy, match=f"an event that belongs after its position {head} stands there already"):
        source.copy_to(target)


# Transforms ----------------------------------------------------------------------


def test_a_stream_may_be_split_in_several(source: Store, target: Store) -> None:
    def by_line(event: StoredEvent) -> Iterable[StoredEvent]:
        if event.type != "placed":
            yield event
            return
        for line in event.data["lines"]:
            data = {"order": event.stream.id, "sku": line}
            yield replace(event, stream=StreamName("line", f"{event.stream.id}-{line}"), type="line-placed", data=data)

    source.copy_to(target, transform=by_line)

    assert streams(target) == {
        "cart-1": ["added", "noted", "added"],
        "cart-2": ["added", "added"],
        "line-1-b": ["line-placed"],
        "line-1-c": ["line-placed"],
        "order-1": ["paid"],
    }
    placed = next(source.read("order-1"))
    (first,), (second,) = target.read("line-1-b"), target.read("line-1-c")
    assert (first.id, second.id) == (placed.id, uuid5(placed.id, "1"))
    assert (first.recorded_at, first.metadata, second.metadata) == (
        placed.recorded_at,
        placed.metadata,
        placed.metadata,
    )
    report = source.check_copy(target, transform=by_line)
    assert (report.is_equal, report.changes) == (
        True, {"unchanged": 6, "split": 1, "added": 1, "moved": 1, "renamed": 1, "data": 1},
    )  # fmt: skip


def test_streams_may_be_merged_in_the_order_of_their_events(source: Store, target: Store) -> None:
    def merged(event: StoredEvent) -> Iterable[StoredEvent]:
        yield replace(event, stream=StreamName("shop", "all"), metadata={**event.metadata, "was": str(event.stream)})

    source.copy_to(target, transform=merged)

    assert [(e.version, e.metadata.free["was"]) for e in target.read("shop-all")] == list(
        enumerate(["cart-1", "cart-1", "cart-2", "order-1", "cart-1", "cart-2", "order-1"], 1)
    )
    report = source.check_copy(target, transform=merged)
    assert (report.is_equal, report.target.streams, report.changes) == (True, 1, {"moved": 7, "metadata": 7})


def test_events_may_be_tagged_anew_and_renamed(source: Store, target: Store) -> None:
    def tidied(event: StoredEvent) -> Iterable[StoredEvent]:
        tags = frozenset(f"product:{tag.removeprefix('sku:')}" for tag in event.tags)
        yield replace(event, type=f"{event.stream.category}.{event.type}", tags=tags, schema_version=2)

    source.copy_to(target, transform=tidied)

    assert [(e.type, e.schema_version, *e.tags) for e in target.read("cart-2")] == [
        ("cart.added", 2, "product:b"), ("cart.added", 2, "product:d"),
    ]  # fmt: skip
    report = source.check_copy(target, transform=tidied)
    assert (report.is_equal, report.changes) == (True, {"renamed": 7, "schema_version": 7, "tags": 4})


def test_what_a_transform_leaves_as_it_is_keeps_its_bytes(target: Store) -> None:
    row = NewRow(bytes(16), "t", 1, b'{ "b": 1.50, "a": [] }', (), None, "s", None, None, b"{}")
    with Store.open("memory://", events=[RawEvent]) as source:
        source.append_all([Write("a-1", (row,))])
        source.copy_to(target, transform=lambda e: [replace(e, actor="ada")])
    assert target.query("select data from events") == [(row.data,)]


@pytest.mark.parametrize(
    ("transform", "reason"),
    [
        (lambda e: [e.data["missing"]], "KeyError: 'missing'"),
        (lambda e: None, "TypeError: 'NoneType' object is not iterable"),
        (lambda e: [e.data], "it was made into dict, not into a StoredEvent"),
        (lambda e: [replace(e, id=UUID(int=1))], "id, version, position and recorded_at are the copy's: leave them as they are"),
        (lambda e: [replace(e, stream="cart")], "it needs a category and an id, as in 'cart-c-1'"),
        (lambda e: [replace(e, stream="$cart-1")], "categories that begin with '$' are kept for Refold's own streams"),
        (lambda e: [replace(e, type="")], "'' is not an event type: it is empty"),
        (lambda e: [replace(e, data={"x": float("nan")})], "would not read back equal"),
        (lambda e: [replace(e, schema_version=0)], "schema version 0 is below 1"),
        (lambda e: [e] * 1_000, "it was made into 1,000 events, fewer than 1,000 are allowed"),
    ],
)  # fmt: skip
def test_a_transform_that_fails_names_the_event_and_writes_nothing_of_its_page(
    source: Store, target: Store, transform: Any, reason: str
) -> None:
    with pytest.raises(TransformFailed) as caught:
        source.copy_to(target, transform=lambda e: transform(e) if e.position == 5 else [e])
    error = caught.value
    assert (error.type, error.stream, error.version, error.position) == ("added", "cart-1", 3, 5)
    assert reason in error.reason
    assert str(error).startswith("the transform failed on event 'added' of stream 'cart-1', version 3, position 5: ")
    assert target.head() == 0


# States --------------------------------------------------------------------------


def test_states_that_differ_are_told(source: Store, target: Store) -> None:
    carts: Fold[int, RawEvent] = Fold(
        "cart", lambda: 0, lambda total, e: total + int(e.data.get("qty", 0)), events=(RawEvent,)
    )
    source.copy_to(target, transform=lambda e: [replace(e, data={**e.data, "qty": 9}) if e.position == 6 else e])
    states = source.check_copy(target, folds=[carts]).states
    assert states == States(compared=2, differing=1, shown=(StateDifference("cart-2", 2, 10),))


class Plain:
    """A state of a class that knows no other as equal."""

    def __init__(self, total: int = 0) -> None:
        self.total = total


class Measured(msgspec.Struct, eq=False):
    """Another such, which JSON has a form for."""

    total: int = 0


class Odd(Measured):
    """One that must not be asked."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("which of them?")

    __hash__ = None  # type: ignore[assignment]  # as of any class with an __eq__


def counting(cls: Any) -> Fold[Any, RawEvent]:
    return Fold("cart", cls, lambda was, e: cls(was.total + int(e.data.get("qty", 0))), events=(RawEvent,))


@pytest.mark.parametrize("cls", [Measured, Odd])
def test_states_whose_class_finds_no_other_equal_are_compared_as_json(source: Store, target: Store, cls: Any) -> None:
    source.copy_to(target, transform=lambda e: [replace(e, data={**e.data, "qty": 9}) if e.position == 6 else e])
    states = source.check_copy(target, folds=[counting(cls)]).states
    assert states == States(2, 1, (StateDifference("cart-2", {"total": 2}, {"total": 10}),))


def test_states_that_nobody_can_compare_are_counted_and_do_not_differ(source: Store, target: Store) -> None:
    source.copy_to(target, transform=lambda e: [] if e.stream.id == "2" and e.stream.category == "cart" else [e])
    states = source.check_copy(target, folds=[counting(Plain)]).states
    assert states is not None
    assert (states.compared, states.differing, states.incomparable) == (1, 1, 1)
    assert [(each.stream, each.target) for each in states.shown] == [("cart-2", None)]  # which is not there


def test_what_a_fold_raises_stands_for_its_state(source: Store, target: Store) -> None:
    def broken(total: int, e: RawEvent) -> int:
        raise KeyError(e.type)

    source.copy_to(target)
    states = source.check_copy(target, folds=[Fold("order", int, broken, events=(RawEvent,))]).states
    told = {"error": "the fold raises KeyError: 'placed'"}
    assert states == States(1, 1, (StateDifference("order-1", told, told),))


def test_a_state_that_cannot_be_folded_differs(source: Store, target: Store) -> None:
    def broken(total: int, e: Placed) -> int:
        return total

    source.copy_to(target)
    states = source.check_copy(target, folds=[Fold("order", int, broken, events=(Placed,))]).states
    assert states is not None
    assert (states.compared, states.differing) == (1, 1)
    assert (
        "event type 'placed' of stream 'order-1', version 1, position 4 has no class here"
        in states.shown[0].source["error"]
    )


@event("order.placed")
class Placed:
    cart: str
