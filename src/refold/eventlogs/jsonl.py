"""JSONL event logs: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import BinaryIO, cast

import msgspec

from refold.errors import shortened
from refold.eventlogs.rows import BadRow, Json, LogRow, Row, physical_lines

_BOM = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder[object](object).decode


def read_jsonl(source: BinaryIO) -> Iterator[Row]:
    """The rows of a UTF-8 file. Blank lines are passed over."""
    for line, raw in enumerate(physical_lines(source), 1):
        text = raw.removeprefix(_BOM) if line == 1 else raw
        if text and not text.isspace():
            yield _row(line, text)


def _row(line: int, raw: bytes) -> Row:
    try:
        value = _decode(raw)
        if not isinstance(value, dict):
            return BadRow(line, None, f"{shortened(value)} is not a JSON object")
        fields = cast("dict[str, Json]", value)
        if len(fields) != _most_keys(raw):
            json.loads(raw, object_pairs_hook=_check_keys, parse_int=str, parse_float=str)
        return LogRow(line, fields)
    except _Repeated as error:
        return BadRow(line, error.key, f"the key {shortened(error.key)} stands twice in one object")
    except RecursionError:
        return BadRow(line, None, "values are nested too deeply")
    except ValueError as error:
        return _malformed(line, raw, error)


def _most_keys(raw: bytes) -> int:
    """No object on the line has more keys than this: the colons after what may end a key, those in texts included.

    If it is the number of keys found, none was lost to a second one of its name, and the slow search is spared.
    """
    return raw.count(b'":') + raw.count(b" :") + raw.count(b"\t:") + raw.count(b"\r:")


class _Repeated(Exception):
    def __init__(self, key: str) -> None:
        self.key = key


def _check_keys(pairs: list[tuple[str, object]]) -> None:
    seen = set[str]()
    for key, _ in pairs:
        if key in seen:
            raise _Repeated(key)
        seen.add(key)


def _malformed(line: int, raw: bytes, error: ValueError) -> BadRow:
    """The first field with a flaw that a lenient reader lets pass; else what the strict one says."""
    try:
        fields = cast("object", json.loads(raw))
    except (ValueError, RecursionError):
        return BadRow(line, None, str(error))
    if isinstance(fields, dict):
        for key, value in cast("dict[str, Json]", fields).items():
            if flaw := _flaw(value):
                return BadRow(line, key, flaw)
    return BadRow(line, None, str(error))


def _flaw(value: Json) -> str | None:
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "holds half of a surrogate pair, which is no text"
    except ValueError:
        return "holds NaN, Infinity or a number of their size, which JSON does not have"
    return None
