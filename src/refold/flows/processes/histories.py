"""Histories: what came to an instance, and what each led to, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from refold.flows.processes.instance import Input
from refold.flows.processes.journal import (
    CancelAsked,
    Compensating,
    Delivered,
    Ended,
    Entry,
    Ignored,
    InputsRetried,
    InputsSkipped,
    Kept,
    Migrated,
    Parked,
    Reacted,
    Refused,
    Retried,
    Sent,
    Skipped,
    Started,
    TimersCancelled,
    TimerSet,
)
from refold.flows.processes.outgoing import tries
from refold.messages import Position, Recorded


class Happening(Struct, frozen=True):
    """Something that happened to an instance: an input with what it led to; or what became of a message, or an operator did.

    `position` is that of the input, or of the journal's entry. `at` is UTC: when it was taken in.
    """

    at: datetime
    position: Position
    what: str
    led_to: tuple[str, ...] = ()
    data: Any = None
    actor: str | None = None


def happenings(entries: Sequence[Recorded[Any]], inputs: Mapping[Input, Recorded[Any]]) -> Sequence[Happening]:
    """All of a journal, in its order."""
    telling = _Telling(inputs, {each.id: each.data for each in entries if isinstance(each.data, Sent)})
    for each in entries:
        telling.tell(each)
    return telling.found


class _Telling:
    def __init__(self, inputs: Mapping[Input, Recorded[Any]], sent: Mapping[UUID, Sent]) -> None:
        self.found: list[Happening] = []
        self._inputs, self._sent = inputs, sent
        self._before: tuple[str, ...] = ()

    def tell(self, recorded: Recorded[Any]) -> None:
        """Take in the next entry."""
        entry: Entry = recorded.data
        match entry:
            case Started(version):
                self._before = (f"it began, as one of version {version}",)
            case Migrated(version):
                self._before = (*self._before, f"it moved to version {version}")
            case Reacted(input, type, position, part):
                self._input(recorded, self._inputs.get((input, part)), type, position)
            case Kept(type=type, position=position):
                self.found.append(Happening(recorded.recorded_at, Position(position), type, ("kept until it begins",)))
            case Ignored(type=type, position=position, reason=reason):
                self.found.append(
                    Happening(recorded.recorded_at, Position(position), type, (f"ignored: it is {reason}",))
                )
            case Sent() | TimerSet() | TimersCancelled() | Ended() | Compensating():
                self._led_to(_effect(entry))
            case _:
                self._add(recorded, self._in_words(entry))

    def _input(self, recorded: Recorded[Any], came: Recorded[Any] | None, type: str, position: int) -> None:
        """An input; where that is an entry of the journal itself, it was told before."""
        before, self._before = self._before, ()
        if came is not None and isinstance(came.data, Entry):
            return
        data, actor = (None, None) if came is None else (came.data, came.metadata.actor)
        self.found.append(Happening(recorded.recorded_at, Position(position), type, before, data, actor))

    def _led_to(self, what: str) -> None:
        if self.found:
            self.found[-1] = replace(self.found[-1], led_to=(*self.found[-1].led_to, what))

    def _add(self, recorded: Recorded[Any], what: str) -> None:
        at, actor = recorded.recorded_at, recorded.metadata.actor
        self.found.append(Happening(at, recorded.position, what, actor=actor))

    def _in_words(self, entry: Entry) -> str:
        match entry:
            case Delivered(message):
                words = f"delivered {self._message(message)}"
            case Parked(message, attempts, error):
                words = f"parked {self._message(message)} after {tries(attempts)}: {error}"
            case Refused(message, attempts, error):
                words = f"gave {self._message(message)} up after {tries(attempts)}: {error}"
            case Retried(message, reason):
                words = f"let {self._message(message)} be tried again: {reason}"
            case Skipped(message, reason):
                words = f"skipped {self._message(message)}: {reason}"
            case InputsRetried(reason):
                words = f"let its parked inputs be taken in again: {reason}"
            case InputsSkipped(positions, reason):
                words = f"skipped its inputs at {', '.join(map(str, positions))}: {reason}"
            case CancelAsked(reason):
                words = f"asked it to end: {reason}"
            case _:
                words = type(entry).__name__
        return words

    def _message(self, id: UUID) -> str:
        return _to(self._sent[id]) if id in self._sent else str(id)


def _effect(entry: Sent | TimerSet | TimersCancelled | Ended | Compensating) -> str:
    match entry:
        case Sent():
            return f"sent {_to(entry)}"
        case TimerSet(due, timeout):
            return f"{timeout['type']} is to come back at {due:%Y-%m-%d %H:%M:%S}"
        case TimersCancelled(type):
            return f"{type} will not come back"
        case Compensating(undo, reason):
            return f"will undo {', '.join(undo) or 'nothing'}: {reason}"
        case Ended(state, reason):
            return f"{state}: {reason}" if reason else state


def _to(sent: Sent) -> str:
    """A message, and to whom: a command to a stream, a request to an effect; or the step of a saga."""
    if sent.kind in {"step", "undo"}:
        return f"{'undo of ' if sent.kind == 'undo' else ''}step {sent.target}"
    whom = f"{sent.receiver}-{sent.target}" if sent.kind == "command" else sent.receiver
    return f"{sent.message['type']} to {whom}"
