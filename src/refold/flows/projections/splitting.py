"""Split and merge: the keys of a read model in more parts, or in fewer, while the work goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Final

from refold.columns import SqlValue
from refold.errors import OutcomeUnknown, StoreError, UsageError
from refold.flows.prepare import Runtime
from refold.flows.projections.batch import HandlerFailed, noted
from refold.flows.projections.builds import Build, active_build, spans_of
from refold.flows.projections.catching_up import check_running
from refold.flows.projections.standing import let_go_unless_built
from refold.flows.projections.work import Partition, partitions, step, take_up
from refold.ports import Backend, Own, Unclaimed
from refold.projection import SLOTS, Projection, by_stream
from refold.publication import Publication

# Each says what it found, so that whoever moved the partition meanwhile is not overwritten.
_SHRINK: Final = """
update {refold}partitions set last_slot = :new_last, stop_at = :new_stop, fence = fence + 1
where projection = :projection and build = :build and first_slot = :first and last_slot = :last and position = :position
  and fence = :fence returning fence"""
_ADD: Final = """
insert into {refold}partitions (projection, build, first_slot, last_slot, position, stop_at, state, reason, fence, owner,
  leased_until, moved_at, applied, rate)
values (:projection, :build, :first, :last, :position, null, :state, :reason, {now}, '', 0, :moved_at, 0, 0.0)"""
_REMOVE: Final = """
delete from {refold}partitions where projection = :projection and build = :build and first_slot = :first and last_slot = :last
  and position = :position and fence = :fence returning fence"""


def can_be_split(projection: Projection, parts: int) -> None:
    """Raises `UsageError` if its keys cannot be worked on side by side in so many parts."""
    if not 1 <= parts <= SLOTS:
        raise UsageError(f"{parts} parts: give 1 to {SLOTS:,}.")
    if parts > 1 and projection.key is by_stream and not isinstance(projection, Publication):
        raise UsageError(
            f"projection {projection.name!r} has no key of its own, so {parts} workers could change one row at once: "
            "give it key=..., such that no two keys change the same row."
        )


async def repartition(
    source: Backend, target: Backend, runtime: Runtime, projection: Projection, parts: int
) -> Sequence[Partition]:
    """Bring the active build's keys into so many equal parts; those that are joined are first brought to one position.

    Raises:
        UsageError: the projection's keys cannot be worked on side by side.
        ProjectionChanged: another version of it is active.
        ProjectionStopped: one of two parts that are to be joined is paused or failed, and the other is not, or not as far.
        What a handler raises.
    """
    can_be_split(projection, parts)
    wanted = spans_of(parts)
    while True:
        build = await active_build(target, runtime.clock, projection)
        found = await partitions(target, build)
        if [(part.first, part.last) for part in found] == list(wanted):
            return found
        try:
            await _nearer(source, target, runtime, projection, build, found, wanted)
        except Unclaimed:  # somebody moved it on meanwhile: look again
            continue
        except Exception:
            with suppress(StoreError, OutcomeUnknown):  # as whoever works on it next does
                await let_go_unless_built(target, runtime, build, await partitions(target, build))
            raise


async def _nearer(
    source: Backend, target: Backend, runtime: Runtime, projection: Projection, build: Build,
    found: Sequence[Partition], wanted: Sequence[tuple[int, int]],
) -> None:  # fmt: skip
    edges = {first for first, _ in wanted}
    for part in found:
        if inner := [edge for edge in edges if part.first < edge <= part.last]:
            await target.work(list(_cut(build, part, min(inner), runtime.clock.now())))
            return
    for one, other in pairwise(found):
        if other.first not in edges:
            await _join(source, target, runtime, projection, build, one, other)
            return


def _cut(build: Build, part: Partition, edge: int, now: int) -> Iterator[Own]:
    yield _shrunk(build, part, edge - 1, part.stop_at)
    yield _added(build, part, edge, part.last, now)


async def _join(
    source: Backend,
    target: Backend,
    runtime: Runtime,
    projection: Projection,
    build: Build,
    one: Partition,
    other: Partition,
) -> None:
    """Let the one that is ahead stand still until the other is as far; then they are one."""
    meeting = max(one.position, other.position)
    if one.position == other.position and one.state == other.state:
        await target.work(
            [_shrunk(build, one, other.last, None), _removed(build, other)]
        )  # locked in the order of slots
        return
    for part in (one, other):  # before anything stands still
        check_running(projection, part)
    held = [part for part in (one, other) if part.stop_at != meeting]
    if held:
        await target.work([_shrunk(build, part, part.last, meeting) for part in held])
        return
    behind = min((one, other), key=lambda part: part.position)
    work = await take_up(target, projection, build, behind.first)
    try:
        while work is not None and await step(source, target, runtime, work, until=meeting):
            pass
    except HandlerFailed as failed:
        raise noted(failed, projection) from None


def _key(build: Build, part: Partition) -> dict[str, SqlValue]:
    found: dict[str, SqlValue] = {
        "first": part.first,
        "last": part.last,
        "position": part.position,
        "fence": part.fence,
    }
    return {**build.key, **found}


def _shrunk(build: Build, part: Partition, last: int, stop_at: int | None) -> Own:
    return Own(_SHRINK, {**_key(build, part), "new_last": last, "new_stop": stop_at}, must=True)


def _removed(build: Build, part: Partition) -> Own:
    return Own(_REMOVE, _key(build, part), must=True)


def _added(build: Build, part: Partition, first: int, last: int, now: int) -> Own:
    more: dict[str, SqlValue] = {"state": part.state, "reason": part.reason, "moved_at": part.moved_at, "now": now}
    return Own(_ADD, {**_key(build, part), "first": first, "last": last, **more})
