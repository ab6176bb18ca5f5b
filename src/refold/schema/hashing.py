"""Fingerprints of functions: of what their source means, not of how it is laid out.

Docstrings, comments, annotations, names of the function itself and formatting are left out. What it uses goes in: the values
that it closes over, its defaults, and the constants and functions of the application that it names or imports.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from enum import Enum
from fractions import Fraction
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Final, TypeAlias, cast

from refold.insides import attribute, parts_of
from refold.reach import is_foreign, owners, reached, top, within
from refold.sameness import field_names
from refold.schema.meaning import meaning_of, without_docstrings
from refold.telling import is_plain

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def function_hash(function: object) -> str | None:
    """The fingerprint of a function, or of an object that is called; None where its source is not to be had."""
    parts = list(_Hashing().of(function))
    return None if None in parts else f"sha256:{sha256(chr(10).join(map(str, parts)).encode()).hexdigest()}"


class _Hashing:
    """The parts of one fingerprint. What might lead back to itself is in it once."""

    def __init__(self) -> None:
        self._own: set[str] = set()
        self._seen: set[int] = set()  # of what outlives this: no id is given out twice

    def of(self, value: object) -> Iterator[str | None]:
        """What a value is, and what it holds."""
        if id(value) in self._seen and not _is_told_again(value):
            return
        self._seen.add(id(value))
        if isinstance(value, FunctionType):
            yield from self._of_function(value)
            return
        yield _plain(value)
        for part in self._within(value):
            yield from self.of(part)
        if _is_ready_made(value):
            yield from self._nothing()

    def _nothing(self) -> Iterator[str]:
        """Where there is none of what there might be; it says so once."""
        if id(None) not in self._seen:
            self._seen.add(id(None))
            yield "None"

    def _of_function(self, function: FunctionType) -> Iterator[str | None]:
        self._own |= {*owners(function)}
        tree = definition_of(function.__code__)
        yield None if tree is None else _text(tree)
        yield "tuple"
        for given in (function.__defaults__, function.__kwdefaults__):
            yield from self._nothing() if given is None else self.of(given)
        for name, value in self._named(function):
            yield name
            yield from self.of(value)

    def _named(self, function: FunctionType) -> Iterator[tuple[str, object]]:
        code, names = function.__code__, function.__globals__
        cells = [_content(cell) for cell in function.__closure__ or ()]
        yield from sorted(zip(code.co_freevars, cells, strict=True), key=lambda cell: cell[0])
        near = {name: names[name] for name in sorted(_names(code)) if _is_near(names.get(name), function)}
        yield from near.items()
        for name, value in reached(code, names, self._own):
            if name not in near and self._counts(value):
                yield name, value

    def _counts(self, value: object) -> bool:
        """Whether what it reaches is a constant, or a function of the application."""
        match value:
            case FunctionType():
                return not is_foreign(value.__module__, self._own) and definition_of(value.__code__) is not None
            case type() | ModuleType() | None:
                return False
            case partial():
                return not isinstance(value.func, FunctionType) or self._counts(value.func)
            case MethodType():
                return self._counts(value.__func__)
            case _ if (inner := _wrapped(value)) is not None:
                return self._counts(inner)
            case _:
                return isinstance(value, _BUILT_IN) or _is_atom(value) or self._is_own(value)

    def _within(self, value: object) -> list[object]:  # noqa: PLR0911 - a table, one case a kind
        match value:
            case partial():
                return [value.func, value.args, value.keywords]
            case MethodType():
                return [value.__func__, value.__self__]
            case dict():
                return [each for pair in cast("dict[object, object]", value).items() for each in pair]
            case set() | frozenset():
                return sorted(cast("set[object]", value), key=repr)
            case list() | tuple():
                return list(cast("list[object]", value))
            case Enum():
                return [value._value_]
            case type() | ModuleType():
                return []
            case _:
                return [] if _is_atom(value) else [*self._held(value), *_call_of(value)]

    def _held(self, value: object) -> list[object]:
        if (inner := _wrapped(value)) is not None:
            return [inner]
        if field_names(value):
            return list(parts_of(value).values())
        return [each for pair in parts_of(value).items() for each in pair] if self._is_own(value) else []

    def _is_own(self, value: object) -> bool:
        return not is_foreign(type(value).__module__, self._own)


_BUILT_IN: Final = (bool, int, float, str, bytes, list, tuple, set, frozenset, dict)


def _is_near(value: object, function: FunctionType) -> bool:
    own = isinstance(value, FunctionType) and value.__module__ == function.__module__
    return own or isinstance(value, _BUILT_IN)


def _is_atom(value: object) -> bool:
    return is_plain(value) or isinstance(value, Enum | Fraction | re.Pattern)


def _is_told_again(value: object) -> bool:
    return _is_atom(value) or isinstance(value, tuple | frozenset)


def _plain(value: object) -> str:
    """What a value is, without what it holds; a class or module by its name."""
    match value:
        case None | bool() | int() | float() | str() | bytes() | Fraction():
            return repr(value)
        case Enum():
            return f"{type(value).__qualname__}.{value._name_}"
        case re.Pattern():
            pattern = cast("re.Pattern[str]", value)
            return f"re.compile({pattern.pattern!r}, {pattern.flags})"
        case _ if is_plain(value):
            return repr(value)
        case _:
            return str(getattr(value, "__qualname__", type(value).__name__))


def _wrapped(value: object) -> FunctionType | None:
    """The function in a cache, say."""
    inner = attribute(value, "__wrapped__")
    return inner if isinstance(inner, FunctionType) else None


def _call_of(value: object) -> list[object]:
    """What a user's class does when it is called."""
    is_called = callable(value) and not _is_ready_made(value)
    return [inspect.getattr_static(type(value), "__call__", None)] if is_called else []


