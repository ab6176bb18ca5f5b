"""Lettering: about how wide a text is, and how much of it fits. The fonts of whoever looks are not known, so it errs to wide."""

from __future__ import annotations

import unicodedata
from typing import Final

_NARROW: Final = dict.fromkeys("iljI|!.,:;'` ", 0.31) | dict.fromkeys('ftr()[]{}/\\-"*', 0.40)
_WIDE: Final = dict.fromkeys("mwMW@%", 0.9) | dict.fromkeys("ABCDEFGHKNOPQRSTUVXYZ&_<>=+~#", 0.7)
_USUAL: Final = 0.57
_BOLD: Final = 1.05
_ELLIPSIS: Final = "…"


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """How wide a line of it is, in pixels, at most."""
    return sum(_share(letter) for letter in text) * size * (_BOLD if bold else 1)


def fitting(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """The text on one line, cut with an ellipsis where it would be wider."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    if width_of(line, size, bold=bold) <= width:
        return line
    left = width - width_of(_ELLIPSIS, size, bold=bold)
    kept = ""
    for letter in line:
        left -= width_of(letter, size, bold=bold)
        if left < 0:
            break
        kept += letter
    return kept.rstrip() + _ELLIPSIS


def _share(letter: str) -> float:
    """The part of the size that a letter takes."""
    known = _NARROW.get(letter) or _WIDE.get(letter)
    if known is not None:
        return known
    if letter.isascii():
        return _USUAL
    if unicodedata.combining(letter):
        return 0.0
    return 1.1 if unicodedata.east_asian_width(letter) in {"W", "F"} or unicodedata.category(letter) == "So" else 1.0
