"""Builds: each time that a read model was begun, who may read it, and under which names its tables stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from refold.clock import Clock
from refold.columns import SqlValue
from refold.errors import ProjectionChanged
from refold.flows.projections.naming import renamed_statement
from refold.flows.projections.statements import create
from refold.ports import Backend, Own, Unclaimed
from refold.projection import SLOTS, Projection, Statement
from refold.sqltext import creations

Role: TypeAlias = Literal["active", "building", "retired"]


class Build(Struct, frozen=True):
    """One time that a read model was begun: readers see the active one, the others' tables have its number as suffix."""

    projection: str
    number: int
    version: int
    role: Role
    audited_after: int
    effects_after: int
    objects: tuple[tuple[str, str], ...]

    @property
    def suffix(self) -> str:
        """What its tables' names end with."""
        return "" if self.role == "active" else f"__{self.number}"

    @property
    def causes_after(self) -> int | None:
        """After which position its events cause effects: those before it did in an earlier build; `None` if none does."""
        return self.effects_after if self.role == "active" else None

    @property
    def key(self) -> Mapping[str, SqlValue]:
        """What tells it apart, as parameters."""
        return {"projection": self.projection, "build": self.number}


COLUMNS: Final = "projection, build, version, role, audited_after, effects_after, objects"
_FIND: Final = f"select {COLUMNS} from {{refold}}builds where projection = :projection order by build"  # noqa: S608
BEGIN: Final = """
insert into {refold}builds (projection, build, version, role, began_at, audited_after, effects_after, objects)
values (:projection, :build, :version, :role, {now}, 0, 0, :objects) on conflict do nothing returning build"""
# A fence begins at the time, so that none of an earlier life of this partition comes again.
SPAN: Final = """
insert into {refold}partitions (projection, build, first_slot, last_slot, position, stop_at, state, reason, fence, owner,
  leased_until, moved_at, applied, rate)
values (:projection, :build, :first, :last, :position, null, 'running', '', {now}, '', 0, {now}, 0, 0.0)"""


async def builds(backend: Backend, projection: str) -> Sequence[Build]:
    """Every build of a projection that there is, the oldest first."""
    return [build_of(row) for row in await backend.query(Own(_FIND, {"projection": projection}))]


def build_of(row: Sequence[Any]) -> Build:
    """What a row of `COLUMNS` tells."""
    name, number, version, role, audited, effects, objects = row
    return Build(name, number, version, role, audited, effects, _objects(objects))


_objects: Final = msgspec.json.Decoder(tuple[tuple[str, str], ...]).decode


def with_role(found: Sequence[Build], role: Role) -> Build | None:
    """The one build that has a role of which there can be only one."""
    return next((build for build in found if build.role == role), None)


async def active_build(backend: Backend, clock: Clock, projection: Projection) -> Build:
    """The build that readers see; its tables are made if there is none yet.

    Raises:
        ProjectionChanged: it was built by another version of the projection.
    """
    while True:
        found = await builds(backend, projection.name)
        active = with_role(found, "active")
        if active is None:
            active = await begun(backend, clock, made_of(projection, next_number(found), "active"), projection)
        elif active.version != projection.version:
            raise ProjectionChanged(projection.name, active.version, projection.version)
        if active is not None:
            return active


def next_number(found: Sequence[Build]) -> int:
    """The number of the next build."""
    return max((build.number for build in found), default=0) + 1


def made_of(projection: Projection, number: int, role: Role) -> Build:
    """A build of this version of a projection."""
    objects = (*creations(projection.schema), *(("table", table.name) for table in projection.tables))
    return Build(projection.name, number, projection.version, role, 0, 0, tuple((kind, name) for kind, name in objects))


async def begun(backend: Backend, clock: Clock, build: Build, projection: Projection, parts: int = 1) -> Build | None:
    """The build, with its tables made and its keys in so many equal parts; `None` if another was quicker, whatever it began."""
    now = clock.now()
    objects = msgspec.json.encode(build.objects).decode()
    values = {"version": build.version, "role": build.role, "objects": objects, "now": now}
    claim = Own(BEGIN, {**build.key, **values}, must=True)
    spans = [
        Own(SPAN, {**build.key, "first": first, "last": last, "position": 0, "now": now})
        for first, last in spans_of(parts)
    ]
    try:
        await backend.work([claim, *spans, *making(backend, build, projection)])
    except Unclaimed:
        return None
    return build


def making(backend: Backend, build: Build, projection: Projection) -> Sequence[Statement]:
    """The statements that make a build's tables, and then what its schema may say of them."""
    tables = [Statement(create(table, backend.capabilities.name, build.suffix)) for table in projection.tables]
    schema = [renamed_statement(Statement(projection.schema), projection, build.suffix)] if projection.schema else []
    return [*tables, *schema]


def spans_of(parts: int) -> Sequence[tuple[int, int]]:
    """The first and last slot of each of so many equal parts."""
    edges = [SLOTS * i // parts for i in range(parts + 1)]
    return [(first, after - 1) for first, after in pairwise(edges)]
