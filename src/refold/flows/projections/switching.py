"""Switch: in one transaction the build that was made beside the active one takes its names, and its readers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, TypeAlias, cast

from refold.columns import SqlValue
from refold.errors import StoreError, UsageError
from refold.flows.prepare import Runtime
from refold.flows.projections.builds import Build
from refold.ports import Backend, Own, Unclaimed
from refold.projection import Projection, Statement
from refold.sqltext import ambiguous, creations, folded, tokens

# What must hold, and what changes, in this order: the first update locks the active build's checkpoints.
_RETIRE: Final = """
update {refold}partitions set state = 'paused', reason = :reason, fence = fence + 1, owner = '', leased_until = 0
where projection = :projection and build = :active returning position"""
_ARRIVED: Final = """
select 1 where not exists (select 1 from {refold}partitions b where b.projection = :projection and b.build = :build
  and b.position < (select max(position) from {refold}partitions where projection = :projection and build = :active))"""
_EXACTLY: Final = """
select max(position) from {refold}partitions where projection = :projection and build in (:active, :build)
having min(position) = max(position)"""
_ROLE: Final = """
update {refold}builds set role = :role, effects_after = case :role when 'active' then (
  select min(position) from {refold}partitions p where p.projection = :projection and p.build = :build) else effects_after end
