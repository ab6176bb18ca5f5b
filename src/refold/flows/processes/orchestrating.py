"""Orchestrate: a saga as a process. What its code waits for is asked for, and what it did is undone if it fails."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, cast

from msgspec.structs import replace

from refold.codec import as_json, form_of, object_of
from refold.errors import UsageError, shortened
from refold.external import Retry
from refold.flows.processes.journal import (
    CancelAsked,
    Compensating,
    Delivered,
    Ended,
    Message,
    Refused,
    Sent,
    Skipped,
    TimedOut,
    TimerSet,
)
from refold.flows.processes.reactions import Noting, Unsetting
from refold.fold import Send
from refold.messages import Recorded, spec_of
from refold.process import Process
from refold.replaying import Broken, Completed, Record, Result, Run, Waiting, returned
from refold.sagas import Saga
from refold.steps import Want

UNDO: Final = "undo "
"""What the name of a step begins with that undoes another one."""
UNDOING: Final = Retry(5)
"""How often it is tried to undo a step, before that is parked."""
_TOLD: Final[tuple[type[Any], ...]] = (Delivered, Refused, Skipped, TimedOut, Compensating)
_OWN: Final = (*_TOLD, CancelAsked)


@dataclass(frozen=True)
class Orchestrated(Process[Any, Record]):
    """The process that runs a saga."""

    saga: Saga[Any] = field(kw_only=True)

    def of_version(self, version: int) -> Process[Any, Any] | None:
        """This one, whatever the version: results are found by name."""
        return self

    @property
    def cannot_miss(self) -> tuple[type[Any], ...]:
        """What became of its steps: it would wait for that for ever."""
        return _TOLD

    def taken(self, state: Record, recorded: Recorded[Any]) -> Record:
        """The record after an input."""
        event: Any = recorded.data
        settled = _settled(event, recorded.recorded_at)
        if settled is not None:
            return _with(state, *settled)
        match event:
            case Compensating(undo, reason):
                return replace(state, undo=undo, reason=reason)
            case CancelAsked(reason):
                return replace(state, aborted=state.aborted or reason)
            case _ if state.event is None and isinstance(event, self.saga.begins_on):
                return replace(state, event=event, began_at=recorded.recorded_at)
            case _:
                return replace(state, heard=(*state.heard, (recorded.recorded_at, event)))

    def reacting(self, recorded: Recorded[Any], state: Record, steps: AbstractSet[str]) -> Iterator[Noting | Unsetting]:
        """What the saga's code waits for now, and has not asked for yet; or how it ends."""
        after = self.taken(state, recorded)
        run = Run(self.saga, self.instance_of(recorded), after)
        if after.undo is not None:
            yield from self._undo(run, after, steps)
            return
        if isinstance(run.ending, Waiting):
            yield from self._go_on(run, after, steps)
            return
        self._check_reached(run, steps)
        match run.ending:
            case Completed(value):
                self._check_awaited(run)
                yield Noting(Ended("finished", "", as_json(value, returned(self.saga.run))))
            case Broken(reason):
                yield from self._break(run, after, reason)

    def _go_on(self, run: Run, record: Record, steps: AbstractSet[str]) -> Iterator[Noting | Unsetting]:
        """An aborted saga begins nothing more, and waits for what is under way: only then it is known what to undo."""
        if record.aborted is not None:
            if not any(want.kind in {"step", "command"} and name in steps for name, want in run.open.items()):
                self._check_reached(run, steps)
                yield from self._break(run, record, record.aborted)
            return
        pivoted = _is_pivoted(run, record)
        for name, want in run.met.items():
            if want.kind == "signal" and name not in run.open and want.delay is not None:
                yield Unsetting(name)
        for name, want in run.open.items():
            if name not in steps:
                yield from self._asked(want, run.now, pivoted=pivoted)

    def _asked(self, want: Want, now: datetime, *, pivoted: bool) -> Iterator[Noting]:
        if want.kind == "command" and want.command is not None:
            yield Noting(_command(want.command, want.name, tells=not pivoted))
        elif want.kind == "step":
            yield Noting(_call("step", self.name, want.name, want.name, tells=not pivoted))
        elif want.delay is not None:
            timeout = as_json(TimedOut(want.name, waited=want.kind == "signal"))
            message: Message = {"type": spec_of(TimedOut).name, "version": 1, "data": timeout}
            yield Noting(TimerSet(now + want.delay, message, want.name))

    def _check_reached(self, run: Run, steps: AbstractSet[str]) -> None:
        """Raises `UsageError` if a step was taken that this code does not come to: what it did would be forgotten."""
        lost = sorted(name for name in steps if name and name not in run.met and not name.startswith(UNDO))
        if lost:
            raise UsageError(
                f"saga {self.name!r}, version {self.version}, comes to its end without step {lost[0]!r}, which this instance has "
                f"taken (it comes to {', '.join(map(repr, run.met))}): let the code come to it for instances that have begun."
            )

    def _check_awaited(self, run: Run) -> None:
        """Raises `UsageError` if the code made a step, and came to its end without it: nothing came of that."""
        if run.forgotten:
            name = run.forgotten[0].name
            raise UsageError(
                f"saga {self.name!r}, version {self.version}, comes to its end, and step {name!r} was made but not awaited: "
                "write await before it."
            )

    def _break(self, run: Run, record: Record, reason: str) -> Iterator[Noting]:
        if _is_pivoted(run, record):
            yield Noting(Ended("failed", f"after the pivot, where nothing is undone any more: {reason}"))
            return
        undo = [name for name, want in reversed(run.met.items()) if _is_to_be_undone(want, record.results.get(name))]
        yield Noting(Compensating(undo, reason) if undo else Ended("compensated", reason))

    def _undo(self, run: Run, record: Record, steps: AbstractSet[str]) -> Iterator[Noting]:
        """The next step that is to be undone, when the one before is."""
        for name in record.undo or ():
            step = UNDO + name
            if step in record.results:
                continue
            if step not in steps:
                yield Noting(self._undone(run, name))
            return
        yield Noting(Ended("compensated", record.reason))

    def _undone(self, run: Run, name: str) -> Sent:
        want = run.met.get(name)
        if want is None or want.undo is None:
            raise UsageError(
                f"saga {self.name!r}, version {self.version}, does not come to step {name!r}, or does not say how it is undone: "
                "let the code do so for instances that have begun."
            )
        if isinstance(want.undo, Send):
            return _command(want.undo, UNDO + name, tells=False)
        return _call("undo", self.name, name, UNDO + name, tells=False)


