"""Processes: which of their instances are stuck, and one of them whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from refold.flows.processes.consuming import CONSUMER
from refold.flows.processes.listing import InstanceStatus, Standing
from refold.flows.processes.showing import InstanceView
from refold.flows.processes.timers import Timer
from refold.forms import build_form, instance_form
from refold.http.models import builds_in
from refold.http.problems import Declined
from refold.http.processing import uncoded
from refold.messages import JOURNALS
from refold.studio.asking import Ask
from refold.studio.pages import Page
from refold.studio.projections import Model, models_of
from refold.studio.routing import Route

PAGE: Final = 100
FEW: Final = 20
STANDINGS: Final[tuple[str, ...]] = ("running", "finished", "failed", "cancelled", "compensated", "unbegun")


class Shown(Struct, frozen=True):
    """A process: how far it is with its inputs, its stuck instances first, and the timers of those that are listed."""

    model: Model
    stuck: Sequence[InstanceStatus]
    instances: Sequence[InstanceStatus]
    timers: Mapping[str, Timer]

    @property
    def listed(self) -> Sequence[InstanceStatus]:
        """Those that are shown."""
        return [*self.stuck, *self.instances]


async def list_processes(ask: Ask) -> Page:
    """Every process, and some instances of each: the stuck ones first."""
    models = models_of(
        [each for each in await builds_in(ask.store) if each.name.startswith(CONSUMER) and each.role == "active"]
    )
    found = [await _shown(ask, model) for model in models]
    data = {"data": [_form(each) for each in found]}
    return Page("processes", "Processes", "processes.html", {"processes": found, "now": datetime.now(UTC)}, data)


def _form(each: Shown) -> Mapping[str, object]:
    told = build_form(each.model.status)
    return {**told, "name": each.model.name, "stuck": each.stuck, "instances": each.instances}


async def _shown(ask: Ask, model: Model) -> Shown:
    instances = uncoded(ask.store, model.name)
    stuck = await instances.list(stuck=True, limit=FEW)
    rest = await instances.list(limit=FEW)
    gone = {each.id for each in stuck}
    timers = {each.instance: each for each in reversed(await instances.timers(limit=1_000))}
    return Shown(model, stuck, [each for each in rest if each.id not in gone], timers)


async def list_instances(ask: Ask) -> Page:
    """The instances of one process, by their ids."""
    name, after, state = ask.path["process"], ask.param("after"), ask.param("state")
    builds = await builds_in(ask.store)
    if CONSUMER + name not in {each.name for each in builds}:
        raise Declined(404, "no-such-process", f"there is no process {name!r} here.")
    if state and state not in STANDINGS:
        raise Declined(400, "bad-parameter", f"state={state[:40]!r} is none: there are {', '.join(STANDINGS)}.")
    instances = uncoded(ask.store, name)
    found = await instances.list(_standing(state), stuck=bool(ask.param("stuck")), after=after, limit=PAGE)
    further = found[-1].id if len(found) == PAGE else None
    timers = {each.instance: each for each in reversed(await instances.timers(limit=1_000))}
    shown = {
        "name": name, "instances": found, "next": further, "state": state, "standings": STANDINGS, "timers": timers,
        "now": datetime.now(UTC),
    }  # fmt: skip
    crumbs = (("Processes", ask.url("processes")), (name, ""))
    return Page("processes", name, "process.html", shown, {"data": found, "next": further}, crumbs)


def _standing(text: str) -> Standing | None:
    return text or None  # type: ignore[return-value] # one of STANDINGS


async def show_instance(ask: Ask) -> Page:
    """One instance: whole, if the application has its process; else where it stands, and its journal."""
    name, id = ask.path["process"], ask.path["id"]
    ask.access.check("read", [f"{JOURNALS}{name}"])
    crumbs = (("Processes", ask.url("processes")), (name, ask.url("processes", name)), (id, ""))
    view = await view_of(ask, name, id)
    if view is None:
        raise Declined(
            404,
            "no-such-process",
            f"the application has no process {name!r}: name the one that has, or read the journal {JOURNALS}{name}-{id}.",
        )
    form = instance_form(view)
    shown = {"view": view, "state": form["state"], "now": datetime.now(UTC), "journal": f"{JOURNALS}{name}-{id}"}
    return Page("processes", f"{name} {id}", "instance.html", shown, {"data": form}, crumbs)


async def view_of(ask: Ask, name: str, id: str) -> InstanceView | None:
    """An instance of a process of the application, None if it has no such process."""
    process = ask.studio.app.processes.get(name)
    return None if process is None else await ask.store.process(process).show(id)


ROUTES: Final = (
    Route("GET", "/processes", list_processes), Route("GET", "/processes/{process}", list_instances),
    Route("GET", "/processes/{process}/{id}", show_instance),
)  # fmt: skip
