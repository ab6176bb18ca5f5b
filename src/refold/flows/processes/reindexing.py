"""Reindex: the rows of a process are made again from its journals, as if all of it happened now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from refold.codec import Decoders
from refold.flows.prepare import Runtime
from refold.flows.processes.index import Noted, changes, unset
from refold.flows.processes.journal import ENTRIES, Started, as_id
from refold.flows.read import beyond, opened_all
from refold.messages import Recorded, spec_of
from refold.ports import PAGE, Backend, InCategory, Own, Selection
from refold.process import Process
from refold.rows import Row

_HOLD: Final = (
    "update {refold}partitions set fence = fence + 1 where projection = :projection returning first_slot",
    "update {refold}outgoing set state = state where process = :process",
    "update {refold}timers set due = due where process = :process",
)
"""Whoever changes these rows meanwhile waits, and then finds that they are not there any more: so nothing is lost between."""
_EMPTY: Final = tuple(
    f"delete from {{refold}}{table} where process = :process"  # noqa: S608 - names of ours
    for table in ("processes", "timers", "outgoing")
)


_ANY: Final = "select 1 from {refold}processes where process = :process limit 1"
_TRIED: Final = """
select message, due, attempts, error from {refold}outgoing
where process = :process and state = 'pending' and (due > 0 or attempts > 0)"""
_TRY: Final = """
update {refold}outgoing set due = :due, attempts = :attempts, error = :error where message = :message and state = 'pending'"""
_NAMES: Final = frozenset(spec_of(cls).name for cls in ENTRIES)
_STARTED: Final = spec_of(Started).name


async def reindex(backend: Backend, runtime: Runtime, process: Process[Any, Any]) -> int:
    """Make the rows of a process again, in one transaction, and say how many instances it has.

    How often a message was tried is in no journal: that is kept of the rows, as far as they are there.
    """
    return await backend.within(lambda inside: _reindexed(inside, runtime, process))


async def look_after(backend: Backend, runtime: Runtime, process: Process[Any, Any]) -> None:
    """Make the rows where there are journals and none of them, as in a copy."""
    if await backend.query(Own(_ANY, {"process": process.name})):
        return
    if await backend.read(Selection(InCategory(process.journals), limit=1)):
        await reindex(backend, runtime, process)


async def _reindexed(inside: Backend, runtime: Runtime, process: Process[Any, Any]) -> int:
    values = {
        "process": process.name,
        "projection": process.journals,
    }  # what takes its inputs in is named as its journals
    await inside.work([Own(text, values) for text in _HOLD])
    tried = await inside.query(Own(_TRIED, values))
    await inside.work([Own(text, values) for text in _EMPTY])
    selection, count = Selection(InCategory(process.journals), limit=PAGE), 0
    decoders = runtime.codec.selecting(ENTRIES)
    while rows := await inside.read(selection):
        await inside.work([*changes(_noted(process, decoders, rows)), *_came_back(rows)])
        count += sum(row.type == _STARTED for row in rows)
        selection = beyond(selection, rows[-1])
    await inside.work(
        [Own(_TRY, dict(zip(("message", "due", "attempts", "error"), row, strict=True))) for row in tried]
    )
    return count


def _noted(process: Process[Any, Any], decoders: Decoders, rows: Sequence[Row]) -> Iterator[Noted]:
    times = {row.position: row.recorded_at for row in rows}
    for recorded in opened_all(decoders, rows):
        yield _as_noted(process, recorded, times[recorded.position])


def _as_noted(process: Process[Any, Any], recorded: Recorded[Any], now: int) -> Noted:
    story, position = recorded.metadata.correlation_id, int(recorded.position)
    return Noted(process.name, recorded.stream.id, recorded.id, recorded.data, position, story, now)


def _came_back(rows: Sequence[Row]) -> Iterator[Own]:
    """A timeout has its timer for its cause; of what has another cause, no timer is set."""
    for row in rows:
        if row.type not in _NAMES and row.causation_id is not None and (timer := as_id(row.causation_id)) is not None:
            yield unset(timer)
