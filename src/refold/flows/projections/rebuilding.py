"""Rebuild: the read model made anew beside the one that people read, and put in its place when it is as far."""

from __future__ import annotations

from functools import partial
from typing import Final

from msgspec import structs

from refold.errors import ProjectionChanged, UsageError
from refold.flows.prepare import Runtime
from refold.flows.projections.batch import HandlerFailed
from refold.flows.projections.builds import Build, active_build, begun, builds, made_of, next_number, with_role
from refold.flows.projections.catching_up import Report, finish
from refold.flows.projections.splitting import can_be_split
from refold.flows.projections.standing import hold, let_go, let_go_if_deserted
from refold.flows.projections.switching import can_be_renamed, dropped, switch
from refold.flows.projections.work import BATCH, partitions, step, take_up
from refold.ports import Backend, Own, Pace, Unclaimed
from refold.projection import Projection

_OPEN: Final = """
select count(*) from {refold}dead_letters
where projection = :projection and build = :build and state in ('failed', 'waiting')"""
NEAR: Final = 2_000
"""So few events behind, an active build that causes effects waits for the one that is to take its place."""


async def begin_rebuild(
    target: Backend, runtime: Runtime, projection: Projection, parts: int = 1, *, again: bool = True
) -> Build:
    """The build beside the active one: begun now, or the one of this version that was begun before.

    `again`: also if the active one is of this version; without, it is the one returned. Whoever only found that the active one
    was older may come when it has been replaced, and would make it all a second time, or a newer one older again.

    Raises:
        UsageError: the projection cannot stand beside itself.
    """
    if target.capabilities.inside:
        raise UsageError(
            f"projection {projection.name!r} keeps its rows in tables that the classes of an ORM name, so that no other version "
            "can stand beside it: empty them by schema=emptying(...), then `store.model(...).reset()`, and catch up."
        )
    while True:
        found = await builds(target, projection.name)
        building = with_role(found, "building")
        if building is not None:
            if building.version == projection.version:
                return building
            if building.version > projection.version:
                raise ProjectionChanged(projection.name, building.version, projection.version)
            await dropped(target, building)  # overtaken by a newer version before it was done
        active = with_role(found, "active")
        if not again and active is not None and active.version >= projection.version:
            return await active_build(target, runtime.clock, projection)
        build = made_of(projection, next_number(found), "building")
        _can_stand_beside(build, projection, parts)
        begin = await begun(target, runtime.clock, build, projection, parts)
        if begin is not None:
            return begin


def _can_stand_beside(build: Build, projection: Projection, parts: int) -> None:
    can_be_renamed(projection)
    if not build.objects:
        raise UsageError(
            f"projection {projection.name!r} makes no tables of its own, so a rebuild would change the live ones: give it their "
            "schema=... or tables=..., or reset it."
        )
    can_be_split(projection, parts)


async def until_of(target: Backend, projection: Projection, build: Build) -> int | None:
    """Up to where a build may go.

    One that is being made does not pass an active one that causes effects: nobody would cause those in between.
    """
    if build.role != "building" or not projection.has_effects:
        return None
    active = with_role(await builds(target, projection.name), "active")
    return None if active is None else min((part.position for part in await partitions(target, active)), default=0)


async def try_switch(source: Backend, target: Backend, runtime: Runtime, projection: Projection, build: Build) -> bool:
    """Put the build in the active one's place if it is as far, and say whether that was done.

    Raises:
        UsageError: a name is taken by something else. Nothing was changed.
    """
    active = with_role(await builds(target, projection.name), "active")
    mine, head = await partitions(target, build), await source.head()
    if active is None:
        return False
    theirs = await partitions(target, active)
    if not mine or not theirs:  # somebody drops them at this very moment
        return False
    if any(part.state != "running" for part in mine):
        await let_go(target, runtime, active, theirs)
        return False
    at, far = min(part.position for part in mine), max(part.position for part in theirs)
    runs_away = 0 < at < far and far >= head  # as one does that is kept inline; another stands still when it is told to
    arrives = source == target and target.capabilities.together and runs_away and far - at < BATCH
    if (at < far and not arrives) or (not projection.has_effects and at < head - NEAR):
        await _hold(target, runtime, projection, active, far - at)
        await let_go_if_deserted(target, runtime, active, theirs)
        return False
    if projection.has_effects:
        await _check_settled(target, active)
    try:
        await switch(
            target, runtime, active, build, exactly=projection.has_effects,
            arrive=partial(_arrive, runtime, projection, build) if arrives else None,
        )  # fmt: skip
    except (Unclaimed, HandlerFailed):
        await _hold(target, runtime, projection, active, far - at)
        return False
    return True


async def _arrive(runtime: Runtime, projection: Projection, build: Build, inside: Backend, until: int) -> None:
    """Apply the last events while the active build cannot move on: each append may bring that along.

    Raises:
        Unclaimed, HandlerFailed: it cannot; whoever works on the build meets that event next, and knows what to do.
    """
    for part in await partitions(inside, build):
        work = await take_up(inside, projection, build, part.first)
        try:
            while work is not None and await step(inside, inside, runtime, work, until=until):
                pass
        except UsageError as error:
            raise Unclaimed from error


async def _check_settled(target: Backend, active: Build) -> None:
    """Raises `UsageError` if events are parked that only the active build would cause the effects of."""
    ((found,),) = await target.query(Own(_OPEN, active.key))
    if count := int(str(found)):
        raise UsageError(
            f"projection {active.projection!r} has {count} events parked whose effects were not caused, and the new build will "
            "not cause them: retry them, or skip them, before it takes the place of the active one."
        )


async def _hold(target: Backend, runtime: Runtime, projection: Projection, active: Build, behind: int) -> None:
    """The active build stands still for the last few events: both must meet where it causes effects, or else it may run away."""
    if behind < (NEAR if projection.has_effects else BATCH):
        await hold(target, runtime, active)


async def rebuild(
    source: Backend, target: Backend, runtime: Runtime, pace: Pace, projection: Projection, report: Report | None
) -> Build:
    """Make the read model anew beside the active one, catch up, and put it in its place. Killed, it goes on where it was.

    Raises:
        UsageError: the projection cannot stand beside itself.
        What a handler raises: the new build stays where it was, and the active one as it is.
    """
    if not await builds(target, projection.name):
        await active_build(target, runtime.clock, projection)
    build = await begin_rebuild(target, runtime, projection)

    async def again() -> Build | None:
        return build if with_role(await builds(target, projection.name), "building") == build else None

    async def until() -> int:
        most = await until_of(target, projection, build)
        return head if most is None else min(most, head)

    while True:
        head = await source.head()  # what somebody appends meanwhile is for the next round: they may never rest
        for part in await partitions(target, build):
            await finish(
                source, target, runtime, projection, build, part.first, again=again, until=until, report=report
            )
        if await try_switch(source, target, runtime, projection, build):
            return structs.replace(build, role="active")
        still = with_role(await builds(target, projection.name), "building")
        if still is None or still.number != build.number:  # a runner was quicker, or somebody dropped it
            return await active_build(target, runtime.clock, projection)
        await pace.pause(0.02)
