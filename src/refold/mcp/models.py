"""Read models and processes: where they stand."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct, structs

from refold.flows.processes.listing import Standing
from refold.http.shapes import Name
from refold.mcp.desk import Desk
from refold.mcp.events import Limit
from refold.mcp.tools import Tool


class Projections(Struct, frozen=True, forbid_unknown_fields=True):
    """All of them."""


class Processes(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All processes; or, of `process`, its instances, by state, or those that are stuck. `after` is an id."""

    process: Name | None = None
    state: Standing | None = None
    stuck: bool = False
    after: Annotated[str, Meta(max_length=200)] = ""
    limit: Limit | None = None


async def list_projections(desk: Desk, _: Projections) -> object:
    """Every build."""
    return await desk.told("projections")


async def list_processes(desk: Desk, asked: Processes) -> object:
    """The processes, or the instances of one."""
    if asked.process is None:
        return await desk.told("processes")
    given: dict[str, Any] = {**structs.asdict(asked), "stuck": str(asked.stuck).lower()}
    return await desk.page("processes", given.pop("process"), **given)


TOOLS: Final = (
    Tool(
        "list_projections", "List the read models: how far each is, how far behind, and why it stands still if it does.",
        Projections, list_projections,
    ),
    Tool("list_processes", "List the processes, or the instances of one and what each waits for.", Processes, list_processes),
)  # fmt: skip
