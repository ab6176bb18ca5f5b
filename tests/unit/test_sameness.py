"""Whether two values are the same through and through, and whether one can be changed in place."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, NewType
from uuid import UUID

import attrs
import msgspec
import pytest

from refold.sameness import identical, mutable_part


class Colour(Enum):
    RED = 1


@dataclass(frozen=True)
class Point:
    x: Any
    y: Any = 0


@dataclass
class Loose:
    x: int


class Box(msgspec.Struct, frozen=True):
    x: Any


class Open(msgspec.Struct):
    x: int


@attrs.frozen
class Pair:
    x: Any


@dataclass(frozen=True)
class Later:
    x: Any = field(init=False)


def later(x: object) -> Later:
    made = Later()
    object.__setattr__(made, "x", x)
    return made


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1),
        ([1, (2, "a")], [1, (2, "a")]),
        ({"a": [1], "b": {2}}, {"a": [1], "b": {2}}),
        ({1, "a"}, {"a", 1}),
        (frozenset({1}), frozenset({1})),
        (Point(1, [2]), Point(1, [2])),
        (Box(Point(1)), Box(Point(1))),
        (Pair((1,)), Pair((1,))),
        (Colour.RED, Colour.RED),
        (None, None),
        (Later(), Later()),
        (later(None), later(None)),
    ],
)
def test_values_are_the_same_if_they_and_their_parts_are(one: object, other: object) -> None:
    assert identical(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 2),
        (True, 1),
        (1, 1.0),
        (Colour.RED, 1),
        ([1], (1,)),
        ([1], [1, 2]),
        ([1, 2], [1]),
        ([1], [True]),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1, "b": 2}, {"a": 1}),
        ({"a": 1}, {"b": 1}),
        ({1}, {True}),
        ({1}, {2}),
        ({1}, frozenset({1})),
        (Point(1), Point(1.0)),
        (Point(1, 2), Point(1, 3)),
        (Box(1), Box(1.0)),
        (Pair(1), Pair(1.0)),
        (Box(1), Pair(1)),
        (Later(), later(None)),
        (later(None), Later()),
    ],
)
def test_values_differ_if_any_part_differs_or_is_of_another_class(one: object, other: object) -> None:
    assert not identical(one, other)


class Alias:
    """What `type Alias = ...` is at run time, in an interpreter that has the statement."""

    def __init__(self, name: str, value: object = None) -> None:
        self.name, self.__value__ = name, value

    def __repr__(self) -> str:
        return self.name


NESTED, SAID = Alias("Nested"), Alias("Said")  # each names itself
NESTED.__value__ = tuple[NESTED, ...]  # type: ignore[valid-type]
SAID.__value__ = Annotated[frozenset[SAID], "said"]  # type: ignore[valid-type]


@dataclass(frozen=True)
class Tree:
    left: Tree | None
    value: int


@dataclass(frozen=True)
class Held:
    name: str
    point: frozenset[Open]


class Sealed(msgspec.Struct, frozen=True):
    name: str
    items: tuple[list[int], ...]


@dataclass(frozen=True)
class Unknown:
    x: "Nowhere"  # type: ignore[name-defined]  # noqa: F821, UP037 - that it is known to nobody is the point


Number = NewType("Number", int)
Numbers = NewType("Numbers", "list[int]")


@pytest.mark.parametrize(
    "hint",
    [
        None, int, bool, float, complex, str, bytes, Decimal, datetime, UUID, type(None), Colour, int | None,
        tuple[int, ...], tuple[int, str], frozenset[int], Annotated[int, "said"], Alias("Many", tuple[int, ...]), Number, Tree,
        tuple[Tree | None, ...], NESTED, SAID,
    ],
    ids=repr,
)  # fmt: skip
def test_what_can_never_be_changed_in_place(hint: object) -> None:
    assert mutable_part(hint) == ""


@pytest.mark.parametrize(
    ("hint", "where"),
    [
        (list, "the state is list"),
        (list[int], "the state is list[int]"),
        (object, "the state is object"),
        (Loose, "the state is Loose"),
        (Open, "the state is Open"),
        (Unknown, "the state is Unknown"),
        (int | list[int], "the state is list[int]"),
        (tuple[int, dict[str, int]], "the state is dict[str, int]"),
        (Annotated[list[int], "said"], "the state is list[int]"),
        (Numbers, "the state is list[int]"),
        (Alias("List", list[int]), "the state is list[int]"),
        (Held, "its field 'point' is Open"),
        (Sealed, "its field 'items' is list[int]"),
        (Point, "its field 'x' is Any"),
        (Pair, "the state is Pair"),
    ],
    ids=str,
)
def test_what_can_be_changed_in_place_is_told_with_its_place(hint: object, where: str) -> None:
    assert mutable_part(hint) == where