def _settled(event: object, at: datetime) -> tuple[str, Result] | None:
    """The step that an input settles, and how; `None` if it settles none."""
    match event:
        case Delivered(step=step, result=result):
            return step, Result(at, result)
        case Skipped(step=step):
            return step, Result(at, skipped=True)
        case Refused(step=step, error=error, declined=declined):
            return step, Result(at, None, error, declined=declined)
        case TimedOut(step, waited):
            return step, Result(at, None, "it did not come in time" if waited else None, timed_out=waited)
        case _:
            return None


def _with(record: Record, step: str, result: Result) -> Record:
    """What settles a step first, settles it."""
    if not step or step in record.results:
        return record
    return replace(record, results={**record.results, step: result})


def _is_pivoted(run: Run, record: Record) -> bool:
    results = record.results
    return any(want.pivot and name in results and results[name].error is None for name, want in run.met.items())


def _is_to_be_undone(want: Want, result: Result | None) -> bool:
    """A step that failed may have had its effect; a command that was refused has not."""
    if want.undo is None or result is None:
        return False
    return result.error is None or (want.kind == "step" and not result.declined)


def _command(send: Send, step: str, *, tells: bool) -> Sent:
    spec = spec_of(type(send.command), "command")
    data = object_of(form_of(type(send.command), spec).written(send.command))
    message: Message = {"type": spec.name, "version": spec.version, "data": data}
    return Sent("command", send.category, send.id, message, lane=step, tells=tells)


def _call(kind: str, saga: str, target: str, step: str, *, tells: bool) -> Sent:
    return Sent(kind, saga, target, {"type": kind, "version": 1, "data": {}}, lane=step, tells=tells)


def process_of(saga: Saga[Any]) -> Orchestrated:
    """The process that runs a saga. The saga keeps it: it cannot be looked up by one whose functions have no hash."""
    kept = vars(saga)
    found: Orchestrated = kept.get("_process") or kept.setdefault("_process", _orchestrated(saga))
    return found


def _orchestrated(saga: Saga[Any]) -> Orchestrated:
    def nothing(*_: object) -> Any:
        raise AssertionError

    nothing.__qualname__ = getattr(saga.code, "__qualname__", f"saga {saga.name!r}")  # where an error says that it was
    return Orchestrated(
        saga.name, Record, nothing, nothing, saga.key, events=(*saga.event_types, *_OWN), version=saga.version,
        starts_on=saga.begins_on, saga=saga,
    )  # fmt: skip


def as_process(subject: Process[Any, Any] | Saga[Any]) -> Process[Any, Any]:
    """A process as it is, or the one that runs a saga.

    Raises:
        UsageError: it is neither.
    """
    given = cast("object", subject)
    if not isinstance(given, Process | Saga):
        raise UsageError(f"{shortened(given)} is no process or saga: take what Process(...), Saga(...) or @saga gave.")
    return process_of(subject) if isinstance(subject, Saga) else subject
