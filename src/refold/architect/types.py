"""Types: annotations as they are read, the classes that they name, and which of these can be changed in place."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator, MutableMapping, MutableSequence, MutableSet
from typing import Any, get_args, get_origin

import msgspec


def type_name(hint: Any) -> str:  # noqa: ANN401 - whatever an annotation is
    """A type as it is read: without modules."""
    text = hint if isinstance(hint, str) else inspect.formatannotation(hint)
    return re.sub(r"\b(?:\w+\.)+(\w)", r"\1", text)


def class_name(cls: Any) -> str:  # noqa: ANN401 - as above
    """A class by its dotted name; anything else as it is read."""
    return f"{cls.__module__}.{cls.__qualname__}" if isinstance(cls, type) else type_name(cls)


def classes_in(hint: Any) -> tuple[str, ...]:  # noqa: ANN401 - as above
    """All classes that an annotation names, and `Any`."""
    return tuple(dict.fromkeys("Any" if each is Any else class_name(each) for each in _within(hint)))


def mutable_in(hint: Any) -> tuple[str, ...]:  # noqa: ANN401 - as above
    """Those of its classes whose objects can be changed in place, as far as that is known."""
    return tuple(dict.fromkeys(each.__name__ for each in _within(hint) if isinstance(each, type) and _can_change(each)))


def _can_change(cls: type[Any]) -> bool:
    return cls is bytearray or issubclass(cls, MutableSequence | MutableMapping | MutableSet) or not is_frozen(cls)


def _within(hint: Any) -> Iterator[Any]:  # noqa: ANN401 - as above
    aliased = getattr(hint, "__value__", None) or getattr(hint, "__supertype__", None)
    origin = get_origin(hint)
    if aliased is not None:
        yield from _within(aliased)
    elif origin is None:
        yield hint
    else:
        yield origin
        for arg in get_args(hint):
            yield from _within(arg)


def is_frozen(cls: type[Any]) -> bool:
    """Whether the fields of its objects keep their values. Of a class that is no record, that is not asked."""
    if issubclass(cls, msgspec.Struct):
        return cls.__struct_config__.frozen
    if dataclasses.is_dataclass(cls):
        return bool(getattr(cls, "__dataclass_params__").frozen)  # noqa: B009 - no type has it
    if hasattr(cls, "model_validate_json"):
        return bool(cls.model_config.get("frozen"))
    return True
