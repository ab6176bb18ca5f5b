"""A large JSON object taken apart: the elements of the arrays in it, one at a time, with the lines on which they begin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from refold.errors import EventLogError
from refold.eventlogs import rows

_CHUNK: Final = 64 * 1024
_MARK: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{},]', re.DOTALL)
"""A text, as far as it is read already, or what stands between values."""
_NEXT_BRACKET: Final = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+(["\[\]{}])', re.DOTALL)
"""All up to the next bracket, or to a text that is not read to its end: within an element nothing else counts."""
_END_OF_TEXT: Final = re.compile(rb'["\\]')
_KEY: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"\s*:\s*$')
_INSIDE, _ELEMENT = 1, 2
"""How many objects and arrays are open: within the object, and within an array of it."""


class Part(NamedTuple):
    """An element of the array under a key, as JSON, and the line that it begins on."""

    key: str
    line: int
    text: bytes


def parts(source: BinaryIO) -> Iterator[Part]:
    """The elements of all arrays directly in the object.

    Raises:
        EventLogError: it is no such object, is cut off, or an element is longer than `LONGEST`.
    """
    yield from _Scan(source).parts()


class _Scan:
    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._text = b""
        self._at = self._begin = 0
        self._line = 1  # where `_begin` is

    def parts(self) -> Iterator[Part]:
        depth, key = 0, ""
        while (mark := self._next_mark(depth)) is not None:
            if mark[:1] == b'"':
                if len(mark) == 1:
                    self._pass_text()
            elif mark in b"[{":
                depth += 1
                if depth <= _ELEMENT:
                    key = self._opened(depth, mark, key)
            elif depth == _ELEMENT and (part := self._ended(key)):
                yield part
            if mark in b"]}":
                depth -= 1
                if depth == _INSIDE:
                    self._begin_here()
                elif not depth:
                    return
        raise EventLogError("is cut off: its object has no end", line=self._line)

    def _opened(self, depth: int, mark: bytes, key: str) -> str:
        """Enter the object, or an array in it, and say under which key that is."""
        if depth == _INSIDE and (mark != b"{" or self._text[self._begin : self._at - 1].strip(b"\xef\xbb\xbf \t\r\n")):
            raise EventLogError("is not a JSON object", line=self._line)
        if depth == _ELEMENT:
            found = _KEY.search(self._text, self._begin, self._at - 1)
            key = found[1].decode("utf-8", "replace") if found and mark == b"[" else ""
        self._begin_here()
        return key

    def _ended(self, key: str) -> Part | None:
        """The element before a comma, or before the end of its array."""
        whole = self._text[self._begin : self._at - 1]
        text = whole.lstrip()
        line = self._line + whole[: len(whole) - len(text)].count(b"\n")
        self._begin_here()
        return Part(key, line, text) if text else None

    def _begin_here(self) -> None:
        self._line += self._text.count(b"\n", self._begin, self._at)
        self._begin = self._at

    def _next_mark(self, depth: int) -> bytes | None:
        if depth <= _ELEMENT:
            return self._find(_MARK)
        while (found := _NEXT_BRACKET.match(self._text, self._at)) is None:
            at = self._at
            if not self._more():
                return None
            self._at = at - self._dropped
        self._at = found.end()
        return found[1]

    def _pass_text(self) -> None:
        while (end := self._find(_END_OF_TEXT)) == b"\\":
            self._at += 1
        if end is None:
            raise EventLogError("is cut off within a text", line=self._line)

    def _find(self, what: re.Pattern[bytes]) -> bytes | None:
        """The next of these marks, after which it goes on; None at the end of the file."""
        while (found := what.search(self._text, self._at)) is None:
            at = max(self._at, len(self._text))
            if not self._more():
                return None
            self._at = at - self._dropped
        self._at = found.end()
        return found[0]

    def _more(self) -> bool:
        """Read on, and drop what was dealt with."""
        chunk = self._source.read(_CHUNK)
        self._dropped = self._begin
        self._text = self._text[self._begin :] + chunk
        self._begin = 0
        if len(self._text) > rows.LONGEST + _CHUNK:
            raise EventLogError(f"holds an element of more than {rows.LONGEST:,} bytes", line=self._line)
        return bool(chunk)
