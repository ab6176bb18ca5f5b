"""Meaning: source as a text of what it does, the same however it is laid out and in every Python."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import cast

_SKIPPED = frozenset(
    {"annotation", "returns", "type_comment", "type_params", "kind", "ctx", "simple", "decorator_list"}
)


def meaning_of(node: object) -> str:
    """As `ast.dump`, whose text differs from one Python to the next, and without what means nothing to the result."""
    match node:
        case ast.AnnAssign(target, _, value) if value is not None:
            return meaning_of(ast.Assign([target], value))
        case ast.JoinedStr(values):
            pieces = [each for each in values if not (isinstance(each, ast.Constant) and each.value == "")]
            return f"JoinedStr{meaning_of(pieces)}"  # Python 3.12.1 has empty pieces, others have not
        case ast.AST():
            fields = ((name, value) for name, value in ast.iter_fields(node) if name not in _SKIPPED)
            told = ",".join(
                f"{name}={meaning_of(_body(name, value))}" for name, value in fields if value not in (None, [])
            )
            return f"{type(node).__name__}({told})"
        case list():
            return f"[{','.join(map(meaning_of, cast('list[object]', node)))}]"
        case _:
            return repr(node)


def _body(name: str, value: object) -> object:
    return without_docstrings(cast("list[ast.stmt]", value)) if name == "body" and isinstance(value, list) else value


def without_docstrings(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    return [each for each in body if not _is_text(each)]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
