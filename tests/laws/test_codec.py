"""Whatever class an event has, what was stored reads back equal."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, Literal
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refold import InvalidEvent, RawEvent, UndecodableEvent, UnknownEventType, UsageError, event
from refold.codec import Codec, as_json, form_of, raw_json
from refold.decoding import events_of
from refold.messages import spec_of
from refold.testing import strategies as refold_st


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


@dataclass(frozen=True)
class Money:
    amount: Decimal
    currency: Literal["EUR", "NOK"] = "EUR"


class Point(msgspec.Struct, frozen=True, tag="point"):
    x: int
    y: int


class Circle(msgspec.Struct, frozen=True, tag="circle"):
    centre: Point
    radius: float


@event("law.bare")
class Bare:
    text: str
    number: int = 0
    price: Money | None = None
    shape: Point | Circle | None = None
    moment: datetime | None = None
    day: date | None = None
    hour: time | None = None
    span: timedelta | None = None
    id: UUID | None = None
    colour: Colour = Colour.RED
    size: Size = Size.SMALL
    tags: frozenset[str] = frozenset()
    pair: tuple[int, str] = (0, "")
    many: tuple[Money, ...] = ()
    by_name: dict[str, int] = field(default_factory=dict)
    data: bytes = b""
    anything: Any = None
    flag: bool | None = None
    either: int | str = 0


@event("law.dataclass")
@dataclass(frozen=True)
class Plain:
    price: Money
    moment: datetime


@event("law.pydantic")
class Model(pydantic.BaseModel, frozen=True):
    text: str
    price: Decimal
    moment: datetime
    id: UUID
    colour: Colour
    nested: dict[str, list[int]]


@event("law.attrs")
@attrs.frozen
class Attrs:
    text: str
    price: Decimal
    colour: Colour
    many: tuple[int, ...]


@event("law.struct")
class Struct(msgspec.Struct, frozen=True):
    text: str
    shape: Point | Circle
    price: Decimal
    size: Size


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=4)
MOMENTS = st.datetimes(timezones=st.timezones() | st.none())
MONEY = st.builds(Money, DECIMALS, st.sampled_from(["EUR", "NOK"]))
POINTS = st.builds(Point, st.integers(-99, 99), st.integers(-99, 99))
SHAPES = POINTS | st.builds(Circle, POINTS, FINITE)
INTS = st.integers(-(2**63), 2**63 - 1)
EXAMPLES = st.one_of(
    st.builds(
        Bare, text=TEXT, number=INTS, price=st.none() | MONEY, shape=st.none() | SHAPES,
        moment=st.none() | st.datetimes(timezones=st.none() | st.just(datetime.now().astimezone().tzinfo)),
        day=st.none() | st.dates(), hour=st.none() | st.times(), span=st.none() | st.timedeltas(timedelta(-9), timedelta(9)),
        id=st.none() | st.uuids(), colour=st.sampled_from(Colour), size=st.sampled_from(Size),
        tags=st.frozensets(TEXT, max_size=3),
        pair=st.tuples(INTS, TEXT), many=st.lists(MONEY, max_size=2).map(tuple), by_name=st.dictionaries(TEXT, INTS, max_size=2),
        data=st.binary(max_size=20), anything=refold_st.json_values(), flag=st.none() | st.booleans(), either=INTS | TEXT,
    ),
    st.builds(Plain, MONEY, st.datetimes(timezones=st.timezones())),
    st.builds(
        Model, text=TEXT, price=DECIMALS, moment=st.datetimes(), id=st.uuids(), colour=st.sampled_from(Colour),
        nested=st.dictionaries(TEXT, st.lists(st.integers(), max_size=3), max_size=2),
    ),
    st.builds(Attrs, TEXT, DECIMALS, st.sampled_from(Colour), st.lists(INTS, max_size=3).map(tuple)),
    st.builds(Struct, TEXT, SHAPES, DECIMALS, st.sampled_from(Size)),
)  # fmt: skip


@pytest.mark.guarantee("G13")
@given(EXAMPLES)
def test_an_event_of_any_class_reads_back_equal(example: object) -> None:
    form = Codec().form(type(example))
    try:
        data = form.written(example)
    except InvalidEvent as error:
        # Time zones with seconds, such as those before 1900, are all that JSON's times cannot carry.
        assert "zone" in str(error) or "would not read back equal" in str(error)  # noqa: PT017 - either outcome is legal
        return
    back = form.decode(data)
    assert (back, type(back)) == (example, type(example))
    data.decode("utf-8")


@pytest.mark.guarantee("G13")
@given(st.dictionaries(TEXT, refold_st.json_values(), max_size=4))
def test_a_raw_event_reads_back_equal(data: dict[str, Any]) -> None:
    codec = Codec([RawEvent])
    [event] = events_of(codec.known, "a", 3, raw_json(RawEvent("a", data, 3)), "s-1", 1, 1)
    assert event == RawEvent("a", data, 3)


@given(st.binary(max_size=60) | TEXT.map(str.encode))
def test_whatever_bytes_stand_in_a_store_they_are_an_event_or_an_error_that_names_their_place(data: bytes) -> None:
    known = Codec([Bare, Model, Attrs, Struct, Plain]).known
    for name in ("law.bare", "law.pydantic", "law.attrs", "law.struct", "law.dataclass"):
        try:
            events_of(known, name, 1, data, "s-1", 7, 9)
        except UndecodableEvent as error:
            assert (error.type, error.stream, error.version, error.position) == (name, "s-1", 7, 9)  # noqa: PT017


@given(EXAMPLES)
def test_any_event_can_be_shown_as_plain_json(example: object) -> None:
    shown = as_json(example)
    assert isinstance(shown, dict)
    assert msgspec.json.decode(msgspec.json.encode(shown)) == shown


@pytest.mark.parametrize("cls", [Bare, Plain, Model, Attrs, Struct])
def test_a_marked_class_keeps_its_kind(cls: type[Any]) -> None:
    assert spec_of(cls).name.startswith("law.")
    assert form_of(cls, spec_of(cls)).cls is cls
    assert issubclass(Model, pydantic.BaseModel)
    assert issubclass(Struct, msgspec.Struct)
    assert attrs.has(Attrs)


def test_a_bare_class_becomes_frozen_and_slotted() -> None:
    bare = Bare("x")
    with pytest.raises(AttributeError):
        bare.text = "y"  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue] - the mistake under test
    assert not hasattr(bare, "__dict__")
    assert hash(Plain(Money(Decimal(1)), datetime(1, 1, 1, tzinfo=UTC))) == hash(
        Plain(Money(Decimal(1)), datetime(1, 1, 1, tzinfo=UTC))
    )


def test_a_subclass_of_an_event_is_none_until_it_is_marked() -> None:
    class Sub(Plain):
        pass

    with pytest.raises(UsageError, match="is no event: mark the class with @event"):
        spec_of(Sub)


def test_one_name_belongs_to_one_class() -> None:
    codec = Codec([Plain])

    @event("law.dataclass")
    class Other:
        a: int

    with pytest.raises(UsageError, match=r"claimed by .*Plain and .*Other"):
        codec.form(Other)
    codec.form(Plain)


@event("law.complex")
@dataclass(frozen=True)
class Complex:
    a: complex


@event("law.lost")
@dataclass(frozen=True)
class Lost:
    a: Nowhere  # type: ignore[name-defined] # pyright: ignore[reportUndefinedVariable] # noqa: F821 - the mistake under test


def test_a_field_that_cannot_be_found_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"event 'law\.lost' \(Lost\) cannot be stored as JSON: .*Nowhere"):
        Codec([Lost])


def test_a_field_that_json_cannot_carry_is_refused_at_append() -> None:
    with pytest.raises(InvalidEvent, match=r"event 'law\.complex' cannot be stored: objects of type complex"):
        Codec().form(Complex).written(Complex(1j))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: event(Plain), r"@event on Plain lacks the name that it is stored under: write @event\(\"cart"),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        (lambda: event(""), "it is empty. Write @event"),
        (lambda: event("a\nb"), "is not printable. Write @event"),
        (lambda: event("a", version=0), "event 'a' has version 0: the first is 1"),
    ],
    ids=["no-name", "empty", "unprintable", "version"],
)
def test_a_wrong_mark_says_how_it_is_written(call: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        call()


def test_a_type_that_nobody_knows_lists_those_that_are() -> None:
    with pytest.raises(UnknownEventType, match=r"known are: law\.attrs, law\.struct") as caught:
        events_of(Codec([Struct, Attrs]).known, "gone", 1, b"{}", "s-1", 2, 3)
    assert caught.value.known == ("law.attrs", "law.struct")
