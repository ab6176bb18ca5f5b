"""Targets under each face: what a read model lives in, if that is no store."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar, cast

from refold._bridge.stepping import run_sync
from refold.errors import UsageError
from refold.ports import Backend, Capabilities, Own, Rows, Target, Within
from refold.projection import Statement

T = TypeVar("T")


def blocking_target(target: Target) -> Backend:
    """What flows are handed, under the blocking face: they ask no more of it than it has.

    Raises:
        UsageError: it is no target, or one that only an event loop can use.
    """
    if _checked(target).awaits:
        raise UsageError(
            f"{type(target).__name__} awaits, and this code blocks: use AsyncStore, or a target that blocks."
        )
    return cast("Backend", target)


def awaiting_target(target: Target) -> Backend:
    """What flows are handed, under the awaiting face.

    Raises:
        UsageError: it is no target.
    """
    return cast("Backend", target if _checked(target).awaits else Threaded(target))


def _checked(target: Target) -> Target:
    if not hasattr(target, "awaits"):
        raise UsageError(
            f"into={target!r} is no place for read models: give a store, SessionTarget(engine) or DjangoTarget()."
        )
    return target


class Threaded:
    """A target that blocks, used from an event loop: each call, and all that runs inside it, has a thread."""

    def __init__(self, target: Target) -> None:
        self._target = target

    @property
    def capabilities(self) -> Capabilities:
        return self._target.capabilities

    async def work(self, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
        return await _in_a_thread(self._target.work(steps))

    async def within(self, flow: Within[T]) -> T:
        return await _in_a_thread(self._target.within(flow))

    async def query(self, statement: Own | Statement) -> Rows:
        return await _in_a_thread(self._target.query(statement))


async def _in_a_thread(call: Coroutine[Any, Any, T]) -> T:
    import asyncio  # noqa: PLC0415 - blocking code never loads it

    return await asyncio.to_thread(run_sync, call)
