"""Reactions: what an instance does because of one input, as entries of its journal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from msgspec import Struct

from refold.codec import form_of, object_of
from refold.errors import UsageError
from refold.external import Call
from refold.flows.prepare import Runtime
from refold.flows.processes.instance import Instance
from refold.flows.processes.journal import (
    CancelAsked,
    Ended,
    Entry,
    Ignored,
    Kept,
    Message,
    Migrated,
    Reacted,
    Sent,
    Started,
    TimersCancelled,
    TimerSet,
    derived_id,
)
from refold.fold import Send
from refold.messages import Recorded, spec_of
from refold.process import After, At, Cancel, Effect, Fail, Finish, Process


class Noting(Struct, frozen=True):
    """An entry as it is: what a saga yields."""

    entry: Entry


class Unsetting(Struct, frozen=True):
    """The timer of a saga's step goes, if it is still set."""

    step: str


class KeptFailed(Exception):
    """What was kept until an instance began cannot be taken in, so the input that begins it cannot be, either."""

    def __init__(self, kept: Recorded[Any], error: Exception) -> None:
        self.kept = kept
        super().__init__(
            f"what was kept until now, {kept.type!r} at position {kept.position}, cannot be taken in (skip gives that one up): "
            f"{type(error).__name__}: {error}"
        )


def reaction(
    runtime: Runtime, instance: Instance, recorded: Recorded[Any], *, in_turn: bool = True
) -> list[tuple[UUID, Entry]]:
    """The entries, each with its id, that an input leads to; the instance has taken them in. None for an input that is no news.

    `in_turn`: it is not mended, so it does not come after later ones, unless all is consumed once more.

    Raises:
        UsageError: the process yields something that it cannot, or its version is not known here.
        KeptFailed: one that was kept until this one fails.
        Whatever `react` or `evolve` raises.
    """
    if instance.has_seen(recorded):
        return []
    entries: list[tuple[UUID, Entry]] = []
    is_new = instance.process is None
    _Reacting(runtime, instance, recorded, entries).run(in_turn=in_turn)
    if is_new and instance.process is not None:
        for kept in list(instance.kept.values()):
            _Reacting(runtime, instance, kept, entries).hear_at_last()
    return entries


