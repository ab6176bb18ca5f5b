"""Consume: a process as a projection that reacts. Inputs are taken in with the checkpoint, their effects, and the index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from refold.errors import Archived, IdReused, OutcomeUnknown, StoreError, UsageError
from refold.flows.prepare import Cause, Runtime, prepare
from refold.flows.processes.index import Noted, changes
from refold.flows.processes.instance import Instance
from refold.flows.processes.journal import CancelAsked, Entry, is_journal
from refold.flows.processes.known import Known
from refold.flows.processes.reactions import reaction
from refold.flows.processes.reindexing import look_after
from refold.flows.processes.writing import written
from refold.flows.projections.batch import HandlerFailed
from refold.messages import NewEvent, Recorded
from refold.ports import Append, Backend, Own, Write
from refold.process import Process
from refold.projection import Projection, slot_of

CONSUMER: Final = "$process."
"""What the name of the projection that a process is begins with."""
_HOLD: Final = """
update {refold}partitions set fence = fence where projection = :projection and :slot between first_slot and last_slot"""


def consumer(runtime: Runtime, process: Process[Any, Any]) -> Projection:
    """The projection that takes in a process's inputs: with its checkpoint, its partitions and its dead letters, by instance."""

    def nothing(recorded: Recorded[Any]) -> tuple[()]:  # noqa: ARG001 - all of a step is reacted to at once, below
        return ()

    nothing.__qualname__ = getattr(
        process.react, "__qualname__", nothing.__qualname__
    )  # where an error says that it was
    projection = Projection(consumer_name(process.name), key=process.instance_of)
    for cls in dict.fromkeys((*process.event_types, CancelAsked)):
        projection.on(cls)(nothing)
    taking = _Together(runtime, process)
    projection.together, projection.beforehand = taking, taking.look_after
    return projection


def consumer_name(process: str) -> str:
    """The name of a process's projection."""
    return f"{CONSUMER}{process}"


class _Taken(Struct, frozen=True):
    """What one input led to: entries of a journal, and the same as rows."""

    instance: Instance
    story: str
    entries: Sequence[tuple[UUID, Entry]]
    write: Write


class _Together:
    """All inputs of one step: reacted to one after another, and written in one append."""

    def __init__(self, runtime: Runtime, process: Process[Any, Any]) -> None:
        self._runtime, self._process, self._known = runtime, process, Known(process)
        self._looked_after = False

    async def look_after(self, backend: Backend) -> None:
        """Outside of the transaction of a step, which holds its partition: here all of them are waited for."""
        if not self._looked_after:
            await look_after(backend, self._runtime, self._process)
            self._looked_after = True

    async def __call__(self, inside: Backend, events: Sequence[Recorded[Any]], in_turn: bool) -> None:  # noqa: FBT001 - a port's
        """Raises `HandlerFailed` for the input that cannot be taken in; nothing was done then."""
        since = await self._known.since(inside, self._runtime) if events else None
        instances: dict[str, Instance] = {}
        found: list[_Taken] = []
        for recorded in events:
            if is_journal(recorded.stream) and recorded.stream.category != self._process.journals:
                continue
            try:
                found += await self._taken(inside, instances, since, recorded, in_turn=in_turn)
            except Archived as error:  # it concerns this input alone
                raise HandlerFailed(recorded, error) from error
            except (StoreError, OutcomeUnknown):
                raise
            except Exception as error:
                raise HandlerFailed(recorded, error) from error
        if found:
            for taken, version in zip(found, await _written(inside, self._runtime, found), strict=True):
                self._known.keep(taken.instance, version, taken.write.rows[-1].id)

    async def _taken(
        self,
        inside: Backend,
        instances: dict[str, Instance],
        since: int | None,
        recorded: Recorded[Any],
        *,
        in_turn: bool,
    ) -> Sequence[_Taken]:
        id = self._process.instance_of(recorded)
        if id not in instances:
            if not in_turn:
                await inside.work([_held(self._process, id)])
            instances[id] = await self._known.taken(inside, self._runtime, id, since)
        entries = reaction(self._runtime, instances[id], recorded, in_turn=in_turn)
        if not entries:
            return ()
        story = recorded.metadata.correlation_id
        events = [NewEvent(entry, id=id) for id, entry in entries]
        rows = prepare(self._runtime, events, Cause(story, str(recorded.id), None, {}))
        return (_Taken(instances[id], story, entries, Write(instances[id].journal, rows)),)


def _held(process: Process[Any, Any], id: str) -> Own:
    """Whoever works on an instance waits. What was parked while its key could not be told belongs to another partition."""
    return Own(_HOLD, {"projection": consumer_name(process.name), "slot": slot_of(id)})


async def _written(inside: Backend, runtime: Runtime, found: Sequence[_Taken]) -> Sequence[int]:
    """Append what inputs led to, bring the index along, and say to which versions the journals came."""
    now = runtime.clock.now()
    try:
        result = await written(inside, runtime, Append(tuple(taken.write for taken in found), now))
    except IdReused as error:  # as all that is refused: a single input is then known to be the one
        raise UsageError(f"{type(error).__name__}: {error}") from error
    positions = iter(result.positions)
    await inside.work(changes(
        Noted(taken.instance.newest.name, taken.instance.id, id, entry, next(positions), taken.story, now)
        for taken in found
        for id, entry in taken.entries
    ))  # fmt: skip
    return result.versions