def _is_ready_made(value: object) -> bool:
    """How a change of ours is made is not the user's change."""
    return callable(value) and top(type(value).__module__) == "refold"


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet: a function that is defined later
        return None


def _names(code: CodeType) -> set[str]:
    return {name for each in within(code) for name in each.co_names}


def definition_of(code: CodeType) -> Definition | None:
    """Where the code was written; of several lambdas on one line, the one around its instructions."""
    lines = [(line, column) for line, _, column, _ in code.co_positions() if line is not None and column is not None]
    found = [node for node in _definitions(code.co_filename) if _starts(node) == code.co_firstlineno]
    named = [node for node in found if getattr(node, "name", "<lambda>") == code.co_name]
    around = [node for node in named if isinstance(node, ast.Lambda) and lines and _holds(node, max(lines))]
    return min(around or named, key=_size, default=None)


def _definitions(path: str) -> list[Definition]:
    try:
        stamp = Path(path).stat().st_mtime_ns
    except OSError:
        return []
    return _parsed(path, stamp)


@lru_cache(maxsize=64)
def _parsed(path: str, stamp: int) -> list[Definition]:  # noqa: ARG001 - a file that has changed is read again
    try:
        tree = ast.parse(Path(path).read_text("utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return []
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)]


def _starts(node: Definition) -> int:
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([node.lineno, *(each.lineno for each in decorators)])


def _holds(node: ast.Lambda, place: tuple[int, int]) -> bool:
    end = (node.end_lineno or node.lineno, node.end_col_offset or 0)
    return (node.body.lineno, node.body.col_offset) <= place < end


def _size(node: Definition) -> tuple[int, int]:
    return (node.end_lineno or 0) - node.lineno, (node.end_col_offset or 0) - node.col_offset


def _text(definition: Definition) -> str:
    """Of the arguments and the body alone, so that a lambda is a function of one return."""
    body = [ast.Return(definition.body)] if isinstance(definition, ast.Lambda) else definition.body
    return meaning_of([definition.args, without_docstrings(body)])
