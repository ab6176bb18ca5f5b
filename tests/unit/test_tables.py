"""Tables as values: their columns, their rows as they stand in a database, and what can be no table."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import msgspec
import pytest

from refold import UsageError
from refold.columns import Column
from refold.flows.projections.statements import create, lookups, statement_of
from refold.tables import Delete, Key, Patch, Put, Table


class Size(Enum):
    SMALL = 1
    LARGE = 2


class Mixed(Enum):
    ONE = 1
    TWO = "two"


class Item(msgspec.Struct, frozen=True):
    sku: str
    size: Size
    price: Decimal
    seen: datetime
    day: date
    id: UUID
    left: int = 0
    sold: bool = False
    weight: float | None = None
    notes: tuple[str, ...] = ()
    either: int | str = 0
    picture: bytes = b""
    next: Size | None = None


class Unreadable(msgspec.Struct, frozen=True):
    sku: str
    mixed: Mixed


@dataclass(frozen=True)
class Line:
    cart: str
    no: int
    text: str = ""


@dataclass(frozen=True)
class Variant:
    sku: str
    variant: str | None
    either: int | str | None = None


class Word(Enum):
    """Texts that could be taken for something else."""

    NULL = "null"
    NONE = "None"
    TRUE = "true"
    ONE = "1"


@dataclass(frozen=True)
class Said:
    id: int
    word: Word | None
    literal: Literal["null", "None", "true", "1"] | None
    words: list[Word | None] | None
    either: int | bool | str | None
    by_number: dict[int, Word | None] | None
    text: str | None
    flag: bool | None


@dataclass(frozen=True)
class Only:
    name: str


class Span(msgspec.Struct, frozen=True):
    id: int
    long: timedelta
    at: time


@pytest.fixture
def items() -> Table[Item]:
    return Table("items", Item, key="sku")


@pytest.fixture
def lines() -> Table[Line]:
    return Table("lines", Line, key=("cart", "no"))


AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
TEA = Item("tea", Size.LARGE, Decimal("1.50"), AT, date(2026, 11, 30), UUID(int=1), notes=("a",))
STORED = {
    "sku": "tea", "size": 2, "price": "1.50", "seen": "2026-11-30T12:00:00.000000+00:00", "day": "2026-11-30",
    "id": str(UUID(int=1)), "left": 0, "sold": False, "weight": None, "notes": '["a"]', "either": "0", "picture": b"",
    "next": None,
}  # fmt: skip


def test_each_field_has_a_column_of_its_kind(items: Table[Item]) -> None:
    kinds = {
        name: (column.sqlite, column.postgres, column.nullable, column.is_json)
        for name, column in items.columns.items()
    }
    assert kinds == {
        "sku": ("text", "text", False, False),
        "size": ("integer", "bigint", False, False),
        "price": ("text", "numeric", False, False),
        "seen": ("text", "timestamptz", False, False),
        "day": ("text", "date", False, False),
        "id": ("text", "uuid", False, False),
        "left": ("integer", "bigint", False, False),
        "sold": ("integer", "boolean", False, False),
        "weight": ("real", "double precision", True, False),
        "notes": ("text", "jsonb", False, True),
        "either": ("text", "jsonb", False, True),
        "picture": ("blob", "bytea", False, False),
        "next": ("integer", "bigint", True, False),
    }
    assert [column.name for column in items.columns.values()] == list(items.columns)


def test_a_row_is_stored_as_the_values_of_its_columns(items: Table[Item]) -> None:
    assert items.values(TEA) == STORED
    full = msgspec.structs.replace(TEA, weight=1.5, next=Size.SMALL)
    assert items.values(full) == {**STORED, "weight": 1.5, "next": 1}


def test_a_row_is_read_as_it_was_put_there(items: Table[Item], lines: Table[Line]) -> None:
    row = msgspec.structs.replace(TEA, weight=1.5, next=Size.SMALL)
    assert items.read([*items.values(row).values()]) == row
    assert lines.read(["c", 1, "x"]) == Line("c", 1, "x")
    with pytest.raises(ValueError, match="zip"):
        lines.read(["c", 1])


def test_a_text_is_read_as_it_was_put_there_whatever_it_says() -> None:
    said = Table("said", Said, key="id")
    for word in Word:
        for flag in (True, False, None):
            row = Said(1, word, word.value, [word, None], word.value, {1: word}, "null", flag)
            assert said.read([*said.values(row).values()]) == row


def test_a_text_is_no_number_and_no_flag(lines: Table[Line]) -> None:
    for table, values in ((lines, ["c", "1", "x"]), (Table("said", Said, key="id"), [1, *[None] * 6, "true"])):
        with pytest.raises(UsageError, match=r"got `str` - at `\$\.(no|flag)`"):
            table.read(values)


def test_json_comes_as_text_or_as_what_the_driver_made_of_it(items: Table[Item]) -> None:
    column = items.columns["notes"]
    assert (column.read('["a"]'), column.read(["a"]), items.columns["sku"].read('["a"]')) == (["a"], ["a"], '["a"]')


def test_a_row_that_does_not_fit_its_class_is_told_with_the_way_out(lines: Table[Line]) -> None:
    with pytest.raises(UsageError) as refused:
        lines.read(["c", "x", ""])
    assert str(refused.value) == (
        "a row of table 'lines' does not fit Line (Expected `int`, got `str` - at `$.no`): "
        "{'cart': 'c', 'no': 'x', 'text': ''}. When the class changes, give the projection a new version."
    )


def test_changes_name_the_row_by_its_key(items: Table[Item], lines: Table[Line]) -> None:
    line = Line("c", 1, "x")
    assert lines.put(line) == Put(lines, ("c", 1), line)
    assert lines.patch(("c", 1), text="y") == Patch(lines, ("c", 1), {"text": "y"})
    assert (lines.delete(("c", 1)), items.delete("tea")) == (Delete(lines, ("c", 1)), Delete(items, ("tea",)))
    assert (lines["c", 1], items["tea"]) == (Key(lines, ("c", 1)), Key(items, ("tea",)))
    assert (lines.place_of(line), items.place_of(TEA)) == (("c", 1), ("tea",))


def test_a_patched_row_has_the_other_values_and_its_own(items: Table[Item], lines: Table[Line]) -> None:
    assert lines.patched(Line("c", 1, "x"), {"text": "y"}) == Line("c", 1, "y")
    assert items.patched(TEA, {"left": 3}) == msgspec.structs.replace(TEA, left=3)


def test_a_row_may_be_all_key() -> None:
    pair = Table("pairs", Line, key=("cart", "no", "text"))
    assert pair.put(Line("c", 1, "x")).place == ("c", 1, "x")


def test_a_table_tells_what_it_is(items: Table[Item], lines: Table[Line]) -> None:
    assert (repr(lines), repr(items)) == (
        "Table('lines', Line, key=('cart', 'no'))",
        "Table('items', Item, key=('sku',))",
    )


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (
            lambda _: Table("Items", Item, key="sku"),
            "'Items' is no name for a table: take lower-case letters, digits and underscores.",
        ),
        (
            lambda _: Table("items", int, key="sku"),
            "rows of table 'items' are <class 'int'>: take a frozen dataclass or a msgspec.Struct.",
        ),
        (
            lambda _: Table("items", Unreadable, key="sku"),
            (
                "rows of table 'items', Unreadable, could not be read again: Enums must contain either all str or all int "
                f"values - type `{Mixed}` is not supported."
            ),
        ),
        (
            lambda _: Table("lines", Line, key=("cart", "nr")),
            "the key ('cart', 'nr') of table 'lines' is not among its fields: cart, no, text.",
        ),
        (
            lambda _: Table("lines", Line, key=()),
            "the key () of table 'lines' is not among its fields: cart, no, text.",
        ),
        (
            lambda _: Table("variants", Variant, key=("sku", "variant")),
            (
                "field 'variant' is in the key of table 'variants' and may be None, which SQL takes for equal to nothing: no "
                "row would be found again. Give it a value that stands for none, such as '', and an annotation without None."
            ),
        ),
        (
            lambda _: Table("variants", Variant, key="either"),
            (
                "field 'either' is in the key of table 'variants' and may be None, which SQL takes for equal to nothing: no "
                "row would be found again. Give it a value that stands for none, such as '', and an annotation without None."
            ),
        ),
        (lambda lines: lines.patch(("c", 1), no=2), "table 'lines' has no field 'no' beside its key to patch."),
        (lambda lines: lines.patch(("c", 1), nr=2), "table 'lines' has no field 'nr' beside its key to patch."),
        (lambda lines: lines["c"], "'c' is no key of table 'lines': its key is (cart, no)."),
        (lambda lines: lines["c", 1, 2], "('c', 1, 2) is no key of table 'lines': its key is (cart, no)."),
    ],
    ids=[
        "name",
        "rows",
        "unreadable",
        "key",
        "no key",
        "key that may be None",
        "key of JSON that may be None",
        "patch of a key",
        "patch of nothing",
        "half a key",
        "too much of a key",
    ],
)
def test_what_can_be_no_table_or_row_is_refused(
    made: Callable[[Table[Line]], object], told: str, lines: Table[Line]
) -> None:
    with pytest.raises(UsageError) as refused:
        made(lines)
    assert str(refused.value) == told


def test_a_column_whose_value_may_be_missing_keeps_that_it_is() -> None:
    column = Column.of("x", int | None)
    kept: list[Any] = [column.value(given) for given in (None, 0, True)]
    assert (kept, [type(one) for one in kept]) == ([None, 0, 1], [type(None), int, int])


@pytest.mark.parametrize("kind", [bool, int, float, str, bytes, datetime, date, time, timedelta, Decimal, UUID, Size])
def test_none_is_null_in_every_column_and_never_a_text_or_a_number(kind: type[Any]) -> None:
    column, maybe = Column.of("x", kind), Column.of("x", kind | None)
    assert [(each.value(None), each.nullable) for each in (column, maybe)] == [(None, False), (None, True)]


def test_in_json_none_is_a_value_unless_the_column_may_be_null() -> None:
    assert [Column.of("x", kind).value(None) for kind in (Any, list[int], list[int] | None)] == ["null", "null", None]


def test_a_row_without_a_value_that_it_must_have_is_refused_by_the_database(lines: Table[Line]) -> None:
    missing: Any = None
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute(create(lines, "sqlite", ""))
        for change in (lines.put(Line("c", 1, missing)), lines.put(Line(missing, 1, "x"))):
            put = statement_of(change, "")
            with pytest.raises(sqlite3.IntegrityError, match="NOT NULL"):
                database.execute(put.text, put.params)
        (looked_up,) = lookups(lines, [lines[missing, 1].place], "")
        assert database.execute(looked_up.text, looked_up.params).fetchall() == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("1.50", "1.5"), ("1.5", "1.5"), ("100", "100"), ("1E+2", "100"), ("100.00", "100"), ("-0.0", "0"), ("0E+5", "0"),
        ("-1.0", "-1"), ("0.0010", "0.001"), ("1E+999999999999", "1E+999999999999"), ("1E-400", "1E-400"),
        ("12345678901234567890123456789012345.6780", "12345678901234567890123456789012345.678"),
        ("NaN", "NaN"), ("-Infinity", "-Infinity"),
    ],
)  # fmt: skip
def test_in_a_key_equal_decimals_have_one_text_and_elsewhere_their_own(given: str, kept: str) -> None:
    columns = Column.of("x", Decimal, in_key=True), Column.of("x", Decimal)
    assert [column.value(Decimal(given)) for column in columns] == [kept, given]


def test_in_a_key_what_has_no_order_is_put_into_one() -> None:
    names, counts = Column.of("x", frozenset[str], in_key=True), Column.of("x", dict[str, int], in_key=True)
    assert {names.value(frozenset(text)) for text in ("bca", "cab", "abc")} == {'["a","b","c"]'}
    assert {counts.value(each) for each in ({"b": 1, "a": 2}, {"a": 2, "b": 1})} == {'{"a":2,"b":1}'}


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        (
            datetime, datetime(2026, 1, 1),  # noqa: DTZ001 - what is refused
            (
                "field 'x' of table 'rows' cannot be datetime.datetime(2026, 1, 1, 0, 0): in a key it must have a time zone, to "
                "be one moment: write datetime(..., tzinfo=UTC)."
            ),
        ),
        (
            float,
            float("nan"),
            "field 'x' of table 'rows' cannot be nan: in a key it would be equal to nothing, not even to itself.",
        ),
    ],
    ids=["naive", "nan"],
)  # fmt: skip
def test_what_would_not_be_found_again_is_refused_in_a_key(kind: type[Any], value: object, told: str) -> None:
    with pytest.raises(UsageError) as refused:
        Column.of("x", kind, table="rows", in_key=True).value(value)
    assert str(refused.value) == told


def test_times_sort_as_they_are_kept() -> None:
    east = timezone(timedelta(hours=5))
    moments = [
        datetime(2026, 1, 1, 13, tzinfo=east), AT.replace(month=1, day=1), datetime(2026, 1, 1, 12, 0, 0, 500_000, UTC),
        datetime(2026, 1, 1, 18, 1, tzinfo=east),
    ]  # fmt: skip
    column = Column.of("at", datetime)
    kept = [str(column.value(each)) for each in moments]
    assert kept == sorted(kept)
    assert [msgspec.convert(column.read(column.value(each)), datetime) for each in moments] == moments
    assert column.value(datetime(2026, 1, 1)) == "2026-01-01T00:00:00.000000"  # noqa: DTZ001 - as its author has it
    day, spans = Column.of("t", time), Column.of("d", timedelta)
    assert [(c.sqlite, c.postgres, c.is_json) for c in (day, spans)] == [
        ("text", "time", False),
        ("integer", "bigint", False),
    ]
    assert [day.value(time(1, 2)), day.value(time(1, 2, 0, 5))] == ["01:02:00.000000", "01:02:00.000005"]
    assert [spans.value(timedelta(days=-1)), spans.value(timedelta(microseconds=3))] == [-86_400_000_000, 3]


@pytest.mark.parametrize("kept", [90_000_000, "90000000", '"PT90S"', timedelta(seconds=90)], ids=repr)
def test_a_span_reads_as_it_is_kept_and_as_it_was_once(kept: object) -> None:
    assert Table("spans", Span, key="id").read([1, kept, '"01:02:00"']) == Span(1, timedelta(seconds=90), time(1, 2))


def test_a_time_of_day_with_a_time_zone_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        Column.of("t", time, table="rows").value(time(1, 2, tzinfo=UTC))
    assert str(refused.value) == (
        "field 't' of table 'rows' cannot be datetime.time(1, 2, tzinfo=datetime.timezone.utc): it has a time zone, which no "
        "column keeps of a time of day: take a datetime."
    )


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("size", 2, "no Size"), ("size", "LARGE", "no Size"), ("next", 2, "no Size"), ("price", "1.50", "no Decimal"),
        ("seen", "2026-01-01", "no datetime"), ("seen", date(2026, 1, 1), "no datetime"), ("day", "today", "no date"),
        ("id", "5", "no UUID"), ("left", "n/a", "no int"), ("left", 1.5, "no int"), ("sold", "false", "no bool"),
        ("weight", "heavy", "no float"), ("picture", "x", "no bytes"), ("sku", 7, "no str"),
    ],
    ids=repr,
)  # fmt: skip
def test_a_value_that_is_none_of_its_fields_class_is_refused_where_it_is_put(
    field: str, value: object, told: str, items: Table[Item]
) -> None:
    wrong = msgspec.structs.replace(TEA, **{field: value})
    made: list[Callable[[], object]] = [lambda: items.put(wrong), lambda: items.values(wrong)]
    made.append((lambda: items[value]) if field == "sku" else (lambda: items.patch("tea", **{field: value})))
    for make in made:
        with pytest.raises(UsageError) as refused:
            make()
        assert str(refused.value) == (
            f"field {field!r} of table 'items' cannot be {value!r}, which is {told}: let the handler make one of it, or give "
            "the field another type."
        )


def test_a_value_that_is_equal_to_one_of_its_fields_class_is_kept_as_that(items: Table[Item]) -> None:
    class Name(str, Enum):  # noqa: UP042 - whose text is "Name.TEA"
        TEA = "tea"

    given = msgspec.structs.replace(TEA, sku=Name.TEA, price=2, weight=1, left=True)
    assert items.put(given) == Put(items, ("tea",), given)
    kept = items.values(given)
    assert items.read([*kept.values()]) == given
    assert [(kept[name], type(kept[name])) for name in ("sku", "price", "weight", "left")] == [
        ("tea", str), ("2", str), (1.0, float), (1, int),
    ]  # fmt: skip


def test_what_json_cannot_say_is_told_with_its_field(items: Table[Item]) -> None:
    said: Any = Column.of("notes", tuple[str, ...], table="items")
    with pytest.raises(UsageError) as refused:
        said.value((object,))
    assert str(refused.value) == (
        "field 'notes' of table 'items' cannot be (<class 'object'>,): Encoding objects of type type is unsupported"
    )


def test_a_table_of_one_field_tells_what_does_not_fit_it() -> None:
    only: Any = Table("only", Only, key="name")
    assert only.put(Only("x")).place == ("x",)
    with pytest.raises(UsageError, match="field 'name' of table 'only' cannot be 7, which is no str"):
        only.put(Only(7))  # type: ignore[arg-type]


def test_what_was_kept_in_another_time_zone_still_reads(items: Table[Item]) -> None:
    stored = {**STORED, "seen": "2026-11-30T17:00:00+05:00"}
    assert items.read([*stored.values()]) == TEA
