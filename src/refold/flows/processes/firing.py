"""Fire: a timer whose time an operator does not wait for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from refold.errors import UsageError
from refold.flows.prepare import Runtime
from refold.flows.processes.timers import fire, hurry
from refold.ports import Backend, Unclaimed
from refold.process import Process


async def fire_now(backend: Backend, runtime: Runtime, process: Process[Any, Any], timer: UUID) -> None:
    """Let a timeout come back now; so do others that are due.

    Raises:
        UsageError: no such timer is set, or a read model that is kept inline refuses it.
    """
    if not await hurry(backend, process, timer):
        raise UsageError(
            f"process {process.name!r} has no timer {timer}: it came back already, or was cancelled. timers() lists those set."
        )
    while await hurry(backend, process, timer):
        try:
            fired = await fire(backend, runtime, process)
        except Unclaimed:  # one of them was cancelled, or came back, at this very moment
            continue
        if timer in fired.refused:
            raise UsageError(f"timer {timer} of process {process.name!r} does not come back: {fired.refused[timer]}")
