"""Catch up: all that a process can do now, without a runner, until nothing is left to do."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from refold.errors import ProjectionStopped
from refold.flows.prepare import Runtime
from refold.flows.processes.consuming import consumer
from refold.flows.processes.delivering import deliver
from refold.flows.processes.outgoing import ready
from refold.flows.processes.performing import Outside, perform
from refold.flows.processes.timers import WHOLE, fire
from refold.flows.projections.builds import Build, active_build
from refold.flows.projections.catching_up import checked
from refold.flows.projections.persevering import GivenUp, Persevering
from refold.flows.projections.work import partitions, take_up
from refold.ports import Backend, Own, Unclaimed
from refold.process import Process
from refold.projection import Projection

_LET_GO: Final = """
update {refold}outgoing set due = 0 where process = :process and state = 'pending' and attempts = 0 and due > 0"""


class CaughtUp(Struct):
    """How much was done: inputs looked at, timeouts that came back, commands and calls of effects that were tried.

    `parked`: inputs that could not be taken in, those that wait behind them, and timeouts that a read model refused. A test of
    a process says that there are none.
    """

    inputs: int = 0
    timers: int = 0
    commands: int = 0
    effects: int = 0
    parked: int = 0


class _AtOnce:
    """A pace that never waits: what fails is tried again at once."""

    def now(self) -> float:
        return 0.0

    async def pause(self, seconds: float) -> None:
        """No time passes."""


async def catch_up(backend: Backend, runtime: Runtime, process: Process[Any, Any], outside: Outside) -> CaughtUp:
    """Do all that can be done now. What fails is parked, or waits for its time, as with a runner.

    Raises:
        ProjectionStopped: the process is paused, or failed for too many instances in a row.
    """
    done = CaughtUp()
    await backend.work([Own(_LET_GO, {"process": process.name})])  # whom it waits for may be there now
    while True:
        head = await backend.head()
        try:
            moved = await _round(backend, runtime, process, outside, done)
        except Unclaimed:  # somebody else was quicker: look again
            continue
        if not moved and await backend.head() == head:
            return done


async def _round(
    backend: Backend, runtime: Runtime, process: Process[Any, Any], outside: Outside, done: CaughtUp
) -> bool:
    inputs = await _take_in(backend, runtime, consumer(runtime, process), done)
    fired = await fire(backend, runtime, process)
    commands = await ready(backend, runtime, process, WHOLE, commands=True)
    if commands:
        await deliver(backend, runtime, process, outside.deciders, commands)
    calls = await ready(backend, runtime, process, WHOLE, commands=False)
    for message in calls:
        await perform(backend, runtime, process, outside, message, lambda: runtime.clock.now() / 1e6)
    done.timers, done.parked = done.timers + fired.came_back, done.parked + len(fired.refused)
    done.commands, done.effects = done.commands + len(commands), done.effects + len(calls)
    return bool(inputs or fired.came_back or fired.refused or commands or calls)


async def _take_in(backend: Backend, runtime: Runtime, projection: Projection, done: CaughtUp) -> int:
    build, before = await active_build(backend, runtime.clock, projection), done.inputs
    for part in await partitions(backend, build):
        await _finish(backend, runtime, projection, build, part.first, done)
    return done.inputs - before


async def _finish(
    backend: Backend, runtime: Runtime, projection: Projection, build: Build, first: int, done: CaughtUp
) -> None:
    """Take one partition to its end."""
    persevering = await _taken_up(backend, projection, build, first)
    while persevering is not None:
        try:
            stepped = await persevering.step(backend, backend, runtime, _AtOnce(), None)
        except Unclaimed:
            persevering = await _taken_up(backend, projection, build, first)
        except GivenUp as given_up:
            position = persevering.work.position
            raise ProjectionStopped(projection.name, "failed", str(given_up), position) from None
        else:
            if stepped is None:
                return
            done.inputs, done.parked = done.inputs + stepped.applied, done.parked + stepped.parked


async def _taken_up(backend: Backend, projection: Projection, build: Build, first: int) -> Persevering | None:
    work = await take_up(backend, projection, build, first)
    return None if work is None else Persevering(checked(work))
