"""Processes of their own, to be stopped and killed.

They are forked from one that has imported everything already, so that they begin at once, and die with the test run.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

import msgspec

ROOT: Final = Path(__file__).parents[2]
DEADLINE: Final = 120.0
"""Seconds after which something that should happen does not happen any more."""

_AHEAD: Final = (
    "refold.backends.sqlite", "refold.backends.postgres", "psycopg", "psycopg_pool", "refold.running", "refold.aio_running",
    "refold.duties", "concurrent.futures.thread",
)  # fmt: skip
_LATER: Final = (("pyarrow", "pandas"),)
"""What one module imports at its first use, if it is there."""


def until(what: str, holds: Callable[[], object], seconds: float = DEADLINE) -> float:
    """Wait until something holds, and say for how many seconds that was."""
    started = time.monotonic()
    while not holds():
        waited = time.monotonic() - started
        assert waited < seconds, f"not within {seconds:g} s: {what}"
        time.sleep(min(0.005 + waited / 20, 0.03))  # who looks all the time takes the time of those that are waited for
    return time.monotonic() - started


class Nursery:
    """The process that forks the others."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="refold-faults-")
        self._numbers = count(1)
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from tests.faults.processes import main; main()"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def bear(self, role: Callable[..., None], options: dict[str, object], planted: str) -> tuple[int, Path]:
        """The number of a new process that plays a role, and the file that it tells its lines to."""
        told = Path(self._folder.name) / str(next(self._numbers))
        told.touch()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = [role.__module__, role.__name__, str(told), options, planted]
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline()), told


nursery: Final = cache(Nursery)


class Process:
    """A process that plays a role until it is killed, and the lines that it has told."""

    planted: ClassVar[str] = ""
    """The fault that every new one has."""

    def __init__(self, role: Callable[..., None], **options: object) -> None:
        self.role = role.__name__
        self.pid, self._file = nursery().bear(role, options, self.planted)
        self._has_ended = False

    @property
    def told(self) -> Sequence[str]:
        """Its lines so far; not the half of one that it was telling when it was killed."""
        return self._file.read_text().split("\n")[:-1]

    def has_told(self, beginning: str) -> bool:
        """Whether a line begins so."""
        return any(line.startswith(beginning) for line in self.told)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def is_alive(self) -> bool:
        """Whether it has not ended. What has ended once is not asked again: its number may be somebody else's by then."""
        if not self._has_ended:
            try:
                os.kill(self.pid, 0)
            except ProcessLookupError:
                self._has_ended = True
        return not self._has_ended

    def kill(self) -> None:
        """End it as kill -9 does, and wait until it is gone."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                self.send(signal.SIGKILL)
            until("it is gone", lambda: not self.is_alive())

    def check(self) -> None:
        """Fail if it has ended by itself."""
        assert self.is_alive(), f"{self.role} ended by itself: {self.told}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


_told: list[int] = []


def tell(*words: object) -> None:
    """Tell whoever started this process; in one piece, whichever thread it is."""
    os.write(_told[0], f"{' '.join(map(str, words))}\n".encode())


def main() -> None:
    """Fork a process for each line that comes, and tell its number."""
    _die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who is gone is gone at once
    for line in sys.stdin.buffer:
        module, role, told, options, planted = msgspec.json.decode(line)
        play = getattr(import_module(module), role)
        plants = import_module("tests.faults.planted").PLANTS
        _import_ahead(module)
        if pid := os.fork():
            os.write(1, b"%d\n" % pid)
        else:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _die_with_parent()
            _told.append(os.open(told, os.O_WRONLY | os.O_APPEND))
            if planted:
                plants[planted](setattr)
            play(**options)
            os._exit(0)


@cache
def _import_ahead(_: str) -> None:
    """With what has a role: what is imported only when it is first used, each of those that are forked would import again."""
    also = [later for module, later in _LATER if module in sys.modules]
    for module in (*_AHEAD, *also):
        with contextlib.suppress(ImportError):
            import_module(module)


def _die_with_parent() -> None:
    """Also while it is stopped; on Linux only."""
    if sys.platform.startswith("linux"):
        die_with_parent = 1
        ctypes.CDLL(None).prctl(die_with_parent, signal.SIGKILL)
