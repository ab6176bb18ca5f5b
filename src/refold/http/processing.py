"""Processes: where their instances stand, one whole, and what an operator does to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from msgspec import Meta, Struct
from starlette.responses import Response

from refold.aio import AsyncStore
from refold.aio_instances import AsyncInstances
from refold.flows.processes.consuming import CONSUMER
from refold.flows.processes.journal import CancelAsked
from refold.flows.processes.listing import InstanceStatus, Standing
from refold.flows.processes.steering import Cancelling, Mended
from refold.flows.processes.timers import Timer
from refold.flows.projections.dead_letters import DeadLetter
from refold.forms import build_form, instance_form
from refold.http.asking import Ask, answer
from refold.http.bodies import JSON
from refold.http.models import BuildsOut, ReasonIn, builds_in
from refold.http.problems import Declined
from refold.http.routes import NAME, Route, Told
from refold.http.shapes import Limit, Reason
from refold.process import Process


class InstancesQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which instances; `after` is an id; `stuck_after`: seconds in which nothing moved."""

    state: Standing | None = None
    stuck: bool = False
    stuck_after: Annotated[float, Meta(ge=0, le=31_536_000)] = 3_600.0
    after: Annotated[str, Meta(max_length=200)] = ""
    limit: Limit | None = None


class InstancesOut(Struct, frozen=True):
    """A page of instances by id; `next` is the id after which to go on."""

    schema: int
    data: list[InstanceStatus]
    next: str | None


class InstanceOut(Struct, frozen=True):
    """An instance: its state, what it waits for, its timers and messages, what is parked, and all that happened to it."""

    process: str
    id: str
    version: int
    status: Standing
    reason: str
    state: Any
    waiting_for: str
    timers: list[Timer]
    messages: list[dict[str, Any]]
    parked: list[DeadLetter]
    history: list[dict[str, Any]]
    started_at: datetime | None
    moved_at: datetime | None


class CancelIn(Struct, frozen=True, forbid_unknown_fields=True):
    """Why, and for how many seconds to wait until it has ended."""

    reason: Reason
    timeout: Annotated[float, Meta(ge=0, le=30)] = 5.0


def uncoded(store: AsyncStore, name: str) -> AsyncInstances:
    """The instances of a process, for what takes no code."""
    nothing: Process[Any, Any] = Process(name, lambda: None, lambda _e, _s: (), lambda s, _e: s, events=(CancelAsked,))
    return store.process(nothing)


async def names_in(store: AsyncStore) -> Sequence[str]:
    """The processes that have taken something in."""
    every = await builds_in(store)
    return sorted({each.name.removeprefix(CONSUMER) for each in every if each.name.startswith(CONSUMER)})


async def list_processes(ask: Ask) -> Response:
    """The processes, and how far each is with its inputs."""
    ask.access.check("read", [None])
    found = [build_form(each) for each in await builds_in(ask.store) if each.name.startswith(CONSUMER)]
    told = [{**each, "name": each["name"].removeprefix(CONSUMER)} for each in found]
    return answer({"schema": 1, "data": told})


async def list_instances(ask: Ask) -> Response:
    """Where the instances of a process stand."""
    ask.access.check("read", [None])
    name, asked = ask.path["process"], ask.query(InstancesQuery)
    if name not in await names_in(ask.store):
        raise _no_such(name)
    limit = min(asked.limit or ask.api.quotas.page, ask.api.quotas.page)
    found = await uncoded(ask.store, name).list(
        asked.state, stuck=asked.stuck, after=asked.after, limit=limit, stuck_after=timedelta(seconds=asked.stuck_after)
    )
    return answer(InstancesOut(1, [*found], found[-1].id if len(found) == limit else None))


async def show_instance(ask: Ask) -> Response:
    """One instance."""
    ask.access.check("read", [None])
    return answer(instance_form(await _coded(ask).show(ask.path["id"])))


async def cancel(ask: Ask) -> Response:
    """Ask an instance to end."""
    given, instances = await ask.body(CancelIn), _coded(ask)
    await instances.show(ask.path["id"])
    await ask.audit("processes.cancel", _subject(ask), given.reason)
    return answer(await instances.cancel(ask.path["id"], given.reason, timeout=given.timeout))


async def retry(ask: Ask) -> Response:
    """Take in the parked inputs of an instance again."""
    given, instances = await ask.body(ReasonIn), _coded(ask)
    await instances.show(ask.path["id"])
    await ask.audit("processes.retry", _subject(ask), given.reason)
    return answer(await instances.retry(ask.path["id"], given.reason))


async def skip(ask: Ask) -> Response:
    """Give up what an instance failed for."""
    given, instances = await ask.body(ReasonIn), _coded(ask)
    await instances.show(ask.path["id"])
    await ask.audit("processes.skip", _subject(ask), given.reason)
    return answer(await instances.skip(ask.path["id"], given.reason))


def _subject(ask: Ask) -> str:
    return f"{ask.path['process']} {ask.path['id']}"


def _coded(ask: Ask) -> AsyncInstances:
    """With the code of the application."""
    found, name = ask.api.classes.app.processes, ask.path["process"]
    if name not in found:
        raise _no_such(name)
    return ask.store.process(found[name])


def _no_such(name: str) -> Declined:
    return Declined(404, "no-such-process", f"there is no process {name!r} here.")


_PROCESS: Final[dict[str, Any]] = {"process": {**NAME, "description": "The name of the process."}}
_ONE: Final[dict[str, Any]] = {**_PROCESS, "id": {**NAME, "description": "The id of the instance."}}
_MENDED: Final = Told("What came of it.", {JSON: Mended})
_STEERED: Final = (400, 404, 409, 413, 415, 422)

ROUTES: Final = (
    Route("GET", "/processes", list_processes, "read", "List processes",
          {200: Told("How far each is with its inputs.", {JSON: BuildsOut})}, group="processes"),
    Route("GET", "/processes/{process}", list_instances, "read", "Where the instances of a process stand",
          {200: Told("A page.", {JSON: InstancesOut})}, (400, 404), query=InstancesQuery, variables=_PROCESS, group="processes"),
    Route("GET", "/processes/{process}/{id}", show_instance, "read", "One instance of a process, whole",
          {200: Told("The instance.", {JSON: InstanceOut})}, (400, 404), variables=_ONE, group="processes"),
    Route("POST", "/processes/{process}/{id}/cancel", cancel, "admin", "Ask an instance to end",
          {200: Told("How it ended, or that it will.", {JSON: Cancelling})}, _STEERED, bodies={JSON: CancelIn},
          variables=_ONE, group="processes"),
    Route("POST", "/processes/{process}/{id}/retry", retry, "admin", "Take in parked inputs again", {200: _MENDED},
          _STEERED, bodies={JSON: ReasonIn}, variables=_ONE, group="processes"),
    Route("POST", "/processes/{process}/{id}/skip", skip, "admin", "Give up what an instance failed for", {200: _MENDED},
          _STEERED, bodies={JSON: ReasonIn}, variables=_ONE, group="processes"),
)  # fmt: skip
