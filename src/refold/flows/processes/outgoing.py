"""Outgoing: messages that instances have sent and nobody has taken yet, in the order of their lanes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from refold.clock import as_uuid
from refold.columns import SqlValue
from refold.errors import UsageError
from refold.flows.prepare import Cause, Runtime, prepare
from refold.flows.processes.journal import Entry, Message, Parked, Refused, derived_id
from refold.flows.processes.timers import REFUSED, WHOLE, timed
from refold.flows.processes.writing import claimed
from refold.messages import NewEvent
from refold.ports import Append, Backend, Own, Write
from refold.process import Process
from refold.rows import NewRow

Kind = Literal["command", "effect", "step", "undo"]
BATCH: Final = 50
"""How many messages are looked for at once, and how many commands share a transaction."""

_COLUMNS: Final = (
    "message, instance, lane, position, kind, receiver, target, type, data, fallback, story, state, attempts, error"
)
_READY: Final = f"""
select {_COLUMNS} from {{refold}}outgoing o
where process = :process and state = 'pending' and due <= {{now}} and slot between :first and :last
  and (kind = 'command') = (:commands = 1)
  and not exists (select 1 from {{refold}}outgoing b where b.process = o.process and b.instance = o.instance and b.lane = o.lane
    and (b.position < o.position or (b.position = o.position and b.message < o.message)))
