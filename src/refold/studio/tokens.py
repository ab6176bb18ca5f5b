"""JSON as tokens: pieces of text, each with what it is, so that a page can colour them and escapes each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

import msgspec

from refold.forms import as_number

Token: TypeAlias = tuple[str, str]
"""The class that it is coloured by, empty for none, and its text."""

_encode: Final = msgspec.json.Encoder(enc_hook=as_number).encode
BRIEF: Final = 160
_LONG: Final = 10_000
"""Characters of one value that are shown; whoever wants all of a longer text asks for JSON."""


def scalar(value: object) -> Token:
    """A value that holds no others."""
    match value:
        case bool():
            return "b", "true" if value else "false"
        case None:
            return "b", "null"
        case int() | float():
            return "n", as_text(value)
        case _:
            return "s", as_text(value)


def as_text(value: object) -> str:
    """A value as JSON on one line, of which no more is shown than a page can hold."""
    text = _encode(value).decode()
    return text if len(text) <= _LONG else f"{text[:_LONG]}… ({len(text):,} characters)"


def compact(value: object) -> Iterator[Token]:
    """A value on one line."""
    if isinstance(value, Mapping):
        yield "", "{"
        for index, (key, each) in enumerate(cast("Mapping[str, Any]", value).items()):
            yield "k", f"{', ' if index else ''}{as_text(key)}: "
            yield from compact(each)
        yield "", "}"
    elif isinstance(value, list | tuple):
        yield "", "["
        for index, each in enumerate(cast("Sequence[Any]", value)):
            if index:
                yield "", ", "
            yield from compact(each)
        yield "", "]"
    else:
        yield scalar(value)


def brief(data: Mapping[str, Any]) -> str:
    """The data of an event in a row of a table: keys without quotes, and no more than fits."""
    parts: list[str] = []
    length = 0
    for key, value in data.items():
        parts.append(f"{key}: {as_brief(value)}")
        length += len(parts[-1])
        if length > BRIEF:
            break
    text = ", ".join(parts)
    return text if len(text) <= BRIEF else f"{text[:BRIEF]}…"


def as_brief(value: object) -> str:
    """A value in a few characters: long ones are cut before they are written."""
    if isinstance(value, str):
        return as_text(value[: BRIEF + 1])
    if isinstance(value, list | tuple):
        return "[" + ", ".join(as_brief(each) for each in cast("Sequence[Any]", value)[:8]) + "]"
    if isinstance(value, Mapping):
        items = list(cast("Mapping[str, Any]", value).items())[:8]
        return "{" + ", ".join(f"{as_text(key)}: {as_brief(each)}" for key, each in items) + "}"
    return as_text(value)
