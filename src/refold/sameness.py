"""Sameness: whether two values are the same through and through, and whether one can be changed in place."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Any, Final, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec

_UNSET: Final = object()
"""In place of a field that was never set: it is not one that holds None."""


def identical(one: object, other: object) -> bool:
    """Equal, and of the same classes all the way down: True is not 1, and the member of an enum not its value."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        items, others = cast("Sequence[object]", one), cast("Sequence[object]", other)
        return len(items) == len(others) and all(map(identical, items, others))
    if isinstance(one, dict):
        mapping, twin = cast("dict[object, object]", one), cast("dict[object, object]", other)
        return len(mapping) == len(twin) and all(map(identical, mapping.items(), twin.items()))
    if isinstance(one, set | frozenset):
        kinds, twins = Counter(map(type, cast("set[object]", one))), Counter(map(type, cast("set[object]", other)))
        return one == other and kinds == twins
    if names := field_names(one):
        return all(identical(getattr(one, name, _UNSET), getattr(other, name, _UNSET)) for name in names)
    return one == other


def field_names(value: object) -> Sequence[str]:
    """The fields of a dataclass, of a struct, of an attrs class; of anything else none."""
    if isinstance(value, msgspec.Struct):
        return value.__struct_fields__
    if dataclasses.is_dataclass(value):
        return [each.name for each in dataclasses.fields(value)]
    return [each.name for each in getattr(type(value), "__attrs_attrs__", ())]


_NEVER_CHANGED: Final = (
    type(None), bool, int, float, complex, str, bytes, Decimal, datetime, date, time, timedelta, UUID,
)  # fmt: skip


def mutable_part(hint: object, place: str = "the state", seen: tuple[object, ...] = ()) -> str:
    """Where values of an annotation can be changed in place, in words; "" if they never can be."""
    origin, args = get_origin(hint), [arg for arg in get_args(hint) if arg is not Ellipsis]
    if hint is None or hint in seen or any(hint is cls for cls in _NEVER_CHANGED) or _is_enum(hint):
        return ""
    aliased: object = getattr(hint, "__value__", None) or getattr(hint, "__supertype__", None)
    seen = (*seen, hint)
    if aliased is not None:
        return mutable_part(aliased, place, seen)
    if origin in (Union, UnionType, tuple, frozenset):
        return next(filter(None, (mutable_part(arg, place, seen) for arg in args)), "")
    if getattr(hint, "__metadata__", None):
        return mutable_part(args[0], place, seen)
    fields = _frozen_fields(hint) if isinstance(hint, type) else None
    if fields is None:
        return f"{place} is {hint.__name__ if isinstance(hint, type) else hint}"
    return next(filter(None, (mutable_part(kind, f"its field {name!r}", seen) for name, kind in fields.items())), "")


def _is_enum(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, Enum)


def _frozen_fields(cls: type[Any]) -> Mapping[str, object] | None:
    """The fields of a class whose values cannot be given others; `None` for any other class."""
    frozen_dataclass = dataclasses.is_dataclass(cls) and getattr(cls, "__dataclass_params__").frozen  # noqa: B009 - no type has it
    if not frozen_dataclass and not (issubclass(cls, msgspec.Struct) and cls.__struct_config__.frozen):
        return None
    try:
        hints = get_type_hints(cls)
    except Exception:  # noqa: BLE001 - names that are known to nobody
        return None
    names = [each.name for each in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else cls.__struct_fields__
    return {name: hints[name] for name in names}
