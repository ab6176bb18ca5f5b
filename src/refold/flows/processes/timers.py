"""Timers: what is due comes back to its instance as an event in its journal, in the order of being due."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from refold.clock import SystemClock, as_datetime
from refold.errors import IdReused
from refold.flows.commit import commit
from refold.flows.prepare import Runtime
from refold.flows.processes.journal import derived_id
from refold.messages import StreamName
from refold.ports import Append, Backend, Own, Unclaimed, Write
from refold.process import Process
from refold.projection import SLOTS
from refold.rows import NewRow
from refold.tables import SqlValue

BATCH: Final = 500
"""How many timeouts share a transaction."""
WHOLE: Final = 0, SLOTS - 1
"""Every slot."""
ALL: Final = (1 << 62) - 1
"""As many as there are."""

_DUE: Final = """
select timer, instance, type, schema_version, data, story from {refold}timers
where process = :process and due <= {now} and slot between :first and :last order by due, timer limit :limit"""
_FIRE: Final = "delete from {refold}timers where timer = :timer returning timer"
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


def timed(runtime: Runtime, text: str, values: Mapping[str, SqlValue]) -> Own:
    """SQL for which `{now}` is the database's time where it has one, or that of the clock which the store was given."""
    text = text if isinstance(runtime.clock, SystemClock) else text.replace("{now}", ":now")
    return Own(text, {**values, "now": runtime.clock.now()})


async def fire(backend: Backend, runtime: Runtime, process: Process[Any, Any], slots: tuple[int, int] = WHOLE) -> int:
    """Let the next timeouts that are due come back, and say how many.

    The database's time decides, or the clock that the store was given. A timeout's id follows from its timer's, so none comes
    back twice.

    Raises:
        Unclaimed: one of them was cancelled, or came back, at this very moment; nothing was done.
    """
    due = timed(runtime, _DUE, {"process": process.name, "first": slots[0], "last": slots[1], "limit": BATCH})
    if not await backend.query(due):  # that is the rule, and costs no transaction
        return 0
    return await backend.within(lambda inside: _fired(inside, runtime, process, due))


async def _fired(inside: Backend, runtime: Runtime, process: Process[Any, Any], due: Own) -> int:
    rows: Any = await inside.query(due)
    if rows:
        writes = tuple(_write(process, *row) for row in rows)
        await claimed(inside, runtime, Append(writes, runtime.clock.now()))
        await inside.work([Own(_FIRE, {"timer": row[0]}, must=True) for row in rows])
    return len(rows)


async def claimed(inside: Backend, runtime: Runtime, append: Append) -> None:
    """Append what has ids that follow from committed data: what is there already under one of them, somebody else has done.

    Raises:
        Unclaimed: it is.
    """
    try:
        await commit(inside, runtime, append)
    except IdReused:
        raise Unclaimed from None


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
