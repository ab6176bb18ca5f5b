"""What kinds of values JSON data hold, learnt from the values alone, and merged over many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from itertools import chain
from types import NoneType
from typing import Any, Final, TypeAlias, cast

import msgspec

KEYS: Final = 200
"""How many different keys an object within the data may have: with more it is a map, not a record. DuckDB's own threshold."""
DEPTH: Final = 16
"""How deep objects and lists may lie in each other."""
_EXACT: Final = 1 << 53  # a double holds every integer up to here
_LONGEST: Final = 1 << 63


class Kind(Enum):
    """A value that has no parts. `LONG` is an integer that a float cannot hold, `JSON` anything, written as JSON."""

    NOTHING = "nothing"
    BOOL = "bool"
    INT = "int"
    LONG = "long"
    FLOAT = "float"
    TEXT = "text"
    JSON = "json"


class ListOf(msgspec.Struct, frozen=True):
    """A list, all of whose elements have one shape."""

    of: Shape


class ObjectOf(msgspec.Struct, frozen=True):
    """An object, by the shapes of its fields, in the order in which they were first seen."""

    fields: Mapping[str, Shape]


Shape: TypeAlias = Kind | ListOf | ObjectOf

_PLAIN: Final = {bool: Kind.BOOL, float: Kind.FLOAT, str: Kind.TEXT}


def shape_of_objects(objects: Sequence[Mapping[str, Any]]) -> ObjectOf:
    """The shape of the data of events."""
    return ObjectOf({key: _shape(values, DEPTH) for key, values in _by_key(objects).items()})


def _shape(values: Sequence[Any], depth: int) -> Shape:
    kinds = set(map(type, values)) - {NoneType}
    if not kinds:
        return Kind.NOTHING
    if len(kinds) > 1:
        return _numbers(values) if kinds == {int, float} else Kind.JSON
    kind = kinds.pop()
    if kind in _PLAIN:
        return _PLAIN[kind]
    present = values if None not in values else [value for value in values if value is not None]
    if kind is int:
        return _integers(cast("Sequence[int]", present))
    return _parts(kind, present, depth - 1) if depth else Kind.JSON


def _numbers(values: Sequence[Any]) -> Kind:
    return merged_kinds(_integers([value for value in values if type(value) is int]), Kind.FLOAT)


def _integers(values: Sequence[int]) -> Kind:
    low, high = min(values), max(values)
    if low >= -_EXACT and high <= _EXACT:
        return Kind.INT
    return Kind.LONG if low >= -_LONGEST and high < _LONGEST else Kind.JSON


def _parts(kind: type[Any], values: Sequence[Any], depth: int) -> Shape:
    if kind is list:
        return ListOf(_shape(list(chain.from_iterable(values)), depth))
    return _no_map(ObjectOf({key: _shape(each, depth) for key, each in _by_key(values).items()}))


def _by_key(objects: Sequence[Mapping[str, Any]]) -> Mapping[str, Sequence[Any]]:
    values: defaultdict[str, list[Any]] = defaultdict(list)
    for each in objects:
        for key, value in each.items():
            values[key].append(value)
    return values


def _no_map(shape: ObjectOf) -> Shape:
    return Kind.JSON if len(shape.fields) > KEYS else shape


def merged_objects(one: ObjectOf, other: ObjectOf) -> ObjectOf:
    """The shape that the data of both kinds of events have."""
    if one == other:
        return one
    fields = dict(one.fields)
    for key, shape in other.fields.items():
        fields[key] = merged(fields.get(key, Kind.NOTHING), shape)
    return ObjectOf(fields)


def merged(one: Shape, other: Shape) -> Shape:
    """The shape that holds the values of both: JSON, if no other does."""
    match one, other:
        case Kind.NOTHING, _:
            return other
        case _, Kind.NOTHING:
            return one
        case ListOf(of=a), ListOf(of=b):
            return ListOf(merged(a, b))
        case ObjectOf(), ObjectOf():
            return _no_map(merged_objects(one, other))
        case Kind(), Kind():
            return merged_kinds(one, other)
        case _:
            return Kind.JSON


def merged_kinds(one: Kind, other: Kind) -> Kind:
    """The kind that holds both exactly."""
    match {one, other}:
        case kinds if len(kinds) == 1:
            return one
        case kinds if kinds == {Kind.INT, Kind.LONG}:
            return Kind.LONG
        case kinds if kinds == {Kind.INT, Kind.FLOAT}:
            return Kind.FLOAT
        case _:
            return Kind.JSON


def settled(shape: Shape) -> Shape:
    """The same, with objects that never had a field as JSON: no more events will come to say what is in them."""
    match shape:
        case ObjectOf(fields=fields):
            return ObjectOf({key: settled(each) for key, each in fields.items()}) if fields else Kind.JSON
        case ListOf(of=of):
            return ListOf(settled(of))
        case Kind():
            return shape


Fit: TypeAlias = Callable[[Any], Any]


def fit(shape: Shape) -> Fit | None:
    """What writes as JSON those parts of a value whose shape is `JSON`; `None` if there are none."""
    match shape:
        case Kind.JSON:
            return _json
        case ListOf(of=of):
            inner = fit(of)
            return None if inner is None else _fit_elements(inner)
        case ObjectOf(fields=fields):
            fits = {key: inner for key, each in fields.items() if (inner := fit(each)) is not None}
            return _fit_fields(fits) if fits else None
        case _:
            return None


def _fit_elements(inner: Fit) -> Fit:
    return lambda value: None if value is None else list(map(inner, value))


def _fit_fields(fits: Mapping[str, Fit]) -> Fit:
    def fitted(value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is None:
            return None
        return value | {key: each(value[key]) for key, each in fits.items() if key in value}

    return fitted


def _json(value: object) -> str | None:
    return None if value is None else _encode(value).decode()


_encode = msgspec.json.Encoder().encode
