"""Source: where the parts of an application are written, and what the names in it stand for."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# What is looked at here are objects of any class.

from __future__ import annotations

import builtins
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field
from enum import Enum, EnumMeta
from functools import cached_property, lru_cache, partial, partialmethod
from sys import maxsize
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, Final, cast, get_type_hints

from msgspec import Struct

from refold import reach
from refold.architect.parts import Place
from refold.architect.values import is_a
from refold.fingerprint import is_filled
from refold.schema.hashing import Definition, definition_of


def plain(function: object) -> FunctionType | None:
    """The Python function that something callable is, if it is one."""
    return opened(function)[0]


def opened(function: Any) -> tuple[FunctionType | None, tuple[object, ...], Mapping[str, object]]:  # noqa: ANN401
    """The Python function that something callable is, if it is one, and what it is called with before all else."""
    first: tuple[object, ...] = ()
    named: Mapping[str, object] = {}
    while True:
        if type(function) is FunctionType:
            if (wrapped := _wrapped(function)) is None:
                return function, first, named
            function = wrapped
        elif is_a(function, MethodType):
            function, first = function.__func__, (function.__self__, *first)
        elif is_a(function, staticmethod, classmethod):
            function = function.__func__
        elif is_a(function, partial):
            first, named = (*function.args, *first), {**function.keywords, **named}
            function = function.func
        elif (wrapped := attribute(function, "__wrapped__")) is not None:
            function = wrapped
        else:
            function, first = inspect.getattr_static(type(function), "__call__", None), (function, *first)
            if type(function) is not FunctionType:
                return None, (), {}


def _wrapped(function: FunctionType) -> object | None:
    return None if "registry" in vars(function) else vars(function).get("__wrapped__")


def tree_of(function: FunctionType) -> Definition | None:
    """Its source, as it was parsed; None where that is not to be had."""
    return definition_of(function.__code__)


def place_of(thing: object) -> Place:
    """Where a class or a function is written."""
    name = f"{attribute(thing, '__module__') or ''}.{attribute(thing, '__qualname__') or type(thing).__name__}"
    if is_a(thing, type):
        cls = cast("type[Any]", thing)
        return Place(_file_of(cls), _line_of(cls), name)
    function = plain(thing)
    if function is None:
        return Place("", 0, name)
    tree = tree_of(function)
    line = function.__code__.co_firstlineno if tree is None else tree.lineno
    return Place(function.__code__.co_filename, line, f"{function.__module__}.{function.__qualname__}")


def _file_of(cls: type[Any]) -> str:
    return getattr(sys.modules.get(cls.__module__), "__file__", None) or ""


def _line_of(cls: type[Any]) -> int:
    try:
        lines, start = inspect.getsourcelines(cls)
    except (OSError, TypeError):
        return 0
    inside = (number for number, line in enumerate(lines) if line.lstrip().startswith("class "))
    return start + next(inside, 0)


def is_foreign(thing: object, own: frozenset[str]) -> bool:
    """Whether it is code of somebody else's: the standard library, Refold, an installed package that is not the application."""
    module = str(attribute(thing, "__module__") or "")
    is_own = any(module == each or module.startswith(f"{each}.") for each in own)
    return not is_own and reach.is_foreign(module, ())


def packages_of(parts: Iterable[object]) -> frozenset[str]:
    """The packages of an application, by what of it is known: they may well be installed, too."""
    modules = {getattr(part, "__module__", None) or "" for part in parts}
    tops = {_package(module) for module in modules if module.partition(".")[0] not in sys.stdlib_module_names}
    return frozenset(tops - {""}) | {"__main__"}


def _package(module: str) -> str:
    top, _, rest = module.partition(".")
    if top != "refold":
        return top
    return module.rpartition(".")[0] if "." in rest else module


def names_of(function: FunctionType) -> Mapping[str, object]:
    """What the names that it does not bind itself stand for: what it closes over, globals, built-ins."""
    closed = {
        name: cell.cell_contents
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        if is_filled(cell)
    }
    return _Names(closed, function.__globals__)


class _Names(dict[str, object]):
    def __init__(self, closed: Mapping[str, object], outer: Mapping[str, object]) -> None:
        super().__init__(closed)
        self._outer = outer

    def __missing__(self, name: str) -> object:
        return self._outer[name] if name in self._outer else vars(builtins)[name]


def hints_of(thing: Callable[..., object] | type[Any]) -> Mapping[str, Any]:
    """Its annotations; none, if one of them cannot be read."""
    try:
        return get_type_hints(thing)
    except Exception:  # noqa: BLE001 - names that are known to nobody, whatever they raise
        return {}


_BOUND: Final = frozenset({
    FunctionType, MethodType, staticmethod, classmethod, partial, partialmethod, type(lru_cache(len)),
    BuiltinFunctionType, ClassMethodDescriptorType, GetSetDescriptorType, MemberDescriptorType, MethodDescriptorType,
    WrapperDescriptorType,
})  # fmt: skip
"""What is bound to an object by Python alone."""


def attribute(thing: Any, name: str) -> Any:  # noqa: ANN401, PLR0911 - any object
    """An attribute of an object, if it is there without any code of the application's running; otherwise None."""
    if is_a(thing, ModuleType):
        return vars(thing).get(name)
    if is_a(thing, EnumMeta) and name in vars(thing)["_member_map_"]:
        return vars(thing)["_member_map_"][name]
    if is_a(thing, Enum) and name in {"name", "value"}:
        return vars(thing).get(f"_{name}_")
    if type(thing) is MethodType and name not in {"__self__", "__func__"}:
        return attribute(thing.__func__, name)
    found, is_class = inspect.getattr_static(thing, name, None), is_a(thing, type)
    if not hasattr(type(found), "__get__"):
        return found if is_class or not is_a(found, type) else None
    if type(found) not in _BOUND:
        return None
    try:
        return (
            type.__getattribute__(cast("type[Any]", thing), name) if is_class else object.__getattribute__(thing, name)
        )
    except Exception:  # noqa: BLE001 - a slot that is empty, or whatever else a descriptor says
        return None


def binds(cls: type[Any], name: str) -> bool:
    """Whether a function of a class is called with the object that it is called on."""
    found = inspect.getattr_static(cls, name)
    return hasattr(type(found), "__get__") and not is_a(found, staticmethod, classmethod)


def factories_of(cls: type[Any]) -> Iterator[tuple[str, int, object]]:
    """The fields of a record whose defaults are made anew each time: their names, the places of their arguments, by what."""
    fields: Mapping[str, Field[Any]] = vars(cls).get("__dataclass_fields__", {})
    named = [each for each in fields.values() if each.init and each.kw_only]
    places = [*(each for each in fields.values() if each.init and not each.kw_only), *named]
    for at, each in enumerate(places):
        if each.default_factory is not MISSING:
            yield each.name, maxsize if each in named else at, each.default_factory
    if issubclass(cls, Struct):
        first = len(cls.__struct_fields__) - len(cls.__struct_defaults__)
        for at, (name, default) in enumerate(zip(cls.__struct_fields__[first:], cls.__struct_defaults__, strict=True)):
            if type(default).__module__.partition(".")[0] == "msgspec" and (made_by := attribute(default, "factory")):
                yield name, first + at, made_by


def computed(thing: object, name: str) -> FunctionType | None:
    """The function that an attribute is computed by, of a property."""
    found = inspect.getattr_static(thing, name, None)
    if is_a(found, property):
        return plain(found.fget)
    return plain(found.func) if is_a(found, cached_property) else None
