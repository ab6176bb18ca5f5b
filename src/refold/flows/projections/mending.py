"""Mend: events delivered out of their turn, each in one transaction with its bit, under the fence of its partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from refold.errors import NoSuchProjection, ProjectionChanged, UsageError
from refold.flows.prepare import Runtime
from refold.flows.projections.applied import Applied, keeping
from refold.flows.projections.batch import Batch, HandlerFailed, is_one
from refold.flows.projections.builds import Build, builds, with_role
from refold.flows.projections.publishing import send_all
from refold.flows.projections.work import Partition, Work
from refold.messages import Recorded
from refold.ports import EVERYTHING, PAGE, Backend, Own, Selection
from refold.projection import Projection
from refold.publication import Publication
from refold.rows import Row

_NEAR: Final = 16
"""Events so near to each other are read with those between them."""
_CLAIM: Final = """
update {refold}partitions set fence = fence + 1, applied = applied + :applied
where projection = :projection and build = :build and first_slot = :first and last_slot = :last and fence = :fence
returning fence"""


async def read_by_all(target: Backend, name: str) -> Build:
    """The build that readers see.

    Raises:
        NoSuchProjection: nothing was begun under this name.
    """
    active = with_role(await builds(target, name), "active")
    if active is None:
        raise NoSuchProjection(name)
    return active


async def mendable(target: Backend, projection: Projection) -> Build:
    """The build that readers see, if these handlers may work on it.

    Raises:
        NoSuchProjection: nothing was begun under this name.
        ProjectionChanged: it was built by another version of the projection.
    """
    active = await read_by_all(target, projection.name)
    if active.version != projection.version:
        raise ProjectionChanged(projection.name, active.version, projection.version)
    return active


def handled_types(runtime: Runtime, projection: Projection) -> frozenset[str] | None:
    """The types under which anything may be stored that has a handler; `None` if every type has."""
    return runtime.codec.selecting(projection.event_types).names


async def rows_at(source: Backend, positions: Sequence[int]) -> Mapping[int, Row]:
    """The events at these rising positions, as far as they are there."""
    found: dict[int, Row] = {}
    for group in _neighbourhoods(positions):
        selection = Selection(EVERYTHING, group[0] - 1, limit=PAGE, position_until=group[-1])
        rows = {row.position: row for row in await source.read(selection)}
        found.update((position, rows[position]) for position in group if position in rows)
    return found


def _neighbourhoods(positions: Sequence[int]) -> Sequence[Sequence[int]]:
    """Runs of positions that one page holds, and not much else with them."""
    groups: list[list[int]] = []
    for position in positions:
        near = groups and position - groups[-1][-1] <= _NEAR and position - groups[-1][0] < PAGE
        if near:
            groups[-1].append(position)
        else:
            groups.append([position])
    return groups


def work_on(projection: Projection, build: Build, parts: Sequence[Partition], slot: int) -> Work | None:
    """The work on the partition that a slot belongs to; `None` if there is none any more."""
    part = next((part for part in parts if part.first <= slot <= part.last), None)
    return None if part is None else Work(projection, build, part, (), Applied())


async def deliver(target: Backend, work: Work, events: Sequence[Recorded[Any]], settled: Sequence[Own]) -> None:
    """Apply events beside the checkpoint, which stays where it is, in one transaction with their bits and `settled`.

    Raises:
        Unclaimed: the partition was changed since it was read; nothing was done.
        HandlerFailed: a handler raised, or the statements of the only event cannot be run; nothing was done.
        UsageError: the statements of one of the events cannot be run; nothing was done.
        ReceiverAway, ReceiverGone, AddressRefused: what it publishes is not taken now, or not any more.
    """
    if isinstance(work.projection, Publication):
        await send_all(work.projection, events)
    try:
        await target.within(lambda inside: _delivered(inside, work, events, settled))
    except UsageError as error:
        if is_one(events):
            raise HandlerFailed(events[0], error) from error
        raise


async def _delivered(inside: Backend, work: Work, events: Sequence[Recorded[Any]], settled: Sequence[Own]) -> None:
    await inside.work([_claim(work, len(events)), *settled])
    batch = Batch(work.projection, work.build.suffix, inside, in_turn=False)
    await batch.look_up(inside, events)
    await batch.apply(events, effects_after=work.build.causes_after)
    bits = await keeping(inside, work.build, work.partition.first, batch.applied)
    await inside.work([*bits, *batch.taken()])


def _claim(work: Work, applied: int) -> Own:
    """Raise the fence: whoever works on the partition looks anew at what is parked there, and at its bits."""
    part = work.partition
    values = {"first": part.first, "last": part.last, "fence": part.fence, "applied": applied}
    return Own(_CLAIM, {**work.build.key, **values}, must=True)


async def settle(target: Backend, work: Work, *settled: Own) -> None:
    """Change what is kept about a partition's events, so that whoever works on it looks anew.

    Raises:
        Unclaimed: the partition was changed since it was read, or a statement that must give a row gave none.
    """
    await target.work([_claim(work, 0), *settled])
