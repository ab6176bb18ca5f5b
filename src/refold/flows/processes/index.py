"""Index: rows that say what is to be done and when. They are a function of the journals, and change together with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct

from refold.clock import as_microseconds
from refold.columns import SqlValue
from refold.flows.processes.journal import (
    Compensating,
    Delivered,
    Ended,
    Entry,
    Message,
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
from refold.ports import Own
from refold.projection import slot_of

_OF: Final = "process = :process and instance = :instance"
_START: Final = """
insert into {refold}processes (process, instance, version, state, reason, inputs, started_at, moved_at)
values (:process, :instance, :version, 'running', '', 0, :now, :now)"""
_MIGRATE: Final = f"update {{refold}}processes set version = :version where {_OF}"  # noqa: S608 - texts of ours
_TAKE: Final = f"update {{refold}}processes set inputs = inputs + 1, moved_at = :now where {_OF}"  # noqa: S608
_END: Final = f"update {{refold}}processes set state = :state, reason = :reason, moved_at = :now where {_OF}"  # noqa: S608
_COMPENSATE: Final = f"update {{refold}}processes set reason = :reason, moved_at = :now where {_OF}"  # noqa: S608
_SET: Final = """
insert into {refold}timers (timer, process, instance, slot, due, type, schema_version, data, story)
values (:id, :process, :instance, :slot, :due, :type, :version, :data, :story)"""
_UNSET: Final = "delete from {refold}timers where timer = :timer"
_UNSET_ALL: Final = f"delete from {{refold}}timers where {_OF}"  # noqa: S608
_SEND: Final = """
insert into {refold}outgoing (message, process, instance, slot, lane, position, kind, receiver, target, type, data, fallback,
  story, state, due, attempts, error)
values (:id, :process, :instance, :slot, :lane, :position, :kind, :receiver, :target, :type, :data, :fallback, :story,
  'pending', 0, 0, '')"""
_SETTLE: Final = "delete from {refold}outgoing where message = :message"
_PARK: Final = """
update {refold}outgoing set state = 'parked', attempts = :attempts, error = :error where message = :message"""
_AGAIN: Final = "update {refold}outgoing set state = 'pending', attempts = 0, due = 0 where message = :message"
_ORDER: Final = (
    Started, Migrated, Reacted, Sent, TimerSet, TimersCancelled, Delivered, Refused, Skipped, Parked, Retried, Compensating,
    Ended,
)  # fmt: skip
"""What is made comes before what goes, so that entries of many instances can be told the database in one go."""


class Noted(Struct, frozen=True):
    """An entry as it stands in a journal. `now`: microseconds since 1970, when it was made."""

    process: str
    instance: str
    id: UUID
    entry: Entry
    position: int
    story: str
    now: int


def changes(noted: Iterable[Noted]) -> Sequence[Own]:
    """What entries change in the index."""
    ordered = sorted((each for each in noted if isinstance(each.entry, _ORDER)), key=_rank)
    return list(chain.from_iterable(map(_changes, ordered)))


def _rank(noted: Noted) -> int:
    """Parked and Retried take turns, so they stay as they came."""
    cls = type(noted.entry)
    return _ORDER.index(Parked if cls is Retried else cls)


def _changes(noted: Noted) -> Iterator[Own]:
    yield from _of_instance(noted)
    yield from _of_message(noted)
    yield from _of_timers(noted)


def _of_instance(noted: Noted) -> Iterator[Own]:
    key: Mapping[str, SqlValue] = {"process": noted.process, "instance": noted.instance}
    now: Mapping[str, SqlValue] = {**key, "now": noted.now}
    match noted.entry:
        case Started(version):
            yield Own(_START, {**now, "version": version})
        case Migrated(version):
            yield Own(_MIGRATE, {**key, "version": version})
        case Reacted():
            yield Own(_TAKE, now)
        case Compensating(_, reason):
            yield Own(_COMPENSATE, {**now, "reason": reason})
        case Ended(state, reason):
            yield Own(_END, {**now, "state": state, "reason": reason})
            yield Own(_UNSET_ALL, key)
        case _:
            pass


def _of_message(noted: Noted) -> Iterator[Own]:
    match noted.entry:
        case Sent() as sent:
            yield Own(_SEND, {**_made(noted), **_sent(sent, noted)})
        case Delivered(message) | Refused(message) | Skipped(message):
            yield Own(_SETTLE, {"message": str(message)})
        case Parked(message, attempts, error):
            yield Own(_PARK, {"message": str(message), "attempts": attempts, "error": error})
        case Retried(message):
            yield Own(_AGAIN, {"message": str(message)})
        case _:
            pass


def _of_timers(noted: Noted) -> Iterator[Own]:
    match noted.entry:
        case TimerSet(due, timeout):
            yield Own(_SET, {**_made(noted), "due": as_microseconds(due), **_message(timeout)})
        case TimersCancelled(_, timers):
            yield from map(unset, timers)
        case _:
            pass


def unset(timer: UUID) -> Own:
    """A timer goes."""
    return Own(_UNSET, {"timer": str(timer)})


def _made(noted: Noted) -> Mapping[str, SqlValue]:
    return {
        "id": str(noted.id), "process": noted.process, "instance": noted.instance, "slot": slot_of(noted.instance),
        "story": noted.story,
    }  # fmt: skip


def _sent(sent: Sent, noted: Noted) -> Mapping[str, SqlValue]:
    fallback = "" if sent.fallback is None and not sent.tells else msgspec.json.encode(sent.fallback).decode()
    message = _message(sent.message)
    return {
        "lane": sent.lane, "position": noted.position, "kind": sent.kind, "receiver": sent.receiver, "target": sent.target,
        "type": message["type"], "data": message["data"], "fallback": fallback,
    }  # fmt: skip


def _message(message: Message) -> dict[str, Any]:
    data = msgspec.json.encode(message["data"]).decode()
    return {"type": message["type"], "version": message["version"], "data": data}
