"""Insides: what an object holds, looked at without running code of the application."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copyreg import dispatch_table
from functools import cached_property
from inspect import getattr_static
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import Any, Final, cast

from refold.sameness import field_names

_REDUCING: Final = ("__reduce_ex__", "__reduce__", "__getstate__")


def attribute(value: object, name: str) -> object:
    """An attribute as it is kept, or None: no property and no `__getattr__` runs."""
    found = getattr_static(value, name, None)
    if not isinstance(found, MemberDescriptorType | GetSetDescriptorType):
        return found
    try:
        return found.__get__(value)
    except AttributeError:  # a slot that is empty
        return None


def parts_of(value: object) -> dict[str, object]:
    """Data by their fields, other objects by their attributes, but for those that were computed from the others and kept."""
    cls, names = type(value), field_names(value)
    if names and not any(isinstance(getattr_static(cls, name, None), property) for name in names):
        return {name: attribute(value, name) for name in names}
    kept = attribute(value, "__dict__")
    slots = {name: attribute(value, name) for name in _slots(cls)}
    return slots | {
        name: item
        for name, item in (cast("dict[str, object]", kept).items() if isinstance(kept, dict) else ())
        if not isinstance(getattr_static(cls, name, None), cached_property)
    }


def _slots(cls: type[Any]) -> Iterator[str]:
    for each in reversed(cls.__mro__):
        yield from (name for name, member in vars(each).items() if isinstance(member, MemberDescriptorType))


def pickled(value: object, is_foreign: Callable[[str | None], bool]) -> tuple[object, ...]:
    """What would be pickled, where code of others says so; `()` of data and of anything else."""
    cls: Any = type(value)
    own_way = dispatch_table.get(cls)
    ways = [found for name in _REDUCING if (found := getattr(cls, name, None)) is not getattr(object, name, None)]
    ways = ways if own_way is None else [own_way]
    if (
        not ways
        or field_names(value)
        or any(isinstance(way, FunctionType) and not is_foreign(way.__module__) for way in ways)
    ):
        return ()
    made: object = value.__reduce_ex__(4) if own_way is None else own_way(value)
    parts = cast("tuple[object, ...]", made) if isinstance(made, tuple) else (made,)
    return tuple(tuple(cast("Iterator[object]", part)) if isinstance(part, Iterator) else part for part in parts)