order by due, position limit :limit"""  # noqa: S608 - texts of ours
_NEXT: Final = """
select min(due), {now} from {refold}outgoing
where process = :process and state = 'pending' and due > {now} and slot between :first and :last"""
_OF: Final = f"""
select {_COLUMNS} from {{refold}}outgoing
where process = :process and (:instance = '' or instance = :instance) and (:parked = 0 or state = 'parked')
order by position limit :limit"""  # noqa: S608
_LATER: Final = """
update {refold}outgoing set attempts = :attempts, error = :error, due = {now} + :wait
where message = :message and state = 'pending' and attempts = :seen"""
_PARK: Final = """
update {refold}outgoing set state = 'parked', attempts = :attempts, error = :error, due = 0
where message = :message and state = 'pending' returning message"""
_TAKE: Final = "delete from {refold}outgoing where message = :message and state = :state returning message"


class Outgoing(Struct, frozen=True):
    """A message on its way.

    `fallback`: the event that comes back if it cannot be delivered, as JSON; null if the instance is only told; empty if the
    message is then parked. `lane`: what is sent in one is delivered in order; for a saga, the name of the step.
    """

    id: UUID
    instance: str
    lane: str
    position: int
    kind: Kind
    receiver: str
    target: str
    type: str
    data: str
    fallback: str
    story: str
    state: Literal["pending", "parked"]
    attempts: int
    error: str


def tries(attempts: int) -> str:
    """So many attempts, in words."""
    return "1 attempt" if attempts == 1 else f"{attempts} attempts"


class Made(Struct, frozen=True):
    """An entry with its id, and in whose name it is made."""

    id: UUID
    entry: Entry
    actor: str | None = None


async def ready(
    backend: Backend, runtime: Runtime, process: Process[Any, Any], slots: tuple[int, int], *, commands: bool
) -> Sequence[Outgoing]:
    """The next messages that may be delivered now: commands, or what is done outside."""
    rows = await backend.query(timed(runtime, _READY, {
        "process": process.name, "first": slots[0], "last": slots[1], "limit": BATCH, "commands": int(commands),
    }))  # fmt: skip
    return [_outgoing(row) for row in rows]


async def ready_in(
    backend: Backend, runtime: Runtime, process: Process[Any, Any], slots: tuple[int, int] = WHOLE
) -> float | None:
    """Seconds until the next message is to be tried again; `None` if none is waiting for that."""
    values: dict[str, SqlValue] = {"process": process.name, "first": slots[0], "last": slots[1]}
    ((due, now),) = await backend.query(timed(runtime, _NEXT, values))
    return None if due is None else (int(str(due)) - int(str(now))) / 1e6


async def outgoing(
    backend: Backend, process: Process[Any, Any], instance: str | None, limit: int, *, parked: bool = False
) -> Sequence[Outgoing]:
    """The messages of an instance, or of all, that nobody has taken yet."""
    values: dict[str, SqlValue] = {
        "process": process.name,
        "instance": instance or "",
        "parked": int(parked),
        "limit": limit,
    }
    return [_outgoing(row) for row in await backend.query(Own(_OF, values))]


def _outgoing(row: Sequence[Any]) -> Outgoing:
    return Outgoing(UUID(row[0]), *row[1:])


async def later(backend: Backend, runtime: Runtime, message: Outgoing, wait: timedelta, error: str) -> None:
    """Try a message again after a while."""
    await _put_off(backend, runtime, message, wait, message.attempts + 1, error)


async def held_back(backend: Backend, runtime: Runtime, message: Outgoing, wait: timedelta, why: str) -> None:
    """The same without counting it as an attempt: what takes the message is not there."""
    await _put_off(backend, runtime, message, wait, message.attempts, why)


async def _put_off(
    backend: Backend, runtime: Runtime, message: Outgoing, wait: timedelta, attempts: int, error: str
) -> None:
    microseconds = wait // timedelta(microseconds=1)
    values: dict[str, SqlValue] = {
        "message": str(message.id),
        "attempts": attempts,
        "seen": message.attempts,
        "error": error,
        "wait": microseconds,
    }
    await backend.work([timed(runtime, _LATER, values)])


async def given_up(
    backend: Backend, runtime: Runtime, process: Process[Any, Any], message: Outgoing, error: str,
    *, declined: bool = False,
) -> None:  # fmt: skip
    """What cannot be delivered comes back as its fallback, or else is parked until an operator looks at it.

    Raises:
        Unclaimed: somebody else was quicker; nothing was done.
    """
    if message.fallback:
        answer = msgspec.json.decode(message.fallback, type=Message | None)
        refused = Refused(message.id, message.attempts + 1, error, message.lane, declined=declined)
        try:
            return await settle(backend, runtime, process, message, refused, () if answer is None else (answer,))
        except UsageError as also:
            error = f"{error}; what comes back instead: {also}"
    return await park(backend, runtime, process, message, error)


async def park(backend: Backend, runtime: Runtime, process: Process[Any, Any], message: Outgoing, error: str) -> None:
    """It waits until an operator looks at it, whatever was to come back of it.

    Raises:
        Unclaimed: somebody else was quicker; nothing was done.
    """
    attempts = message.attempts + 1
    parked = Parked(message.id, attempts, error)
    guard = Own(
        _PARK, {"message": str(message.id), "attempts": attempts, "seen": message.attempts, "error": error}, must=True
    )
    id = as_uuid(runtime.clock.new_id())
    try:
        await backend.within(lambda inside: noted(inside, runtime, process, message, Made(id, parked), guard))
    except UsageError as also:  # not even that can be told
        await later(backend, runtime, message, REFUSED, f"{error}; it cannot be parked: {also}")


async def settle(
    backend: Backend, runtime: Runtime, process: Process[Any, Any], message: Outgoing, entry: Entry,
    answers: Sequence[Message] = (), actor: str | None = None,
) -> None:  # fmt: skip
    """A message is done with: it goes, its journal says how, and what came of it comes back to the instance.

    Raises:
        Unclaimed: somebody else was quicker; nothing was done.
    """
    await backend.within(lambda inside: settled(inside, runtime, process, message, entry, answers, actor))


async def settled(
    inside: Backend, runtime: Runtime, process: Process[Any, Any], message: Outgoing, entry: Entry,
    answers: Sequence[Message] = (), actor: str | None = None,
) -> None:  # fmt: skip
    """The same inside a transaction."""
    guard = Own(_TAKE, {"message": str(message.id), "state": message.state}, must=True)
    id = derived_id(str(process.journal(message.instance)), message.id, "done")
    await noted(inside, runtime, process, message, Made(id, entry, actor), guard, answers)


async def noted(
    inside: Backend, runtime: Runtime, process: Process[Any, Any], message: Outgoing, made: Made,
    guard: Own, answers: Sequence[Message] = (),
) -> None:  # fmt: skip
    """An entry about a message, and what guards it. The append comes first: there all wait for each other."""
    journal = str(process.journal(message.instance))
    rows = prepare(runtime, [NewEvent(made.entry, id=made.id)], Cause(message.story, str(message.id), made.actor, {}))
    back = tuple(_answer(journal, message, number, answer) for number, answer in enumerate(answers))
    await claimed(inside, runtime, Append((Write(journal, (*rows, *back)),), runtime.clock.now()))
    await inside.work([guard])


def _answer(journal: str, message: Outgoing, number: int, answer: Message) -> NewRow:
    id = derived_id(journal, message.id, f"answer {number}")
    data = msgspec.json.encode(answer["data"])
    return NewRow(
        id.bytes, answer["type"], answer["version"], data, (), None, message.story, str(message.id), None, b"{}"
    )
