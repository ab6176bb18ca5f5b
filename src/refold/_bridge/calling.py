"""Calling: functions of the application's that do something outside the store, and what must not come out of them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any


class Escaped(Exception):
    """What a function let out that would have ended its thread, its task or the event loop, and not the call alone."""


@contextmanager
def contained() -> Generator[None, None, None]:
    """Make an error of the call of whatever it lets out; but what was interrupted from outside is."""
    try:
        yield
    except (GeneratorExit, KeyboardInterrupt):
        raise
    except Exception as error:
        if isinstance(error, StopIteration):  # no future takes it: who awaits the thread would wait for ever
            raise Escaped(_told(error)) from error
        raise
    except BaseException as error:
        if _is_cancelled(error):
            raise
        raise Escaped(_told(error)) from error


def called(function: Callable[..., Any], args: Sequence[Any]) -> object:
    """What a function that blocks gives."""
    with contained():
        return function(*args)


def _is_cancelled(error: BaseException) -> bool:
    """Whether the task that called is cancelled itself, and not one that it waited for."""
    import asyncio  # noqa: PLC0415 - blocking code never loads it

    if not isinstance(error, asyncio.CancelledError):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:  # there is no event loop in this thread
        return False
    return task is not None and task.cancelling() > 0


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")
