"""The rules by which changes are judged, as a table; public events are judged for those behind, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NewType, Optional
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta, Struct, defstruct

from refold.schema.canonical import canonical
from refold.schema.verdicts import FieldChange, Verdict, changes, worst

OK, NEEDS, BREAKS = Verdict


class Inner(Struct):
    a: int


class Outer(Struct):
    a: int
    b: int


Colour = Enum("Colour", {"RED": "red", "BLUE": "blue"})
Colours = Enum("Colours", {"RED": "red", "BLUE": "blue", "GREEN": "green"})
Cents = NewType("Cents", int)


def made(kind: object) -> type[Any]:
    return defstruct("E", [("x", kind)])


def tagged(*names: str) -> tuple[type[Any], ...]:
    return tuple(defstruct(name.title(), [("v", int)], tag=name) for name in names)


A, B, C = tagged("a", "b", "c")
B2 = defstruct("B2", [("v", str)], tag="b")
Unit = Annotated[int, Meta(extra_json_schema={"unit": "cent"})]

MaybeUnit = Optional[Unit]  # noqa: UP045 - pyright knows no `|` of an annotated type that is a value

# What a field was, what it is, what is said of it, and the verdict: of a private event, and of a public one.
TYPES: Sequence[tuple[object, object, str, str, Verdict, Verdict]] = [
    (int, str, "x", "integer -> string", NEEDS, BREAKS),
    (str, int, "x", "string -> integer", NEEDS, BREAKS),
    (int, float, "x", "integer -> number", NEEDS, BREAKS),
    (float, int, "x", "number -> integer", NEEDS, NEEDS),
    (bool, int, "x", "boolean -> integer", NEEDS, BREAKS),
    (int, Any, "x", "integer -> anything", OK, BREAKS),
    (Any, int, "x", "anything -> integer", NEEDS, NEEDS),
    (int, int | None, "x", "may be null", OK, BREAKS),
    (int | None, int, "x", "may no longer be null", NEEDS, NEEDS),
    (int, int | str, "x", "may also be string", OK, BREAKS),
    (int | str, str, "x", "may no longer be integer", NEEDS, NEEDS),
    (str, datetime, "x", "format (none) -> date-time", NEEDS, NEEDS),
    (datetime, str, "x", "format date-time -> (none)", OK, BREAKS),
    (datetime, date, "x", "format date-time -> date", NEEDS, BREAKS),
    (UUID, str, "x", "format uuid -> (none)", OK, BREAKS),
    (Decimal, float, "x", "string (decimal) -> number", NEEDS, BREAKS),
    (str, bytes, "x", "string -> string (base64)", NEEDS, BREAKS),
    (str, Colour, "x", 'string -> one of "blue", "red"', NEEDS, NEEDS),
    (Colour, str, "x", 'one of "blue", "red" -> string', OK, BREAKS),
    (Colour, int, "x", 'one of "blue", "red" -> integer', NEEDS, BREAKS),
    (Colour, Colours, "x", 'may also be "green"', OK, BREAKS),
    (Colours, Colour, "x", 'may no longer be "green"', NEEDS, NEEDS),
    (Literal["a"], Literal["a", "b"], "x", 'may also be "b"', OK, BREAKS),
    (Literal["a", "b"], Literal["a"], "x", 'may no longer be "b"', NEEDS, NEEDS),
    (Inner, Outer, "x.b", "added, without a default", NEEDS, NEEDS),
    (Outer, Inner, "x.b", "removed", NEEDS, BREAKS),
    (Inner, dict[str, int], "x", "object with a -> dict of integer", NEEDS, BREAKS),
    (int, list[int], "x", "integer -> array of integer", NEEDS, BREAKS),
    (list[int], list[str], "x[]", "integer -> string", NEEDS, BREAKS),
    (list[Inner], list[Outer], "x[].b", "added, without a default", NEEDS, NEEDS),
    (list[int], set[int], "x", "uniqueItems (none) -> True", NEEDS, NEEDS),
    (set[int], list[int], "x", "uniqueItems True -> (none)", OK, BREAKS),
    (tuple[int, int], tuple[int, int, int], "x", "tuple of 2 -> tuple of 3", NEEDS, BREAKS),
    (tuple[int, int], list[int], "x", "tuple of 2 -> array of integer", NEEDS, BREAKS),
    (tuple[int, int], tuple[int, str], "x[1]", "integer -> string", NEEDS, BREAKS),
    (dict[str, int], dict[str, str], "x{}", "integer -> string", NEEDS, BREAKS),
    (dict[str, int], dict[int, int], "x{key}", "string -> integer", NEEDS, BREAKS),
    (A | B, A, "x", "may no longer be object with type, v", NEEDS, NEEDS),
    (A, A | B, "x", "may also be object with type, v", OK, BREAKS),
    (A | B, A | B2, "x.v", "integer -> string", NEEDS, BREAKS),
    (Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=1)], "x", "minimum 0 -> 1", NEEDS, NEEDS),
    (Annotated[int, Meta(ge=1)], Annotated[int, Meta(ge=0)], "x", "minimum 1 -> 0", OK, BREAKS),
    (int, Annotated[int, Meta(le=9)], "x", "maximum (none) -> 9", NEEDS, NEEDS),
    (Annotated[str, Meta(max_length=9)], Annotated[str, Meta(max_length=5)], "x", "maxLength 9 -> 5", NEEDS, NEEDS),
    (Annotated[str, Meta(pattern="a")], Annotated[str, Meta(pattern="b")], "x", "pattern a -> b", NEEDS, BREAKS),
    (int, Unit, "x", 'unit is told: "cent"', OK, OK),
    (Unit, int, "x", 'unit "cent" -> (none)', NEEDS, BREAKS),
    (Unit, Annotated[int, Meta(extra_json_schema={"unit": "euro"})], "x", 'unit "cent" -> "euro"', NEEDS, BREAKS),
]  # fmt: skip
SAME: Sequence[tuple[object, object]] = [
    (int, Cents),
    (int, Annotated[int, Meta(title="Count", description="of all", examples=[1])]),
    (list[int], Sequence[int]),
    (dict[str, int], Mapping[str, int]),
    (dict, dict[str, Any]),
    (set[str], frozenset[str]),
    (A | B, B | A),
    (MaybeUnit, Annotated[int | None, Meta(extra_json_schema={"unit": "cent"})]),
    (Literal["red", "blue"], Colour),
    (Literal["a", None], Literal["a"] | None),  # noqa: PYI061 - it is the other spelling that is looked at
]


def ids(rows: Sequence[tuple[object, ...]]) -> list[str]:
    return [f"{row[0]} to {row[1]}" for row in rows]


@pytest.mark.parametrize(("old", "new", "where", "what", "private", "public"), TYPES, ids=ids(TYPES))
def test_a_change_of_type_is_judged(
    old: object, new: object, where: str, what: str, private: Verdict, public: Verdict
) -> None:
    before, after = canonical(made(old)), canonical(made(new))
    assert changes(before, after) == (FieldChange(where, what, private),)
    told = what if public is not BREAKS else f"{what}: those who read by the old schema cannot"
    assert changes(before, after, public=True) == (FieldChange(where, told, public),)


@pytest.mark.parametrize(("one", "other"), SAME, ids=ids(SAME))
def test_what_means_the_same_is_the_same(one: object, other: object) -> None:
    assert canonical(made(one)) == canonical(made(other))


# What fields a class had, which it has, and what is said of them.
X = ("x", int)
FIELDS: Sequence[tuple[Sequence[Any], Sequence[Any], dict[str, Any], tuple[str, str, Verdict, Verdict]]] = [
    ([X], [X, ("y", int, 0)], {}, ("y", "added, with a default", OK, OK)),
    ([X], [X, ("y", int)], {}, ("y", "added, without a default", NEEDS, NEEDS)),
    ([X, ("y", int, 0)], [X], {}, ("y", "removed", NEEDS, NEEDS)),
    ([X, ("y", str)], [X], {}, ("y", "removed", NEEDS, BREAKS)),
    ([X], [("z", int)], {}, ("x", "renamed to z", NEEDS, BREAKS)),
    ([X], [("x", int, 0)], {}, ("x", "has a default now", OK, BREAKS)),
    ([("x", int, 0)], [X], {}, ("x", "no longer has a default", NEEDS, NEEDS)),
    ([("x", int, 0)], [("x", int, 1)], {}, ("x", "default 0 -> 1: events without it would read otherwise", NEEDS, NEEDS)),
    ([X], [X], {"forbid_unknown_fields": True}, ("", "fields that are not known are now refused", OK, OK)),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "options", "expected"), FIELDS, ids=map(str, range(len(FIELDS))))
def test_a_change_of_fields_is_judged(
    old: Sequence[Any], new: Sequence[Any], options: dict[str, Any], expected: tuple[str, str, Verdict, Verdict]
) -> None:
    where, what, private, public = expected
    before, after = canonical(defstruct("E", old)), canonical(defstruct("E", new, **options))
    assert changes(before, after) == (FieldChange(where, what, private),)
    assert [change.verdict for change in changes(before, after, public=True)] == [public]


def test_a_strict_reader_of_a_public_event_cannot_take_one_field_more() -> None:
    before = canonical(defstruct("E", [X], forbid_unknown_fields=True))
    after = canonical(defstruct("E", [X, ("y", int, 0)], forbid_unknown_fields=True))
    what = "added, with a default, where fields that are not known are refused"
    assert changes(before, after) == (FieldChange("y", what, OK),)
    assert worst(changes(before, after, public=True)) is BREAKS


def test_two_fields_that_change_are_two_changes() -> None:
    before = canonical(defstruct("E", [("a", int), ("b", str), ("c", float)]))
    after = canonical(defstruct("E", [("a", str), ("b", str), ("d", float, 0.0)]))
    assert changes(before, after) == (
        FieldChange("a", "integer -> string", NEEDS),
        FieldChange("c", "renamed to d", NEEDS),
    )


class Tree(Struct):
    value: int
    children: list[Tree]


class Bush(Struct):
    value: str
    children: list[Bush]


def test_a_class_that_holds_itself_is_compared_to_its_end() -> None:
    assert changes(canonical(Tree), canonical(Bush)) == (FieldChange("value", "integer -> string", NEEDS),)
    assert changes(canonical(made(Tree)), canonical(made(Bush))) == (
        FieldChange("x.value", "integer -> string", NEEDS),
    )


@dataclass(frozen=True)
class Counted:
    ids: list[int] = field(default_factory=lambda: [1])
    at: datetime = field(default_factory=datetime.now)


def test_what_a_factory_makes_is_a_default_if_it_always_makes_the_same() -> None:
    properties = canonical(Counted)["properties"]
    assert (properties["ids"]["default"], "default" in properties["at"]) == ([1], False)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (0, False, "0 -> false"),
        (True, 1, "true -> 1"),
        ([1], [True], "[1] -> [true]"),
        ({"a": [0]}, {"a": [False]}, '{"a":[0]} -> {"a":[false]}'),
        ([1], [1, 1], "[1] -> [1,1]"),
        (1, 1.0, None),
        ({"a": [True]}, {"a": [True]}, None),
    ],
    ids=repr,
)
def test_a_default_of_true_is_not_one_of_1(before: object, after: object, told: str | None) -> None:
    def having(default: object) -> Any:
        return canonical(defstruct("E", [("x", Any, msgspec.field(default_factory=lambda: default))]))

    what = [] if told is None else [FieldChange("x", f"default {told}: events without it would read otherwise", NEEDS)]
    assert list(changes(having(before), having(after))) == what


def test_the_worst_verdict_counts() -> None:
    assert [worst(()), worst([FieldChange("x", "", OK), FieldChange("y", "", NEEDS)])] == [OK, NEEDS]
    assert msgspec.json.encode(Verdict.BREAKS) == b'"breaks"'
