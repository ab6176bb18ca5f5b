"""The standard streams of the process: there, able to take any text, and errors of stdout told apart from all others."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, cast

from refold.cli.exits import OutputLost


class _Out(io.FileIO):
    """Where stdout goes. That nobody reads any more is no error, and is passed on as it is."""

    def write(self, some: Any, /) -> int:  # noqa: ANN401 - a Buffer, which Python 3.11 does not have
        try:
            return super().write(some)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputLost(
                f"stdout cannot be written ({error.strerror}): what was to be told is not there, or only the beginning of it."
            ) from error


def prepare() -> None:
    """Make the streams what the rest of the command line takes them for.

    One that was closed is as /dev/null, and takes the place under which a file of ours would be opened otherwise. What is no
    terminal is given UTF-8, whatever the locale says; of a terminal, what it cannot show is written as escapes.
    """
    sys.stdin, sys.stderr = sys.stdin or _nothing("r"), sys.stderr or _nothing("w")
    if sys.stdout is None:
        sys.stdout = _nothing("w")
    elif os.name != "nt":
        sys.stdout.flush()
        sys.stdout = _to(sys.stdout.fileno(), sys.stdout.encoding if sys.stdout.isatty() else "utf-8")


def _to(place: int, encoding: str) -> TextIO:
    out = io.BufferedWriter(_Out(place, "wb", closefd=False))
    return io.TextIOWrapper(out, encoding, "backslashreplace", line_buffering=out.isatty())


def _nothing(mode: str) -> TextIO:
    return cast("TextIO", Path(os.devnull).open(mode, encoding="utf-8"))


def flush() -> None:
    """Write what is left, if it can be written: after an error was told, that need not be told, too."""
    try:
        sys.stdout.flush()
    except (OSError, OutputLost):
        abandon()


def abandon() -> None:
    """Let what is left go nowhere: it was found that it cannot be written."""
    with suppress(OSError):  # it is no file at all
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
