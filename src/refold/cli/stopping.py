"""Ctrl-C and SIGTERM as a wish: what is under way is finished. The same signal again ends the process at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Final

from refold.cli.exits import Exit

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_ONE_WISH: Final = 0.2
"""Seconds within which the same signal is the same wish: `timeout` sends it to the process, and then to its group as well."""


class Wish:
    """Whether it was asked to stop.

    A signal may come while the main thread holds any lock, that of a `threading.Event` it waits for included, and its handler
    would wait for that lock for ever. `SimpleQueue.put` is made for it.
    """

    def __init__(self, told: Callable[[], None]) -> None:
        self._told, self._is_set, self._is_told = told, False, False
        self._came = SimpleQueue[None]()

    def come(self) -> None:
        """It is asked: by a handler of signals, at any moment."""
        self._is_set = True
        self._came.put(None)
        with suppress(RuntimeError):  # just now, something is written there: whoever looks next says it
            self._tell()

    def is_set(self) -> bool:
        """Whether it came."""
        if self._is_set:
            self._tell()
        return self._is_set

    def wait(self, seconds: float | None = None) -> bool:
        """Until it comes, for so long at most. Whether it came. For one thread."""
        if not self._is_set:
            with suppress(Empty):
                self._came.get(timeout=seconds)
        return self.is_set()

    def _tell(self) -> None:
        if not self._is_told:
            self._told()
            self._is_told = True


@contextmanager
def stopping(told: Callable[[], None] = lambda: None) -> Generator[Wish]:
    """A wish that comes with the first signal, for as long as the block lasts. `told` is called then."""
    wish = Wish(told)
    first: dict[int, float] = {}

    def on_signal(number: int, _frame: object) -> None:
        now = time.monotonic()
        if now - first.setdefault(number, now) > _ONE_WISH:
            os._exit(Exit.INTERRUPTED)  # threads that still work would keep the process
        wish.come()

    before = [(number, signal.signal(number, on_signal)) for number in _SIGNALS]
    try:
        yield wish
    finally:
        for number, handler in before:
            signal.signal(number, handler)


@contextmanager
def cleared_away() -> Generator[None]:
    """SIGTERM is as Ctrl-C, for as long as the block lasts: what was begun is cleared away, and said how to go on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
