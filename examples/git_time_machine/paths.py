"""Paths are bytes to git and text to us: each path has one text, each text one path, and no text breaks a line.

The text is what `git -c core.quotePath=false ls-tree` prints: the path, or, where it holds quotes, backslashes or control
characters, the path in quotes with escapes. Unlike there, a path that is not UTF-8 is in quotes, too, all in ASCII.
"""

from __future__ import annotations

import re
from typing import Final

_NAMED: Final = {b"\a": b"a", b"\b": b"b", b"\t": b"t", b"\n": b"n", b"\v": b"v", b"\f": b"f", b"\r": b"r", b'"': b'"'}
_ESCAPES: Final = _NAMED | {b"\\": b"\\"}
_MEANINGS: Final = {name: char for char, name in _ESCAPES.items()}
_SPECIAL: Final = re.compile(rb'[\x00-\x1f\x7f"\\]')
_SPECIAL_OR_FOREIGN: Final = re.compile(rb'[\x00-\x1f\x7f-\xff"\\]')
_ESCAPED: Final = re.compile(rb"\\([0-7]{3}|.)")


def as_text(path: bytes) -> str:
    """The text of a path."""
    try:
        text = path.decode()
    except UnicodeDecodeError:
        return _quoted(path, _SPECIAL_OR_FOREIGN)
    return _quoted(path, _SPECIAL) if _SPECIAL.search(path) else text


def as_bytes(text: str) -> bytes:
    """The path that has this text."""
    path = text.encode()
    return _ESCAPED.sub(_unescaped, path[1:-1]) if path.startswith(b'"') else path


def _quoted(path: bytes, special: re.Pattern[bytes]) -> str:
    return f'"{special.sub(_escaped, path).decode()}"'


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"\\" + (_ESCAPES.get(found[0]) or f"{found[0][0]:03o}".encode())


def _unescaped(found: re.Match[bytes]) -> bytes:
    return _MEANINGS.get(found[1]) or bytes([int(found[1], 8)])
