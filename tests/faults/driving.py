"""Processes driven by hand, on one thread: what a runner does, one thing after another, in a time that is told to pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

from refold import Process, Saga, Store
from refold._bridge.crews import Job
from refold._bridge.stepping import run_sync
from refold.duties import Duties, Receivers, Runs
from refold.flows.prepare import Runtime
from refold.flows.processes.consuming import consumer
from refold.flows.processes.orchestrating import as_process
from refold.flows.projections.builds import active_build
from refold.flows.projections.persevering import Persevering
from refold.flows.projections.work import partitions, take_up
from refold.ports import Backend, Own, Unclaimed
from refold.testing import ManualClock

_NEXT: Final = """
select min(due) from (select due from {refold}timers union all select due from {refold}outgoing where state = 'pending') next
where due > :now"""
"""What is due already, and was not done, waits behind something else."""
ROUNDS: Final = 5_000
"""After so many it is going round in circles."""


class AtOnce:
    """A crew whose jobs are done as they are started."""

    stopping = False

    def now(self) -> float:
        """No time passes while it works."""
        return 0.0

    async def pause(self, seconds: float) -> None:
        """Nor while it waits."""

    async def head_above(self, after: int, seconds: float) -> None:
        """As above."""

    def start(self, name: str, job: Job) -> None:
        """Do it."""
        run_sync(job())

    async def call(self, function: Callable[..., Any], args: Sequence[Any], limit: timedelta) -> object:
        """Call it."""
        return function(*args)


class Driven:
    """One runner of one program: it knows nothing of those before it."""

    def __init__(self, backend: Backend, runtime: Runtime, parts: Sequence[Runs]) -> None:
        self._backend, self._runtime, self._parts = backend, runtime, parts
        processes = [as_process(part) for part in parts if isinstance(part, Process | Saga)]
        self._duties = [
            Duties(backend, runtime, AtOnce(), process, Receivers.of(parts), (0, 1023)) for process in processes
        ]
        self._consumers = [consumer(runtime, process) for process in processes]

    async def round(self) -> int:
        """Do what can be done now, and say how much that was."""
        done = 0
        for projection, duties in zip(self._consumers, self._duties, strict=True):
            build = await active_build(self._backend, self._runtime.clock, projection)
            for part in await partitions(self._backend, build):
                work = await take_up(self._backend, projection, build, part.first)
                assert work is not None
                persevering = Persevering(work)
                while stepped := await persevering.step(self._backend, self._backend, self._runtime, AtOnce(), None):
                    done += stepped.applied
            done += await duties.once()
        return done


def to_the_end(
    store: Store, clock: ManualClock, runner: Callable[[], Driven], gone: tuple[type[BaseException], ...] = ()
) -> None:
    """Let a runner work until nothing is left to be done, however late that is; if it dies, the next one goes on."""
    driven = runner()
    for _ in range(ROUNDS):
        try:
            done = run_sync(driven.round())
        except Unclaimed:
            continue
        except gone:
            driven = runner()
            continue
        if not done and not waited(store, clock):
            return
    raise AssertionError(f"it is not done after {ROUNDS} rounds")


def waited(store: Store, clock: ManualClock) -> bool:
    """Let the time pass until something is due, and say whether anything will be."""
    ((due,),) = store._engine.outside(lambda b: b.query(Own(_NEXT, {"now": clock.now()})))
    if due is None:
        return False
    clock.move(timedelta(microseconds=int(str(due)) - clock.now()))
    return True


def run(store: Store, clock: ManualClock, *some: Any, gone: tuple[type[BaseException], ...] = ()) -> None:
    """Let a runner do all that there is."""
    to_the_end(store, clock, lambda: Driven(store._engine.view, store._runtime, some), gone)
