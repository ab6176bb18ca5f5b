"""A state as lines of JSON, each marked with what became of it since another state: added, changed, removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Literal, TypeAlias, cast

from msgspec import UNSET, Struct

from refold.patching import Operation, changes, escaped
from refold.studio.tokens import Token, as_text, compact

Mark: TypeAlias = Literal["", "added", "changed", "removed"]
MOST: Final = 2_000
"""Lines of a state that are shown, unless all are asked for."""


class Line(Struct, frozen=True):
    """A line: its depth, its tokens, its mark, and the old value if it was changed; `number`: None where the line is gone."""

    depth: int
    tokens: Sequence[Token]
    mark: Mark = ""
    old: str = ""
    number: int | None = None


class Lines(Struct, frozen=True):
    """The lines that are shown, and whether there are more."""

    shown: Sequence[Line]
    cut: bool


def marked(old: object, new: object, most: int | None = MOST) -> Lines:
    """The lines of `new`, marked by how it differs from `old`; both are plain JSON, `old` may be `UNSET` for no marks."""
    found = _numbered(_lines(new, new if old is UNSET else old, 0, (), ""))
    if most is None:
        return Lines(tuple(found), cut=False)
    shown = tuple(islice(found, most + 1))
    return Lines(shown[:most], cut=len(shown) > most)


def plain(value: object, most: int | None = MOST) -> Lines:
    """The lines of a value, without marks."""
    return marked(UNSET, value, most)


def _numbered(lines: Iterator[Line]) -> Iterator[Line]:
    number = 0
    for line in lines:
        if line.mark == "removed":
            yield line
            continue
        number += 1
        yield Line(line.depth, line.tokens, line.mark, line.old, number)


def _lines(new: Any, old: Any, depth: int, head: Sequence[Token], comma: str) -> Iterator[Line]:  # noqa: ANN401 - JSON
    """The lines of a value that was there before, too."""
    match new, old:
        case dict(), dict() if new:
            yield Line(depth, (*head, ("", "{")))
            yield from _members(cast("dict[str, Any]", new), cast("dict[str, Any]", old), depth + 1)
            yield Line(depth, (("", f"}}{comma}"),))
        case list(), list() if new:
            yield Line(depth, (*head, ("", "[")))
            yield from _items(_list(new), _list(old), depth + 1)
            yield Line(depth, (("", f"]{comma}"),))
        case _ if type(new) is type(old) and new == old:
            yield from whole(new, depth, head, comma)
        case _:
            changed = tuple(whole(new, depth, head, comma, "changed"))
            first, *rest = changed
            yield Line(first.depth, first.tokens, first.mark, as_text(old))
            yield from rest


def _members(new: Mapping[str, Any], old: Mapping[str, Any], depth: int) -> Iterator[Line]:
    last = len(new) - 1
    for index, (key, value) in enumerate(new.items()):
        head, comma = _key(key), "" if index == last else ","
        if key in old:
            yield from _lines(value, old[key], depth, head, comma)
        else:
            yield from whole(value, depth, head, comma, "added")
    for key, value in old.items():
        if key not in new:
            yield from whole(value, depth, _key(key), "", "removed")


def _items(new: Sequence[Any], old: Sequence[Any], depth: int) -> Iterator[Line]:
    """What is equal at both ends stays; between, items are compared in pairs, as a JSON Patch has it."""
    start = _equal(new, old)
    tail = _equal(new[start:][::-1], old[start:][::-1])
    end, paired = len(new) - tail, max(start, min(len(new), len(old)) - tail)
    for index, value in enumerate(new):
        comma = "" if index == len(new) - 1 else ","
        if index == end:
            yield from _gone(old[paired : len(old) - tail], depth)
        if start <= index < paired:
            yield from _lines(value, old[index], depth, (), comma)
        else:
            yield from whole(value, depth, (), comma, "added" if paired <= index < end else "")
    if end == len(new):
        yield from _gone(old[paired:], depth)


def _gone(values: Sequence[Any], depth: int) -> Iterator[Line]:
    for value in values:
        yield from whole(value, depth, (), "", "removed")


def _equal(one: Sequence[Any], other: Sequence[Any]) -> int:
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if any(changes(a, b))), min(len(one), len(other)))


def whole(value: Any, depth: int, head: Sequence[Token], comma: str, mark: Mark = "") -> Iterator[Line]:  # noqa: ANN401
    """All lines of a value, with one mark."""
    if isinstance(value, dict) and value:
        yield Line(depth, (*head, ("", "{")), mark)
        members = list(cast("dict[str, Any]", value).items())
        for index, (key, each) in enumerate(members):
            yield from whole(each, depth + 1, _key(key), "" if index == len(members) - 1 else ",", mark)
        yield Line(depth, (("", f"}}{comma}"),), mark)
    elif isinstance(value, list) and value:
        yield Line(depth, (*head, ("", "[")), mark)
        items = _list(value)
        for index, each in enumerate(items):
            yield from whole(each, depth + 1, (), "" if index == len(items) - 1 else ",", mark)
        yield Line(depth, (("", f"]{comma}"),), mark)
    else:
        yield Line(depth, (*head, *compact(cast("object", value)), ("", comma)), mark)


def _list(value: Any) -> list[Any]:  # noqa: ANN401 - JSON
    return value  # type: ignore[no-any-return] # its caller has looked


def _key(key: str) -> tuple[Token, ...]:
    return ("k", as_text(key)), ("", ": ")


class Change(Struct, frozen=True):
    """One value at one place that was added, changed or removed: a JSON Patch with its objects taken apart."""

    mark: Mark
    path: str
    old: Sequence[Token] = ()
    new: Sequence[Token] = ()


_MARKS: Final[Mapping[str, Mark]] = {"add": "added", "replace": "changed", "remove": "removed"}


def leaves(operations: Sequence[Operation], most: int = 500) -> Sequence[Change]:
    """The changes, so many at most, down to values that hold no others."""
    return tuple(islice((each for operation in operations for each in _leaves(operation)), most))


def _leaves(operation: Operation) -> Iterator[Change]:
    mark = _MARKS[operation.op]
    if operation.op == "replace":
        yield Change(mark, operation.path, tuple(compact(operation.old)), tuple(compact(operation.value)))
        return
    value = operation.value if operation.op == "add" else operation.old
    for path, leaf in _below(operation.path, value):
        tokens = tuple(compact(leaf))
        yield Change(mark, path, () if mark == "added" else tokens, tokens if mark == "added" else ())


def _below(path: str, value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - JSON
    if isinstance(value, dict) and value:
        for key, each in cast("dict[str, Any]", value).items():
            yield from _below(f"{path}/{escaped(key)}", each)
    elif isinstance(value, list) and value:
        for index, each in enumerate(_list(value)):
            yield from _below(f"{path}/{index}", each)
    else:
        yield path, value
