"""Values as text: for people, for other programs, and one by one with their places (RFC 6901)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from refold.forms import encode
from refold.patching import escaped


def as_text(value: object) -> str:
    """For other programs: text as it is, nothing as nothing, all else as JSON; times are ISO 8601 in UTC."""
    match value:
        case None:
            return ""
        case str():
            return value
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case _:
            return encode(value).decode()


def for_people(value: object) -> str:
    """For people, on one line, with nothing in it that a terminal would obey."""
    match value:
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        case str():
            return on_one_line(value)
        case None:
            return ""
        case _:
            return visible(as_text(value))


def on_one_line(text: str) -> str:
    """The text, if all of it can be seen; else as a JSON string."""
    return text if text.isprintable() else f'"{visible(text)}"'


def visible(text: str) -> str:
    """The text on one line: what cannot be seen is written as JSON escapes it."""
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def indented(value: object) -> str:
    """JSON on many lines."""
    return msgspec.json.format(encode(value), indent=2).decode()


def places(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - JSON of any shape
    """Every scalar and every empty array or object in a JSON value, with its JSON pointer."""
    if isinstance(value, dict) and value:
        for key, part in cast("dict[str, Any]", value).items():
            yield from places(part, f"{pointer}/{escaped(key)}")
    elif isinstance(value, list) and value:
        for index, part in enumerate(cast("Sequence[Any]", value)):
            yield from places(part, f"{pointer}/{index}")
    else:
        yield pointer, value
