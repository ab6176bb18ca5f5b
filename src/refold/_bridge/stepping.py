"""The one trick: a coroutine that never suspends, run as a plain call."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, TypeVar

from refold.ports import Backend

T = TypeVar("T")

Flow: TypeAlias = Callable[[Backend], Coroutine[Any, Any, T]]
"""A multi-step operation, ready to run on whichever backend it is given."""


def run_sync(coro: Coroutine[Any, Any, T]) -> T:
    """Drive `coro` to its end in this thread.

    Raises:
        RuntimeError: it suspended, which a blocking backend must never do.
    """
    try:
        coro.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coro.close()
    raise RuntimeError(f"{coro!r} suspended: a backend used from blocking code must not await real I/O.")