class _Reacting:
    def __init__(
        self, runtime: Runtime, instance: Instance, recorded: Recorded[Any], entries: list[tuple[UUID, Entry]]
    ) -> None:
        self.entries = entries
        self._runtime, self._instance, self._recorded = runtime, instance, recorded

    def run(self, *, in_turn: bool) -> None:
        instance, recorded = self._instance, self._recorded
        if in_turn and instance.has_passed(recorded):
            return self._ignore("earlier than its last input") if instance.status == "running" else None
        timer = instance.timer_of(recorded)
        if timer is not None and timer not in instance.timers:
            return self._ignore("ended" if instance.status != "running" else "cancelled")
        if isinstance(recorded.data, CancelAsked) and CancelAsked not in instance.newest.event_types:
            runs = instance.process is not None and instance.status == "running"
            return self._note(Ended("cancelled", recorded.data.reason)) if runs else None
        if instance.status != "running":
            return self._ignore("ended") if str(recorded.stream) == instance.journal else None
        if instance.process is None and not self._begins():
            return None
        return self.hear()

    def hear(self) -> None:
        """Take the input in, if it is one for the version that the instance keeps to."""
        version = self._next_version()
        if self._recorded.data.__class__ not in version.named:
            return self._ignore(f"no input of version {version.version}")
        return self._take_in()

    def hear_at_last(self) -> None:
        """The same for an input that was kept until the instance began.

        Raises:
            KeptFailed: whatever that raises.
        """
        if self._instance.status != "running":
            return self._ignore("ended")
        try:
            return self.hear()
        except Exception as error:
            raise KeptFailed(self._recorded, error) from error

    def _take_in(self) -> None:
        """React to the input, and then remember it."""
        recorded = self._recorded
        self._migrate()
        self._note(Reacted(recorded.id, recorded.type, int(recorded.position), recorded.part))
        self._instance.came_back(recorded)
        self._react()
        self._instance.take(recorded)

    def _note(self, entry: Entry) -> None:
        recorded = self._recorded
        id = derived_id(self._instance.journal, recorded.id, f"{recorded.part}.{len(self.entries)}")
        self.entries.append((id, entry))
        if not isinstance(entry, Reacted | Kept):
            self._instance.note(id, entry)

    def _ignore(self, why: str) -> None:
        recorded = self._recorded
        self._note(Ignored(recorded.id, recorded.type, int(recorded.position), recorded.part, why))

    def _begins(self) -> bool:
        """Begin the instance, if this input may.

        Raises:
            UsageError: it may not, and the process says that it is to be parked.
        """
        process, recorded = self._instance.newest, self._recorded
        if recorded.data.__class__ not in process.named:
            return False
        if process.starts_on and not isinstance(recorded.data, process.starts_on):
            if process.otherwise == "keep":
                self._instance.keep(recorded)
                self._note(Kept(recorded.id, recorded.type, int(recorded.position), recorded.part))
            if process.otherwise != "park":
                return False
            raise UsageError(
                f"process {process.name!r} has no instance {self._instance.id!r} yet, and {recorded.type!r} begins none: only "
                f"{', '.join(spec_of(cls).name for cls in process.starts_on)} does. Skip it; later, `signal` gives it the like."
            )
        self._note(Started(process.version))
        return True

    def _next_version(self) -> Process[Any, Any]:
        """The version that the next input is taken in by."""
        current, newest = self._instance.process, self._instance.newest
        return newest if current is None or current.version in newest.migrate else current

    def _migrate(self) -> None:
        current, following = self._instance.process, self._next_version()
        if current is not None and current is not following:
            self._note(Migrated(following.version))

    def _react(self) -> None:
        instance = self._instance
        assert instance.process is not None  # noqa: S101 - it has begun
        state = instance.state
        for effect in list(instance.process.reacting(self._recorded, state, frozenset(instance.steps))):
            if instance.status != "running":
                raise UsageError(
                    f"process {instance.newest.name!r} yields {effect!r} after its end: let finish() or fail() come last."
                )
            for entry in self._entries(effect):
                self._note(entry)

    def _entries(self, effect: Effect | Noting | Unsetting) -> Iterator[Entry]:
        match effect:
            case Send(category, id, command, fallback):
                yield Sent("command", category, id, self._command(command), self._fallback(fallback))
            case Call(name, request, fallback):
                yield Sent("effect", name, "", self._command(request), self._fallback(fallback))
            case After(delay, timeout):
                yield TimerSet(self._recorded.recorded_at + delay, self._event(timeout))
            case At(moment, timeout):
                yield TimerSet(moment, self._event(timeout))
            case Cancel(cls):
                yield from self._cancelled(cls)
            case Noting(entry):
                yield entry
            case Unsetting(step):
                yield from self._unset(step)
            case Finish():
                yield Ended("finished", "")
            case Fail(reason):
                yield Ended("failed", reason)
            case _:
                raise UsageError(
                    f"process {self._instance.newest.name!r} yielded {effect!r}: yield what decider.send(...), effect.send(...), "
                    "after(...), at(...), cancel(...), finish() or fail(...) give."
                )

    def _cancelled(self, cls: type[Any]) -> Iterator[Entry]:
        """A timer may have been set under an earlier name of the class, so what counts is what its timeout is read as."""
        type, decoders = spec_of(cls).name, self._runtime.codec.selecting((cls,))
        read_as = ((timer, decoders.ends(_shape(its.timeout))) for timer, its in self._instance.timers.items())
        timers = [timer for timer, ends in read_as if any(name == type for name, _ in ends)]
        if timers:
            yield TimersCancelled(type, timers)

    def _unset(self, step: str) -> Iterator[Entry]:
        timers = [(timer, its) for timer, its in self._instance.timers.items() if its.step == step]
        if timers:
            yield TimersCancelled(timers[0][1].timeout["type"], [timer for timer, _ in timers])

    def _command(self, command: object) -> Message:
        spec = spec_of(type(command), "command")
        return _message(spec.name, spec.version, form_of(type(command), spec).written(command))

    def _event(self, event: object) -> Message:
        """Raises `UsageError` if it is not one of the events that the version reacts to: then it would come back to nobody."""
        cls = type(event)
        if cls not in self._next_version().named:
            raise UsageError(
                f"process {self._instance.newest.name!r} lets {event!r} come back, but does not react to it: name "
                f"{cls.__qualname__} in the annotation of `react`."
            )
        form = self._runtime.codec.form(cls)
        return _message(form.spec.name, form.spec.version, form.written(event))

    def _fallback(self, event: object | None) -> Message | None:
        return None if event is None else self._event(event)


def _shape(message: Message) -> tuple[str, int]:
    return message["type"], message["version"]


def _message(type: str, version: int, data: bytes) -> Message:
    return {"type": type, "version": version, "data": object_of(data)}
