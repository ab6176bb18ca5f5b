"""Sets in JSON stand in one order, whatever order they are gone through, and nothing else is moved."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar

import msgspec
import pydantic
import pytest

from refold.codec import as_json, form_of
from refold.messages import Spec
from refold.sets import ordering

T = TypeVar("T")
ONE, OTHER = frozenset([0, 8]), frozenset([8, 0])
"""Equal, and gone through in another order, as sets of texts are by two processes."""


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Point:
    x: int


@dataclass(frozen=True)
class Box(Generic[T]):
    held: T


class Pair(NamedTuple):
    name: str
    numbers: frozenset[int]


class Typed(TypedDict, total=False):
    numbers: set[int]


class Circle(msgspec.Struct, frozen=True, tag="circle"):
    held: frozenset[int]


class Square(msgspec.Struct, frozen=True, tag="square"):
    held: tuple[int, ...]


class Line(msgspec.Struct, frozen=True, array_like=True, tag="line", rename="camel"):
    first_name: str
    held: frozenset[int]


class Model(pydantic.BaseModel):
    held: frozenset[int] = pydantic.Field(default=frozenset(), alias="theHeld", serialization_alias="held")
    model: Model | None = None


class Numbers(pydantic.RootModel[frozenset[int]]): ...


@dataclass(frozen=True)
class Tree:
    held: frozenset[int] = frozenset()
    below: list[Tree] = field(default_factory=list)


@dataclass(frozen=True)
class Chain:
    links: list[Chain]


@dataclass(frozen=True)
class Branch:
    leaves: dict[str, Leaf]
    lengths: list[int]


@dataclass(frozen=True)
class Leaf:
    held: frozenset[int] = frozenset()
    branch: Branch | None = None


class Loose(pydantic.BaseModel):
    at: str | datetime  # msgspec knows no such type
    held: frozenset[int]


def test_the_two_are_gone_through_in_another_order() -> None:
    assert ONE == OTHER
    assert list(ONE) != list(OTHER)


@pytest.mark.parametrize(
    ("annotation", "make"),
    [
        (frozenset[int], lambda held: held),
        (AbstractSet[int], lambda held: held),
        (Box[set[int]], lambda held: Box(set(held))),
        (Box[Annotated[set[int], msgspec.Meta(min_length=1)] | None], Box),
        (Box[Annotated[set[int], msgspec.Meta(title="a")]], Box),
        (dict[str, list[frozenset[int]]], lambda held: {"b": [held], "a": []}),
        (tuple[str, frozenset[int]], lambda held: ("b", held)),
        (tuple[frozenset[int], ...], lambda held: (held, held)),
        (Pair, lambda held: Pair("b", held)),
        (Typed, lambda held: Typed(numbers=held)),
        (Box[Circle | Square], lambda held: Box(Circle(held))),
        (Box[Line | str], lambda held: Box(Line("b", held))),
        (frozenset[frozenset[int]], lambda held: frozenset([held])),
        (Tree, lambda held: Tree(held, [Tree(held, [Tree(held)])])),
        (Branch, lambda held: Branch({"a": Leaf(held, Branch({"b": Leaf(held)}, [8, 0]))}, [])),
        (Model, lambda held: Model(theHeld=held, model=Model(theHeld=held))),
        (Loose, lambda held: Loose(at="today", held=held)),
        (Box[Numbers | None], lambda held: Box(Numbers(held))),
    ],
    ids=[
        "frozenset", "abstract", "set in a generic", "with limits, or none", "with a title", "in a list in a dict", "in a tuple",
        "tuple of", "named tuple", "typed dict", "one of tagged", "tagged array", "in a set", "tree",
        "types that hold each other", "model", "model with a type of its own", "model that is one",
    ],
)  # fmt: skip
def test_sets_that_are_equal_are_written_alike(annotation: Any, make: Any) -> None:
    form = form_of(annotation, Spec("state", "a", 1, ()))
    one, other = make(frozenset([0, 8])), make(frozenset([8, 0]))
    assert form.encoded_before is not None
    sorted_already, otherwise = form.encoded_before(one), form.encoded_before(other)
    assert sorted_already != otherwise
    assert form.encode(one) == form.encode(other) == sorted_already


def test_items_that_have_no_order_stand_in_that_of_their_json() -> None:
    order = ordering(frozenset[Colour | int | None])
    assert order is not None
    assert [order(b'["red",null,1,"blue"]'), order(b'[1,"blue","red",null]')] == [b'["blue","red",1,null]'] * 2


def test_numbers_stand_in_their_order_and_so_do_objects() -> None:
    numbers, points = ordering(set[int]), ordering(set[Point])
    assert numbers is not None
    assert points is not None
    assert (numbers(b"[10,9,-1]"), points(b'[{"x":2},{"x":1}]')) == (b"[-1,9,10]", b'[{"x":1},{"x":2}]')


def test_keys_and_lists_and_whatever_is_no_set_stay_as_they_are() -> None:
    order = ordering(Box[dict[str, list[int] | Circle | Square]])
    written = (
        b'{"held":{"b":[2,1.50],"a":{"type":"square","held":[2,1]},"c":{"type":"circle","held":[1,2]}},"more":[2,1]}'
    )
    assert order is not None
    assert order(written.replace(b"[1,2]", b"[2,1]")) == written


def test_a_list_of_sets_stays_a_list() -> None:
    order = ordering(Box[list[frozenset[int]]])
    assert order is not None
    assert order(b'{"held":[[9,8],[2,1]]}') == b'{"held":[[8,9],[1,2]]}'


@pytest.mark.parametrize("written", [b'"none"', b"null", b"7", b'{"held":"none"}', b'{"held":{"a":[2,1]}}'])
def test_what_does_not_look_like_its_type_stays_as_it_is(written: bytes) -> None:
    order = ordering(Box[frozenset[int]])
    assert order is not None
    assert order(written) == written


def test_what_holds_no_set_is_not_even_taken_apart() -> None:
    order = ordering(Box[tuple[Branch, Point, list[Point], dict[str, Square], list[int] | None]])
    written = b'{"held":[{"lengths":[2, 1]},{"x": 1},[{"x": 2}, {"x": 1}],{"a": {"held": [2, 1]}},[2, 1]]}'
    assert order is not None
    assert order(written) == written


@pytest.mark.parametrize(
    "annotation", [int, list[int], Point, Box[Square], Any, dict[str, Point], Literal["a"], Chain, object()]
)
def test_where_no_sets_are_nothing_is_looked_for(annotation: Any) -> None:
    assert ordering(annotation) is None


def test_a_value_is_shown_with_its_sets_in_order() -> None:
    assert as_json({8, 0}) == as_json({0, 8}, Any) == as_json(OTHER, frozenset[int]) == [0, 8]
    assert as_json([OTHER], list[frozenset[int]]) == [[0, 8]]
