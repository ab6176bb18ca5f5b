"""Projections: how far each read model is, how far behind, and why it stands still if it does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from msgspec import Struct

from refold.flows.processes.consuming import CONSUMER
from refold.flows.projections.status import ProjectionStatus
from refold.forms import build_form
from refold.http.models import builds_in
from refold.http.problems import Declined
from refold.studio.asking import Ask
from refold.studio.pages import Page
from refold.studio.routing import Route

Health = Literal["live", "catching up", "building", "paused", "failed", "stuck", "retired"]


class Model(Struct, frozen=True):
    """A build as its row shows it; `done` is in thousandths of the store."""

    status: ProjectionStatus
    name: str
    health: Health
    done: int
    behind: timedelta | None


def models_of(builds: Sequence[ProjectionStatus]) -> Sequence[Model]:
    """The rows of builds."""
    now = datetime.now(UTC)
    return [_model(each, now) for each in builds]


def _model(status: ProjectionStatus, now: datetime) -> Model:
    done = 1_000 if not status.head else min(1_000, 1_000 * status.position // status.head)
    waiting = None if status.oldest_waiting is None else max(timedelta(), now - status.oldest_waiting)
    return Model(status, status.name.removeprefix(CONSUMER), health_of(status), done, waiting)


def health_of(status: ProjectionStatus) -> Health:
    """How a build is, in a word."""
    if status.role == "retired":
        return "retired"
    if status.state == "paused":
        return "paused"
    if status.state != "running":
        return "failed"
    if status.is_stuck:
        return "stuck"
    if status.role == "building":
        return "building"
    return "catching up" if status.lag else "live"


async def list_projections(ask: Ask) -> Page:
    """Every build of every read model."""
    found = [each for each in await builds_in(ask.store) if not each.name.startswith(CONSUMER)]
    models = models_of(found)
    runners = await ask.store.runners() if found else ()
    lag = sum(each.lag for each in found if each.role == "active")
    shown = {"models": models, "known": ask.studio.app.projections, "runners": runners, "lag": lag}
    return Page("projections", "Projections", "projections.html", shown, {"data": [build_form(each) for each in found]})


async def show_projection(ask: Ask) -> Page:
    """The builds of one read model, part by part."""
    name = ask.path["name"]
    found = [each for each in await builds_in(ask.store) if each.name == name and not name.startswith(CONSUMER)]
    if not found:
        raise Declined(404, "no-such-projection", f"no projection {name!r} was begun in this store.")
    crumbs = (("Projections", ask.url("projections")), (name, ""))
    shown = {"models": models_of(found), "name": name, "known": ask.studio.app.projections}
    return Page("projections", name, "projection.html", shown, {"data": [build_form(each) for each in found]}, crumbs)


ROUTES: Final = (Route("GET", "/projections", list_projections), Route("GET", "/projections/{name}", show_projection))
