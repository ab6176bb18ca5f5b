"""Telling: values as texts that are the same in each process, and others as soon as a value is another."""

# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# What is told here are objects of any class.

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from functools import cached_property, partial, singledispatchmethod
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MethodType, ModuleType, UnionType
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin
from uuid import UUID

import msgspec

from refold.insides import attribute, parts_of, pickled
from refold.reach import is_foreign, top

_PLAIN: Final = (
    type(None), bool, int, float, complex, str, bytes, Decimal, datetime, date, time, timedelta, tzinfo, UUID, range,
    type(Ellipsis), type(NotImplemented),
)  # fmt: skip


def is_plain(value: object) -> bool:
    """Whether all of a value is in its `repr`."""
    return isinstance(value, _PLAIN) and type(value).__repr__ is not object.__repr__


class Telling:
    """What has an identity is told once, in `definitions`, and anywhere else by its number there.

    So neither cycles nor depth matter. `own`: the packages of the application. What others made is told by its name.
    """

    def __init__(self, own: Collection[str]) -> None:
        self._own = own
        self._numbers: dict[int, int] = {}
        self._held: list[object] = []  # so that no number of an object is given out twice
        self._definitions: list[str] = []

    @property
    def definitions(self) -> list[str]:
        """Of all that has a number, and of what comes up as they are told."""
        while len(self._definitions) < len(self._held):
            self._definitions.append(self._defined(self._held[len(self._definitions)]))
        return self._definitions

    def of(self, value: object) -> str:
        """A text. What cannot be told is told by its class."""
        try:
            return self._told(value)
        except Exception:  # noqa: BLE001 - of objects that are only looked at, whatever they do about it
            return f"some {type(value).__qualname__}"

    def _told(self, value: object) -> str:  # noqa: C901, PLR0911, PLR0912 - a table, one case a kind
        match value:
            case Enum():
                return f"{self.of(type(value))}.{value._name_}"
            case _ if is_plain(value):
                return f"{type(value).__name__} {value!r}"
            case tuple():
                return f"{self._unlike(value, tuple)}tuple({self._all_of(tuple.__iter__(value))})"
            case frozenset():
                return f"{self._unlike(value, frozenset)}set({self._in_order(frozenset.__iter__(value))})"
            case MethodType():
                return f"bound({self.of(value.__func__)}, {self.of(value.__self__)})"
            case staticmethod() | classmethod():
                kind = "static" if isinstance(value, staticmethod) else "class"
                return f"{kind}({self.of(cast('Any', value).__func__)})"
            case property():
                return f"property({self.of(value.fget)})"
            case cached_property():
                return f"property({self.of(cast('Any', value).func)})"
            case singledispatchmethod():
                return f"method({self.of(cast('Any', value).dispatcher)})"
            case FunctionType() if hasattr(value, "dispatch") and hasattr(value, "registry"):
                return f"by class({self._pairs(cast('Any', value).registry.items())})"  # and not what it was called with so far
            case partial():
                return (
                    f"partial({self.of(value.func)}, {self.of(value.args)}, map({self._pairs(value.keywords.items())}))"
                )
            case ModuleType():
                name = value.__name__
                return f"module {self._released(name, name) if self._is_foreign(name) else ''}"
            case TypeVar():
                return f"variable {value.__name__}"
            case _ if get_origin(value) is not None:
                return self._of_generic(value)
            case type() | FunctionType() if self._is_foreign(value.__module__):
                return self._released(f"{value.__module__}.{value.__qualname__}", value.__module__)
            case BuiltinFunctionType():
                whose = value.__self__
                bound = "" if whose is None or isinstance(whose, type | ModuleType) else f" of {self.of(whose)}"
                return f"built-in {value.__module__}.{value.__qualname__}{bound}"
            case type() | FunctionType():
                return self._once(value)
            case _:
                return self._behind(value) or self._once(value)

    def _of_generic(self, hint: object) -> str:
        origin = get_origin(hint)
        name = "union" if origin in (Union, UnionType) else self.of(origin)
        return f"{name}[{self._all_of(get_args(hint))}]"

    def _behind(self, value: object) -> str:
        """What an alias means, or what is wrapped; "" where a value stands for itself."""
        aliased = attribute(value, "__value__") or attribute(value, "__supertype__")
        if aliased is not None:
            return self.of(aliased)
        if callable(inner := attribute(value, "__wrapped__")):
            return f"around({self.of(inner)})"
        return repr(value) if isinstance(value, msgspec.Meta) or type(value).__module__ == "typing" else ""

    def _once(self, value: object) -> str:
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._held)
            self._held.append(value)
        return f"#{self._numbers[id(value)]}"

    # What has a number ----------------------------------------------------------

    def _defined(self, value: object) -> str:
        try:
            if isinstance(value, type | FunctionType):
                return f"{value.__qualname__}: {'; '.join(self._definition(value))}"
            return self._of_container(value) or self._of_instance(value)
        except Exception:  # noqa: BLE001 - as in `of`
            return f"some {type(value).__qualname__}"

    def _of_container(self, value: object) -> str:
        match value:
            case list():
                return f"{self._unlike(value, list)}list({self._all_of(list.__iter__(value))})"
            case set():
                return f"{self._unlike(value, set)}set({self._in_order(set.__iter__(value))})"
            case dict():
                return f"{self._unlike(value, dict)}map({self._pairs(dict.items(value))})"
            case MappingProxyType():
                return f"map({self._pairs(value.items())})"
            case Mapping() if self._is_foreign(type(value).__module__):
                return f"map({self._in_order(value.items())})"
            case _:
                return ""

    def _definition(self, value: type[Any] | FunctionType) -> Iterator[str]:
        """What a function or a class of the application is, in parts; here no more than its name."""
        _ = value
        yield from ()

    def _of_instance(self, value: object) -> str:
        name = self.of(type(value))
        if isinstance(value, Iterator):  # where it stands is no constant
            return f"some {name}"
        if parts := pickled(value, self._is_foreign):
            return f"some {name}: {self._all_of(parts)}"
        return f"{name}({', '.join(f'{part}={self.of(held)}' for part, held in parts_of(value).items())})"

    def _unlike(self, value: object, kind: type[Any]) -> str:
        """Of a class that is more than a built-in one: which, and what else it holds."""
        return "" if type(value) is kind else f"{self.of(type(value))}({self._pairs(parts_of(value).items())}) "

    def _all_of(self, values: Iterable[object]) -> str:
        return ", ".join(map(self.of, values))

    def _pairs(self, pairs: Iterable[tuple[object, object]]) -> str:
        return ", ".join(f"{self.of(key)}: {self.of(item)}" for key, item in pairs)

    def _in_order(self, values: Iterable[object]) -> str:
        """In one that lasts from one process to the next, as that of numbers would not."""
        return self._all_of(sorted(values, key=_Sorting(self._own).of))

    def _is_foreign(self, module: str | None) -> bool:
        return is_foreign(module, self._own)

    def _released(self, name: str, module: str | None) -> str:
        """With the release of the package; that of the standard library is the interpreter's."""
        package = top(module)
        release = None if package in sys.stdlib_module_names else getattr(sys.modules.get(package), "__version__", None)
        return f"{name} {release}" if isinstance(release, str) else name


class _Sorting(Telling):
    """Texts without numbers, by which values are sorted: what lies deep or is long is told by its class."""

    _DEPTH: Final = 2
    _LENGTH: Final = 20
    _depth = 0

    def _once(self, value: object) -> str:
        is_long = isinstance(value, list | dict | set) and len(value) > self._LENGTH
        if isinstance(value, type | FunctionType) or is_long or self._depth >= self._DEPTH:
            return str(getattr(value, "__qualname__", type(value).__qualname__))
        self._depth += 1
        try:
            return self._defined(value)
        finally:
            self._depth -= 1

    def _in_order(self, values: Iterable[object]) -> str:
        return ", ".join(sorted(map(self.of, values)))
