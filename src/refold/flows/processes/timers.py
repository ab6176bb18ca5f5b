"""Timers: what is due comes back to its instance as an event in its journal, in the order of being due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from refold.clock import SystemClock, as_datetime
from refold.columns import SqlValue
from refold.errors import UsageError
from refold.flows.prepare import Runtime
from refold.flows.processes.journal import derived_id
from refold.flows.processes.writing import claimed
from refold.messages import StreamName
from refold.ports import Append, Backend, Own, Unclaimed, Write
from refold.process import Process
from refold.projection import SLOTS
from refold.rows import NewRow

BATCH: Final = 500
"""How many timeouts share a transaction."""
WHOLE: Final = 0, SLOTS - 1
"""Every slot."""
ALL: Final = (1 << 62) - 1
"""As many as there are."""
REFUSED: Final = timedelta(minutes=1)
"""What is refused is tried again after so long, and lets all others pass meanwhile."""

_DUE: Final = """
select timer, instance, type, schema_version, data, story from {refold}timers
where process = :process and due <= {now} and slot between :first and :last order by due, timer limit :limit"""
_FIRE: Final = "delete from {refold}timers where timer = :timer returning timer"
_LATER: Final = "update {refold}timers set due = {now} + :wait where timer = :timer"
_NEXT: Final = """
select min(due), {now} from {refold}timers where process = :process and due > {now} and slot between :first and :last"""
_ALL: Final = """
select timer, instance, type, due from {refold}timers
where process = :process and (:instance = '' or instance = :instance) order by due, timer limit :limit"""
_HURRY: Final = "update {refold}timers set due = 0 where timer = :timer and process = :process returning timer"


class Timer(Struct, frozen=True):
    """A timeout that will come back to an instance. `due` is UTC."""

    id: UUID
    instance: str
    type: str
    due: datetime


class Fired(Struct, frozen=True):
    """How many timeouts came back; and of those that were refused, and are put off, why."""

    came_back: int = 0
    refused: Mapping[UUID, str] = {}


def timed(runtime: Runtime, text: str, values: Mapping[str, SqlValue]) -> Own:
    """SQL for which `{now}` is the database's time where it has one, or that of the clock which the store was given."""
    text = text if isinstance(runtime.clock, SystemClock) else text.replace("{now}", ":now")
    return Own(text, {**values, "now": runtime.clock.now()})


async def fire(backend: Backend, runtime: Runtime, process: Process[Any, Any], slots: tuple[int, int] = WHOLE) -> Fired:
    """Let the next timeouts that are due come back.

    The database's time decides, or the clock that the store was given. A timeout's id follows from its timer's, so none comes
    back twice.

    Raises:
        Unclaimed: one of them was cancelled, or came back, at this very moment; nothing was done.
    """
    due = timed(runtime, _DUE, {"process": process.name, "first": slots[0], "last": slots[1], "limit": BATCH})
    rows: Any = await backend.query(due)
    if not rows:  # that is the rule, and costs no transaction
        return Fired()
    try:
        return Fired(await backend.within(lambda inside: _fired_due(inside, runtime, process, due)))
    except UsageError:  # of one of them: which one, each by itself will tell
        return await _fired_alone(backend, runtime, process, rows)


async def _fired_due(inside: Backend, runtime: Runtime, process: Process[Any, Any], due: Own) -> int:
    rows: Any = await inside.query(due)
    await _fired(inside, runtime, process, rows)
    return len(rows)


async def _fired(inside: Backend, runtime: Runtime, process: Process[Any, Any], rows: Sequence[Any]) -> None:
    if rows:
        writes = tuple(_write(process, *row) for row in rows)
        await claimed(inside, runtime, Append(writes, runtime.clock.now()))
        await inside.work([Own(_FIRE, {"timer": row[0]}, must=True) for row in rows])


async def _fired_alone(backend: Backend, runtime: Runtime, process: Process[Any, Any], rows: Sequence[Any]) -> Fired:
    came_back, refused = 0, dict[UUID, str]()
    for row in rows:
        try:
            await backend.within(partial(_fired, runtime=runtime, process=process, rows=(row,)))
        except UsageError as error:
            refused[UUID(row[0])] = str(error)
            wait = REFUSED // timedelta(microseconds=1)
            await backend.work([timed(runtime, _LATER, {"timer": row[0], "wait": wait})])
        except Unclaimed:  # cancelled meanwhile, or back already
            continue
        else:
            came_back += 1
    return Fired(came_back, refused)


def _write(
    process: Process[Any, Any], timer: str, instance: str, type: str, version: int, data: str, story: str
) -> Write:
    journal: StreamName = process.journal(instance)
    id = derived_id(str(journal), UUID(timer), "due")
    row = NewRow(id.bytes, type, version, data.encode(), (), None, story, timer, None, b"{}")
    return Write(str(journal), (row,))


async def due_in(
    backend: Backend, runtime: Runtime, process: Process[Any, Any], slots: tuple[int, int] = WHOLE
) -> float | None:
    """Seconds until the next timer becomes due; `None` if there is none."""
    values: dict[str, SqlValue] = {"process": process.name, "first": slots[0], "last": slots[1]}
    ((due, now),) = await backend.query(timed(runtime, _NEXT, values))
    return None if due is None else (int(str(due)) - int(str(now))) / 1e6


async def timers(backend: Backend, process: Process[Any, Any], instance: str | None, limit: int) -> tuple[Timer, ...]:
    """The timers that are set, the next one first."""
    rows: Any = await backend.query(Own(_ALL, {"process": process.name, "instance": instance or "", "limit": limit}))
    return tuple(Timer(UUID(timer), instance, type, as_datetime(due)) for timer, instance, type, due in rows)


async def hurry(backend: Backend, process: Process[Any, Any], timer: UUID) -> bool:
    """Let a timer be due at once, and say whether there is one."""
    found = await backend.work([Own(_HURRY, {"timer": str(timer), "process": process.name})])
    return bool(found[0])