where projection = :projection and build = :build and role = :was returning build"""
_SETTLED: Final = """
select 1 where not exists (select 1 from {refold}dead_letters
  where projection = :projection and build = :active and state in ('failed', 'waiting'))"""
_FENCE: Final = """
update {refold}partitions set fence = fence + 1, stop_at = null
where projection = :projection and build = :build returning fence"""

# Locks the build that is to arrive before its checkpoints, as `dropped` does.
_STILL: Final = """
update {refold}builds set role = role where projection = :projection and build = :build and role = 'building' returning build"""

_FUNCTIONS: Final = frozenset(("function", "procedure", "aggregate"))


Arrive: TypeAlias = Callable[[Backend, int], Awaitable[None]]
"""Brings the new build to a position, inside the transaction that it is given."""


async def switch(
    target: Backend, runtime: Runtime, active: Build, building: Build, *, exactly: bool, arrive: Arrive | None = None
) -> None:
    """Let readers see the new build, and keep the old one under its number.

    `exactly`: both must stand at one position, since effects are run by the active build alone; else the new one may be
    ahead, so that readers never see an earlier state. `arrive`: how the new one comes there, when the other cannot move on.

    Raises:
        Unclaimed: the new build is not as far as it must be, or somebody else was quicker.
        UsageError: a name is taken by something else. Nothing was changed.
    """
    now = runtime.clock.now()
    both: dict[str, SqlValue] = {"projection": active.projection, "active": active.number, "build": building.number}
    reason = f"replaced by build {building.number}, of version {building.version}"
    steps: list[Own | Statement] = [
        Own(_RETIRE, {**both, "reason": reason}, must=True),
        Own(_EXACTLY if exactly else _ARRIVED, both, must=True),
        *([Own(_SETTLED, both, must=True)] if exactly else []),
        Own(_ROLE, {**active.key, "was": "active", "role": "retired", "now": now}, must=True),
        Own(_ROLE, {**building.key, "was": "building", "role": "active", "now": now}, must=True),
        Own(_FENCE, building.key, must=True),
    ]
    try:
        await _switched(target, steps, active, building, arrive)
    except StoreError as error:
        if type(error) is not StoreError:  # busy, or away: that passes
            raise
        raise UsageError(
            f"build {building.number} of projection {active.projection!r} cannot take the names of build {active.number}: {error}"
        ) from error


async def _switched(
    target: Backend, steps: Sequence[Own | Statement], active: Build, building: Build, arrive: Arrive | None
) -> None:
    if arrive is not None:
        await target.within(lambda inside: _arrived(inside, steps, active, building, arrive))
    elif target.capabilities.name == "sqlite":
        await target.within(lambda inside: _switched_in_sqlite(inside, steps, active, building))
    else:
        await target.work([*steps, *_renaming(active, building)])


async def _arrived(
    inside: Backend, steps: Sequence[Own | Statement], active: Build, building: Build, arrive: Arrive
) -> None:
    positions, _ = await inside.work([steps[0], Own(_STILL, building.key, must=True)])
    await arrive(inside, max(int(str(position)) for (position,) in positions))
    await _switched(inside, steps[1:], active, building, None)


def _renaming(active: Build, building: Build) -> Iterator[Own]:
    yield from _renames(active, "", f"__{active.number}")
    yield from _renames(building, f"__{building.number}", "")


def can_be_renamed(projection: Projection) -> None:
    """Raises `UsageError` if what its schema makes cannot stand under other names beside itself."""
    for kind, name in creations(projection.schema):
        if kind in _FUNCTIONS:
            raise UsageError(
                f"the schema of projection {projection.name!r} makes the {kind} {name!r}, whose body names tables that another "
                "build has under other names: keep functions out of the schema, or give the new version another projection name."
            )
    if twice := ambiguous(projection.schema):
        raise UsageError(
            f"the schema of projection {projection.name!r} gives the name {twice[0]!r} to a column as well as to what it "
            "creates, so that it cannot be built under another name: rename one of them."
        )


def _renames(build: Build, before: str, after: str) -> Iterator[Own]:
    for kind, name in build.objects:
        if kind == "trigger":  # belongs to its table, and goes with it
            continue
        what = "type" if kind in {"type", "domain"} else "table"  # ALTER TABLE renames whatever is a relation
        yield Own(f'alter {what} "{name}{before}" rename to "{name}{after}"', {})


async def _switched_in_sqlite(
    inside: Backend, steps: Sequence[Own | Statement], active: Build, building: Build
) -> None:
    """SQLite renames tables, and in views what they say of tables, but not views: those are made again under the other name."""
    await inside.work(steps)
    for build, before, after in ((active, "", f"__{active.number}"), (building, f"__{building.number}", "")):
        tables = [name for kind, name in build.objects if kind == "table"]
        await inside.work([Own(f'alter table "{name}{before}" rename to "{name}{after}"', {}) for name in tables])
        for view in (name for kind, name in build.objects if kind == "view"):
            found = await inside.query(Own("select sql from sqlite_master where name = :name", {"name": view + before}))
            text = "".join(
                _other(token.text, token.names, view + before, view + after)
                for token in tokens(cast("str", found[0][0]))
            )
            await inside.work([Own(f'drop view "{view}{before}"', {}), Own(text, {})])


def _other(text: str, name: str | None, before: str, after: str) -> str:
    return f'"{after}"' if name is not None and folded(name) == folded(before) else text


def dropping(build: Build, suffix: str, database: str) -> Iterator[Own]:
    """The statements that remove what a build's schema made; what goes with its table is not named.

    PostgreSQL is told of all of a kind at once, since it removes none that another one refers to.
    """
    for kind in ("view", "materialized view", "table", "sequence", "type", "domain", *sorted(_FUNCTIONS)):
        names = [f'"{name}{suffix}"' for its, name in reversed(build.objects) if its == kind]
        for each in [", ".join(names)] if names and database == "postgresql" else names:
            yield Own(f"drop {kind} if exists {each}", {})


_GUARD: Final = """
delete from {refold}builds where projection = :projection and build = :build and role = :role returning build"""
_FORGET: Final = tuple(
    f"delete from {{refold}}{table} where projection = :projection and build = :build"  # noqa: S608 - names of ours
    for table in ("partitions", "applied", "dead_letters")
)
_LET_GO: Final = """
update {refold}partitions set fence = fence + 1, stop_at = null
where projection = :projection and build <> :build and stop_at is not null"""
"""Whoever stood still for the build that takes its place need not any more."""


async def dropped(target: Backend, build: Build) -> bool:
    """Remove a build, its tables and all that is known of it; `False` if it is not what it was: replaced, or gone.

    Rows are locked in the order in which a switch locks them, so that neither waits for the other.
    """
    steps = [
        *([Own(_LET_GO, build.key)] if build.role == "building" else []),
        Own(_GUARD, {**build.key, "role": build.role}, must=True),
        *(Own(text, build.key) for text in _FORGET),
        *dropping(build, build.suffix, target.capabilities.name),
    ]
    try:
        await target.work(steps)
    except Unclaimed:
        return False
    return True
