"""Payloads: an event's bytes, kept as the JSON that they are, so that Refold reads them, and given back as they came."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from refold.codec import object_of

BYTES: Final = "$bytes"
"""The one key of the data of an event whose bytes are no JSON object, or are kept as if they were none: base64."""

Writing: TypeAlias = Callable[[Mapping[str, Any]], bytes]

_TEXT_LIMIT: Final = 30_000
"""Bytes of a text that is kept beside its JSON: with all that it is escaped by, metadata have room for it."""


def _compact(data: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(data)


WRITINGS: Final[Mapping[str, Writing]] = {
    "compact": _compact,
    "spaced": lambda data: json.dumps(data).encode(),
    "spaced-unicode": lambda data: json.dumps(data, ensure_ascii=False).encode(),
    "compact-ascii": lambda data: json.dumps(data, separators=(",", ":")).encode(),
}
"""How JSON is written by most who write it: the name of the way is enough to write it so again."""


class Written(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the bytes were written: in one of the ways above, as just this text, or as `BYTES` in place of JSON."""

    way: str = "compact"
    text: str | None = None


def kept(payload: bytes) -> tuple[Mapping[str, Any], Written]:
    """The data of an event, and what makes them these bytes again."""
    try:
        data = object_of(payload)
        for way, write in WRITINGS.items():
            if write(data) == payload:
                return data, Written(way)
        text = payload.decode()
        if len(msgspec.json.encode(text)) <= _TEXT_LIMIT and object_of(_compact(data)) == data:
            return data, Written("text", text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass  # no JSON object, or one that would not be kept as it is
    return {BYTES: b64encode(payload).decode()}, Written(BYTES)


def given_back(data: Mapping[str, Any], written: Written) -> bytes:
    """The bytes. What was written by other hands, and makes no sense, is told as the JSON that it is."""
    if written.text is not None:
        return written.text.encode()
    if written.way == BYTES:
        try:
            return b64decode(data[BYTES], validate=True)
        except (KeyError, TypeError, ValueError):
            return _compact(data)
    return WRITINGS.get(written.way, _compact)(data)
