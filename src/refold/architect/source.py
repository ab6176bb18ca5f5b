"""Source: where the parts of an application are written, and what the names in it stand for."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# What is looked at here are objects of any class.

from __future__ import annotations

import builtins
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any, get_type_hints

from refold.architect.parts import Place
from refold.fingerprint import is_filled
from refold.schema.hashing import Definition, definition_of


def plain(function: object) -> FunctionType | None:
    """The Python function that something callable is, if it is one."""
    while True:
        match function:
            case FunctionType():
                wrapped = getattr(function, "__wrapped__", None)
                if wrapped is None or hasattr(function, "registry"):
                    return function
                function = wrapped
            case MethodType():
                function = function.__func__
            case staticmethod() | classmethod():
                function = function.__func__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            case partial():
                function = function.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            case type() | None:
                return None
            case _:
                function = getattr(function, "__wrapped__", None) or inspect.getattr_static(
                    type(function), "__call__", None
                )
                if not isinstance(function, FunctionType):
                    return None


def tree_of(function: FunctionType) -> Definition | None:
    """Its source, as it was parsed; None where that is not to be had."""
    return definition_of(function.__code__)


def place_of(thing: object) -> Place:
    """Where a class or a function is written."""
    name = f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', type(thing).__name__)}"
    if isinstance(thing, type):
        return Place(_file_of(thing), _line_of(thing), name)
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
    module = getattr(thing, "__module__", None) or ""
    if any(module == each or module.startswith(f"{each}.") for each in own):
        return False
    top, file = module.partition(".")[0], getattr(sys.modules.get(module), "__file__", None) or ""
    installed = "site-packages" in file or "dist-packages" in file
    return not module or top in sys.stdlib_module_names or top in {"refold", "msgspec"} or installed


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


def attribute(thing: object, name: str) -> object | None:
    """An attribute of an object, if it is there without any code of the application's running."""
    if isinstance(thing, ModuleType):
        module: dict[str, object] = vars(thing)
        return module.get(name)
    try:
        found = inspect.getattr_static(thing, name)
    except AttributeError:
        return None
    if isinstance(found, property) or (not isinstance(thing, type) and isinstance(found, type)):
        return None
    bound: object = getattr(thing, name, None) if hasattr(found, "__get__") else found
    return bound
