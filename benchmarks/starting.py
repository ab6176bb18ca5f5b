"""How long it takes to begin: the import, and a command that does nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.marks import Mark, Row
from benchmarks.rounds import Pace

_TIMED = "import time; start = time.perf_counter(); {}; print((time.perf_counter() - start) * 1e3)"
_USED = "from refold import Decider, Projection, Store, event; Store.open('sqlite:///:memory:')"
_VERSION = [str(Path(sys.executable).with_name("refold")), "--version"]


def started(pace: Pace) -> Iterator[Row]:
    """Each row, a few processes a round; `raw` is Python itself."""
    times = 3 * pace.rounds
    imports, opened, commands, nothing = list[float](), list[float](), list[float](), list[float]()
    for _ in range(times + 1):  # the first fills the caches
        imports.append(float(_output([sys.executable, "-c", _TIMED.format("import refold")])))
        opened.append(float(_output([sys.executable, "-c", _TIMED.format(_USED)])))
        commands.append(_wall(_VERSION))
        nothing.append(_wall([sys.executable, "-c", "pass"]))
    yield Row(
        "start/import", "import refold", "-", "ms", imports[1:], marks=[Mark(60, "limit")], verdict="it was imported"
    )
    yield Row("start/open", "import what is used, open a store", "-", "ms", opened[1:], verdict="it was opened")
    yield Row(
        "start/version", "refold --version", "-", "ms", commands[1:], nothing[1:],
        marks=[Mark(100, "limit")], verdict="it ended well",
    )  # fmt: skip


def _output(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _wall(command: Sequence[str]) -> float:
    start = time.perf_counter()
    _output(command)
    return (time.perf_counter() - start) * 1e3
