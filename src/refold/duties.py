"""Duties: what a runner does for a process beside taking in its inputs. Timers come back, commands and effects go out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias, cast
from uuid import UUID

from msgspec import Struct

from refold._bridge.crews import Crew
from refold.app import by
from refold.closing import Closing
from refold.errors import OutcomeUnknown, StoreError, UsageError
from refold.external import EffectHandler
from refold.flows.prepare import Runtime
from refold.flows.processes.consuming import consumer
from refold.flows.processes.delivering import Deciders, deliver
from refold.flows.processes.orchestrating import as_process
from refold.flows.processes.outgoing import Outgoing, ready, ready_in
from refold.flows.processes.performing import Effects, Outside, perform
from refold.flows.processes.timers import due_in, fire
from refold.flows.taking import Taker, decider_of
from refold.fold import Decider
from refold.ports import Backend, Unclaimed
from refold.process import Process
from refold.projection import Projection
from refold.runner import Duty
from refold.sagas import Saga

IDLE: Final = 0.5
"""Seconds after which it is looked again whether something is to be done, although no news came."""
AT_ONCE: Final = 8
"""So many effects of one partition are done side by side."""
_WHOLE: Final = "what is run"
_SHORT: Final = 0.02
_LONG: Final = 5.0

_log = logging.getLogger("refold.runner")


Receiver: TypeAlias = Taker | EffectHandler[Any]
"""Who takes what processes send."""
Runs: TypeAlias = Projection | Process[Any, Any] | Saga[Any] | Receiver
"""What a runner is given: what it keeps running, and who takes what processes send."""


class Receivers(Struct, frozen=True):
    """Who takes what processes send: deciders by category, effects by name. Where books are closed, `Closing` takes it."""

    deciders: Deciders
    effects: Effects

    @staticmethod
    def of(parts: Sequence[Runs]) -> Receivers:
        """Those among the parts of an application.

        Raises:
            UsageError: one of the parts is nothing that runs, or takes what processes send; or two of them have one name.
        """
        for part in cast("Sequence[object]", parts):
            if not isinstance(part, Projection | Process | Saga | Decider | Closing | EffectHandler):
                raise UsageError(
                    f"{part!r} is nothing that runs, and takes nothing that processes send: name projections, processes, sagas, "
                    "deciders, closings and effects."
                )
        each = once(parts)
        closings = [part for part in each if isinstance(part, Closing)]
        closed = [closing.decider for closing in closings]  # which is taken by the closing, also if it is named, too
        takers: list[Taker] = [part for part in each if isinstance(part, Decider) and not _is_in(closed, part)]
        return Receivers(
            by("category", ((decider_of(taker).category, taker) for taker in (*takers, *closings)), _WHOLE),
            by("name", ((part.name, part) for part in each if isinstance(part, EffectHandler)), _WHOLE),
        )


def once(parts: Sequence[Runs]) -> Sequence[Runs]:
    """The parts, each once, however often it is named."""
    found: list[Runs] = []
    for part in parts:
        if not _is_in(found, part):
            found.append(part)
    return found


def _is_in(parts: Sequence[Runs], part: Runs) -> bool:
    """Whether it is one of them, and not only equal to one."""
    return any(each is part for each in parts)


def at_home(parts: Sequence[Runs], into: object | None) -> Sequence[Runs]:
    """The parts, if they may run there.

    Raises:
        UsageError: processes are to run in another database than the store's; or there is nothing to run.
    """
    if not any(isinstance(part, Projection | Process | Saga) for part in parts):
        raise UsageError(
            "there is nothing to run: name projections, processes or sagas. Deciders and effects only take what processes send."
        )
    for part in parts:
        if into is not None and isinstance(part, Process | Saga):
            raise UsageError(
                f"process {part.name!r} appends to the store in the transaction of its checkpoint: run it without into=."
            )
    return parts


def assigned(
    backend: Backend, runtime: Runtime, crew: Crew, parts: Sequence[Runs]
) -> tuple[Sequence[Projection], Mapping[str, Duty]]:
    """The projections that a runner works on, those that processes are among them, and its duties for these.

    Raises:
        UsageError: two parts have one name.
    """
    each, receivers, duties = once(parts), Receivers.of(parts), dict[str, Duty]()
    projections = by("name", ((part.name, part) for part in each if isinstance(part, Projection)), _WHOLE)
    processes = by("name", ((part.name, part) for part in each if isinstance(part, Process | Saga)), _WHOLE)
    running = [*projections.values()]
    for process in map(as_process, processes.values()):
        projection = consumer(runtime, process)
        running.append(projection)
        duties[projection.name] = partial(_tend, backend, runtime, crew, process, receivers)
    return running, duties


async def _tend(
    backend: Backend, runtime: Runtime, crew: Crew, process: Process[Any, Any], receivers: Receivers,
    slots: tuple[int, int], is_wanted: Callable[[], bool],
) -> None:  # fmt: skip
    await Duties(backend, runtime, crew, process, receivers, slots).tend(is_wanted)


class Duties:
    """The duties for one process, in the slots of one partition."""

    def __init__(
        self, backend: Backend, runtime: Runtime, crew: Crew, process: Process[Any, Any], receivers: Receivers,
        slots: tuple[int, int],
    ) -> None:  # fmt: skip
        self._backend, self._runtime, self._crew, self._process = backend, runtime, crew, process
        self._outside, self._slots = Outside(receivers.deciders, receivers.effects, crew.call, {}), slots
        self._under_way: set[UUID] = set()

    async def tend(self, is_wanted: Callable[[], bool]) -> None:
        """Go on for as long as it is wanted, whatever happens."""
        wait = _SHORT
        while is_wanted() and not self._crew.stopping:
            try:
                await self._round()
                wait = _SHORT
            except Unclaimed:  # somebody else was quicker: look again
                await self._crew.pause(_SHORT)
            except (StoreError, OutcomeUnknown) as error:
                _log.warning("process %r waits %.1f s: %s", self._process.name, wait, error)
                await self._crew.pause(wait)
                wait = min(wait * 2, _LONG)
            except Exception:  # noqa: BLE001 - whatever it is: the others go on, and it is said
                _log.exception("a round for process %r failed", self._process.name)
                await self._crew.pause(IDLE)

    async def _round(self) -> None:
        head = await self._backend.head()  # before looking, so that nothing comes unnoticed in between
        if not await self.once():
            await self._crew.head_above(head, await self._rest())

    async def once(self) -> int:
        """Do what is to be done now, and say how much that was."""
        fired = await fire(self._backend, self._runtime, self._process, self._slots)
        for timer, why in fired.refused.items():
            _log.warning("timer %s of process %r is put off: %s", timer, self._process.name, why)
        done = fired.came_back + len(fired.refused)
        if commands := await self._ready(commands=True):
            done += await deliver(self._backend, self._runtime, self._process, self._outside.deciders, commands)
        busy = frozenset(self._under_way)  # before looking: what is settled meanwhile may still be seen then
        for message in await self._ready(commands=False):
            if message.id not in busy and len(self._under_way) < AT_ONCE:
                done += 1
                self._under_way.add(message.id)
                self._crew.start(f"refold-{message.receiver}", partial(self._perform, message))
        return done

    async def _ready(self, *, commands: bool) -> Sequence[Outgoing]:
        return await ready(self._backend, self._runtime, self._process, self._slots, commands=commands)

    async def _rest(self) -> float:
        nexts = [
            await due_in(self._backend, self._runtime, self._process, self._slots),
            await ready_in(self._backend, self._runtime, self._process, self._slots),
        ]
        return max(0.001, min([IDLE, *(seconds for seconds in nexts if seconds is not None)]))

    async def _perform(self, message: Outgoing) -> None:
        """Perform it. Without a verdict it is still in the outbox, and done again, but not at once; nor is what was cut off."""
        try:
            await perform(self._backend, self._runtime, self._process, self._outside, message, self._crew.now)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is said
            self._tell(message, error)
            await self._crew.pause(_LONG)
        self._under_way.discard(message.id)

    def _tell(self, message: Outgoing, error: Exception) -> None:
        match error:
            case Unclaimed():  # another runner, which took it for left alone
                _log.info("effect %r was settled by somebody else", message.receiver)
            case StoreError() | OutcomeUnknown():
                _log.warning("effect %r could not be settled: %s", message.receiver, error)
            case _:
                _log.error("effect %r could not be settled", message.receiver, exc_info=error)
