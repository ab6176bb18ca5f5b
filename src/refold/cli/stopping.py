"""Ctrl-C and SIGTERM as a wish: what is under way is finished. The same signal again ends the process at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from refold.cli.exits import Exit

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping(told: Callable[[], None] = lambda: None) -> Generator[threading.Event]:
    """An event that is set by the first signal, for as long as the block lasts. `told` is called then."""
    stop = threading.Event()
    seen: set[int] = set()

    def on_signal(number: int, _frame: object) -> None:
        if number in seen:
            os._exit(Exit.INTERRUPTED)  # threads that still work would keep the process
        seen.add(number)
        if not stop.is_set():
            stop.set()
            told()

    before = [(number, signal.signal(number, on_signal)) for number in _SIGNALS]
    try:
        yield stop
    finally:
        for number, handler in before:
            signal.signal(number, handler)
