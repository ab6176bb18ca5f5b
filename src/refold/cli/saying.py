"""What is said in sentences, and what is written for other programs: neither gives a terminal anything that it would obey."""

from __future__ import annotations

import re
import sys
from typing import Final

import click


def say(text: object, *, err: bool = False) -> None:
    """Tell people something, on a line or several."""
    click.echo(harmless(str(text)), err=err)


def write(text: str) -> None:
    """Write to stdout: as it is for other programs, harmless for a terminal."""
    sys.stdout.write(harmless(text) if sys.stdout.isatty() else text)


def harmless(text: str) -> str:
    """The lines of a text for a terminal: what it would obey, but tabs and ends of lines, is written as JSON escapes it."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


_OBEYED: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
