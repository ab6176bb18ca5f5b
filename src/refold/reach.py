"""Reach: what the names in a function's code stand for, and whose code that is."""

from __future__ import annotations

import dis
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import CodeType, ModuleType
from typing import Any, Final

_GLOBAL: Final = ("LOAD_GLOBAL", "LOAD_NAME")


def owners(*parts: object) -> Iterator[str]:
    """The packages of the application, by what of it is known: these may well be installed, too."""
    yield "__main__"
    for part in parts:
        module = getattr(part, "__module__", None) or ""
        if top(module) not in sys.stdlib_module_names:
            yield module if top(module) == "refold" else top(module)


def top(module: str | None) -> str:
    """The package that a module is in at last."""
    return (module or "").partition(".")[0]


def is_foreign(module: str | None, own: Collection[str]) -> bool:
    """Whether a module is none of the application: of the standard library, of Refold, of an installed package."""
    if top(module) in own or module in own:
        return False
    place = getattr(sys.modules.get(module or ""), "__file__", None) or ""
    return (
        top(module) in sys.stdlib_module_names or top(module) in {"refold", "msgspec", ""}
        or "site-packages" in place or "dist-packages" in place
    )  # fmt: skip


def within(code: CodeType) -> Iterator[CodeType]:
    """The code of a function, and of the functions, classes and generators inside."""
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from within(const)


def reached(code: CodeType, names: Mapping[str, Any], own: Collection[str]) -> Iterator[tuple[str, object]]:
    """The globals that it reads, what it imports, and of modules of the application what it may take from them."""
    codes = list(within(code))
    used = sorted({name for each in codes for name in each.co_names})
    steps = [[step for step in dis.get_instructions(each) if step.opname != "EXTENDED_ARG"] for each in codes]
    read = {step.argval for each in steps for step in each if step.opname in _GLOBAL}
    found = [
        (name, names[name]) for name in sorted(read) if name in names and name != "__name__"
    ]  # each class reads that
    for name, value in (*found, *(imported for each in steps for imported in _imported(each, names))):
        yield name, value
        yield from _taken(value, used, own, set())


def _taken(
    module: object, used: Sequence[str], own: Collection[str], seen: set[object]
) -> Iterator[tuple[str, object]]:
    if not isinstance(module, ModuleType) or is_foreign(module.__name__, own) or module in seen:
        return
    seen.add(module)
    for name in used:
        for value in _part(module, name):
            yield f".{name}", value
            yield from _taken(value, used, own, seen)


def _part(module: ModuleType, name: str) -> tuple[object, ...]:
    if name in vars(module):
        return (vars(module)[name],)
    try:  # some modules look for a name as it is asked for
        return (getattr(module, name),) if "__getattr__" in vars(module) else ()
    except Exception:  # noqa: BLE001 - it has none of that name
        return ()


def _imported(steps: Sequence[dis.Instruction], names: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """What code imports as it runs is imported now: nothing else tells what that is."""
    for level, wanted, step in zip(steps, steps[1:], steps[2:], strict=False):
        if step.opname == "IMPORT_NAME" and (level.argval or top(step.argval) not in sys.stdlib_module_names):
            module = _module(step.argval, names, wanted.argval or (), level.argval)
            taken = [(name, getattr(module, name)) for name in wanted.argval or () if hasattr(module, name)]
            yield from taken if wanted.argval else [(step.argval, module)]


def _module(name: str, names: Mapping[str, Any], wanted: Sequence[str], level: int) -> ModuleType | None:
    try:
        return __import__(name, dict(names), None, wanted, level)
    except (Exception, SystemExit):  # noqa: BLE001 - it is not there, or does not work: then the code knows what to do
        return None
