"""Values by number: equal ones, states or messages, have the same, so that a set of many is a set of numbers."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from typing import Any, cast

from msgspec import Struct


class Values:
    """Values by number; equal ones of one class have the same."""

    def __init__(self) -> None:
        self._values: list[Any] = []
        self._numbers: dict[Hashable, list[int]] = {}

    def number(self, value: object) -> int:
        """Its number; a new one if no equal value has one."""
        alike = self._numbers.setdefault(_key(value), [])
        for number in alike:
            if self._values[number] == value:
                return number
        self._values.append(value)
        alike.append(len(self._values) - 1)
        return alike[-1]

    def __getitem__(self, number: int) -> Any:  # noqa: ANN401 - of any class
        return self._values[number]


def _key(value: object) -> Hashable:  # noqa: PLR0911 - one case a kind of value
    """Something to look it up by. Hashes would do for little: all events without fields, of whatever class, have the same."""
    cls = value.__class__
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return cls, frozenset((_key(name), _key(each)) for name, each in items)
    if isinstance(value, AbstractSet):
        return cls, frozenset(map(_key, cast("AbstractSet[object]", value)))
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return cls, tuple(map(_key, cast("Sequence[object]", value)))
    if isinstance(value, Struct):
        return cls, tuple(_key(getattr(value, name)) for name in value.__struct_fields__)
    if is_dataclass(value):
        return cls, tuple(_key(getattr(value, each.name)) for each in fields(value) if each.compare)
    try:
        return cls, hash(value)
    except TypeError:
        return cls, repr(value)
