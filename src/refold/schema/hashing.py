"""Fingerprints of functions: of what their source means, not of how it is laid out.

Docstrings, comments, annotations, names of the function itself and formatting are left out. What it uses goes in: the values
that it closes over, its defaults, and the constants and functions of its own module that it names.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any, TypeAlias, cast

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def function_hash(function: object) -> str | None:
    """The fingerprint of a function, or of an object that is called; None where its source is not to be had."""
    parts = list(_parts(function, set()))
    return None if None in parts else f"sha256:{sha256(chr(10).join(map(str, parts)).encode()).hexdigest()}"


def _parts(value: object, seen: set[int]) -> Iterator[str | None]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, FunctionType):
        yield from _of_function(value, seen)
        return
    yield _plain(value)
    for part in _within(value):
        yield from _parts(part, seen)


def _plain(value: object) -> str:
    """What a value is, without what it holds; a class or module by its name."""
    match value:
        case None | bool() | int() | float() | str() | bytes():
            return repr(value)
        case _:
            return str(getattr(value, "__qualname__", type(value).__name__))


def _within(value: object) -> list[object]:
    match value:
        case partial():
            return [value.func, value.args, value.keywords]
        case dict():
            return [each for pair in cast("dict[object, object]", value).items() for each in pair]
        case set() | frozenset():
            return sorted(cast("set[object]", value), key=repr)
        case list() | tuple():
            return list(cast("list[object]", value))
        case type() | ModuleType():
            return []
        case _:
            return [*_fields(value), _call_of(value)] if callable(value) else []


def _fields(value: Any) -> list[object]:  # noqa: ANN401 - an object of any class
    return (
        [getattr(value, field.name) for field in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else []
    )


def _call_of(value: object) -> object:
    """What a user's class does when it is called; how ours do it is not the user's change."""
    own = type(value).__module__.partition(".")[0] == "refold"
    return None if own else inspect.getattr_static(type(value), "__call__", None)


def _of_function(function: FunctionType, seen: set[int]) -> Iterator[str | None]:
    tree = definition_of(function.__code__)
    yield None if tree is None else _text(tree)
    yield from _parts((function.__defaults__, function.__kwdefaults__), seen)
    for name, value in _named(function):
        yield name
        yield from _parts(value, seen)


def _named(function: FunctionType) -> Iterator[tuple[str, object]]:
    cells = function.__closure__ or ()
    closed = dict(zip(function.__code__.co_freevars, [_content(cell) for cell in cells], strict=True))
    yield from sorted(closed.items())
    for name in sorted(_names(function.__code__)):
        value = function.__globals__.get(name)
        own = isinstance(value, FunctionType) and value.__module__ == function.__module__
        if own or isinstance(value, bool | int | float | str | bytes | list | tuple | set | frozenset | dict):
            yield name, value


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet: a function that is defined later
        return None


def _names(code: CodeType) -> set[str]:
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return set(code.co_names).union(*map(_names, inner))


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


_SKIPPED = frozenset(
    {"annotation", "returns", "type_comment", "type_params", "kind", "ctx", "simple", "decorator_list"}
)


def _text(definition: Definition) -> str:
    """Of the arguments and the body alone, so that a lambda is a function of one return."""
    body = [ast.Return(definition.body)] if isinstance(definition, ast.Lambda) else definition.body
    return _dumped([definition.args, _without_docstring(body)])


def _dumped(node: object) -> str:
    """As `ast.dump`, whose text differs from one Python to the next, and without what means nothing to the result."""
    match node:
        case ast.AnnAssign(target, _, value) if value is not None:
            return _dumped(ast.Assign([target], value))
        case ast.JoinedStr(values):
            pieces = [each for each in values if not (isinstance(each, ast.Constant) and each.value == "")]
            return f"JoinedStr{_dumped(pieces)}"  # Python 3.12.1 has empty pieces, others have not
        case ast.AST():
            fields = ((name, value) for name, value in ast.iter_fields(node) if name not in _SKIPPED)
            told = ",".join(
                f"{name}={_dumped(_body(name, value))}" for name, value in fields if value not in (None, [])
            )
            return f"{type(node).__name__}({told})"
        case list():
            return f"[{','.join(map(_dumped, cast('list[object]', node)))}]"
        case _:
            return repr(node)


def _body(name: str, value: object) -> object:
    return _without_docstring(cast("list[ast.stmt]", value)) if name == "body" and isinstance(value, list) else value


def _without_docstring(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    return [each for each in body if not _is_text(each)]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
