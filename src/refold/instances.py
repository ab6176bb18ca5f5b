"""The blocking face of one process's instances: signatures and docstrings. The operations live in `refold.flows.processes`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from refold._bridge.crews import call_here
from refold._bridge.pacing import BlockingPace
from refold.duties import Receiver, Receivers
from refold.flows.append import Receipt
from refold.flows.prepare import Runtime
from refold.flows.processes.catching_up import CaughtUp, catch_up
from refold.flows.processes.consuming import consumer_name
from refold.flows.processes.firing import fire_now
from refold.flows.processes.listing import QUIET, InstanceStatus, Standing, instances
from refold.flows.processes.outgoing import Outgoing, outgoing
from refold.flows.processes.performing import Fuse, Outside
from refold.flows.processes.reindexing import reindex
from refold.flows.processes.showing import InstanceView, shown
from refold.flows.processes.steering import Asked, Cancelling, Mended, cancel, retry, signal, skip, start
from refold.flows.processes.timers import Timer, timers
from refold.flows.projections.status import ProjectionStatus, status
from refold.messages import Context
from refold.process import Process

if TYPE_CHECKING:
    from refold._bridge.blocking import BlockingEngine
    from refold._bridge.native import NativeBlockingEngine

Engine: TypeAlias = "BlockingEngine | NativeBlockingEngine"


class Instances:
    """The instances of one process: listed, shown, steered, caught up."""

    def __init__(self, engine: Engine, runtime: Runtime, process: Process[Any, Any], context: Context) -> None:
        self._engine, self._runtime, self._process, self._context = engine, runtime, process, context
        self._fuses: dict[str, Fuse] = {}

    def list(
        self,
        state: Standing | None = None,
        *,
        stuck: bool = False,
        after: str = "",
        limit: int = 100,
        stuck_after: timedelta = QUIET,
    ) -> tuple[InstanceStatus, ...]:
        """Where the instances stand, by their ids, after an id: all, those in a state, or only those that are stuck.

        One is stuck if an input or a message of it is parked, if a message fails, if a timer is overdue by 30 s, or if nothing
        moved for `stuck_after` and no timer is set. One that has not begun is listed if what came to it is parked.
        """
        return self._engine.outside(
            lambda b: instances(
                b, self._runtime, self._process.name,
                state=state, stuck=stuck, after=after, limit=limit, stuck_after=stuck_after,
            )
        )  # fmt: skip

    def show(self, id: str) -> InstanceView:
        """One instance: its state, what it waits for, its timers and messages, what is parked, and all that happened to it.

        Raises:
            NoSuchInstance: nothing of it is known.
            UsageError: it is of a version that this program does not have, or took in what none of them reacts to.
            UnknownEventType, UndecodableEvent: an event that it took in cannot be read.
        """
        return self._engine.outside(lambda b: shown(b, self._runtime, self._process, id))

    def cancel(self, id: str, reason: str, *, timeout: float = 5.0) -> Cancelling:
        """Ask an instance to end, and say how it ended. What is parked of its inputs is skipped first.

        A runner takes that in; if none runs the process, nothing is waited for, else `timeout` seconds. The answer says so then,
        and the instance ends as soon as it is caught up. What it has sent already is still delivered; what became of a saga's
        steps is not skipped, and the end waits behind it.

        Raises:
            NoSuchInstance: nothing of it is known.
            UsageError: it has not begun.
        """
        asked = Asked(reason, self._context)
        return self._engine.outside(
            lambda b: cancel(b, self._runtime, BlockingPace(), self._process, id, asked, timeout)
        )

    def retry(self, id: str, reason: str) -> Mended:
        """Take in the parked inputs of an instance, in order, and let its parked messages be tried again.

        Where an input fails again, those behind it wait on.

        Raises:
            NoSuchInstance: nothing of it is known.
        """
        asked = Asked(reason, self._context)
        return self._engine.outside(lambda b: retry(b, self._runtime, self._process, id, asked))

    def skip(self, id: str, reason: str) -> Mended:
        """Give up, for ever, the input that an instance failed for, and its parked messages. What waited behind goes on.

        To give up the next input too, should it fail, takes another call. If it cannot begin because of one that was kept until
        then, that one is given up, and it begins.

        Raises:
            NoSuchInstance: nothing of it is known.
            UsageError: the input tells what became of a saga's step, for which it would wait for ever: retry it with other code.
        """
        asked = Asked(reason, self._context)
        return self._engine.outside(lambda b: skip(b, self._runtime, self._process, id, asked))

    def start(self, id: str, event: object) -> Receipt:
        """Begin an instance by an event of its own, which no other stream holds; `NewEvent` around one sets its id.

        There is one instance for an id: begun again, or by another event meanwhile, nothing is appended, and the receipt is of
        what began it, `repeated`.

        Raises:
            UsageError: no such event begins one.
            Refused, OutcomeUnknown, StoreError: as `append`.
        """
        return self._engine.outside(lambda b: start(b, self._runtime, self._process, id, event, self._context))

    def signal(self, id: str, event: object) -> Receipt:
        """Give an instance an event, as if it had come to it; no other stream holds it. `NewEvent` around one sets its id.

        Raises:
            NoSuchInstance: nothing of it is known.
            UsageError: the process does not react to such an event, or the instance does not run.
            Refused, OutcomeUnknown, StoreError: as `append`.
        """
        return self._engine.outside(lambda b: signal(b, self._runtime, self._process, id, event, self._context))

    def timers(self, id: str | None = None, *, limit: int = 100) -> tuple[Timer, ...]:
        """The timers of an instance, or of all, the next one first."""
        return self._engine.outside(lambda b: timers(b, self._process, id, limit))

    def fire(self, timer: UUID) -> None:
        """Let a timer's timeout come back now; so do all others that are due.

        Raises:
            UsageError: no such timer is set: it came back already, or was cancelled; or a read model kept inline refuses it.
        """
        self._engine.outside(lambda b: fire_now(b, self._runtime, self._process, timer))

    def outgoing(self, id: str | None = None, *, parked: bool = False, limit: int = 100) -> Sequence[Outgoing]:
        """The messages of an instance, or of all, that nobody has taken yet, the oldest first; or only those that are parked."""
        return self._engine.outside(lambda b: outgoing(b, self._process, id, limit, parked=parked))

    def reindex(self) -> int:
        """Make the rows that tell what is to be done again, from the journals, and say how many instances there are.

        For a store whose rows were lost, such as a copy. In one transaction: who works on the process waits meanwhile.
        """
        return self._engine.outside(lambda b: reindex(b, self._runtime, self._process))

    def catch_up(self, *receivers: Receiver) -> CaughtUp:
        """Do all that can be done now, without a runner: take in inputs, let timeouts come back, deliver what is sent.

        What fails is parked, and raises nothing: `parked` tells how many inputs were.

        `receivers` are the deciders, closings and effects that take what the process sends. It ends when nothing is left to do;
        what waits for its time waits. One after another, so the same history gives the same again: with a clock that is moved by
        hand, a test of time needs no waiting. The store's own clock tells what is due.

        Raises:
            ProjectionStopped: the process is paused, or failed for too many instances in a row.
            UsageError: a receiver is none of these.
        """
        to = Receivers.of(receivers)
        outside = Outside(to.deciders, to.effects, call_here, self._fuses)
        return self._engine.outside(lambda b: catch_up(b, self._runtime, self._process, outside))

    def status(self) -> ProjectionStatus:
        """How far the process is with its inputs, how far behind, and why it stands still if it does.

        Raises:
            NoSuchProjection: nothing was taken in yet.
        """
        return self._engine.outside(lambda b: status(b, b, self._runtime, consumer_name(self._process.name)))
