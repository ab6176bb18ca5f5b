"""Read models and their dead letters: how they are, and what an operator does to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct
from starlette.responses import Response

from refold.aio import AsyncStore
from refold.aio_read_model import AsyncReadModel
from refold.errors import Unsupported
from refold.flows.processes.consuming import CONSUMER
from refold.flows.projections.dead_letters import DeadLetter
from refold.flows.projections.status import ProjectionStatus
from refold.forms import build_form
from refold.http.asking import Ask, answer
from refold.http.bodies import JSON
from refold.http.problems import Declined
from refold.http.routes import NAME, Route, Told
from refold.http.shapes import MOST, Limit, Place, Reason
from refold.projection import Projection


class PartitionOut(Struct, frozen=True):
    """A part of the keys of a build, and who works on it."""

    slots: list[int]
    position: int
    state: str
    reason: str
    owner: str | None
    leased_until: datetime | None
    rate: float
    applied: int
    last_step: datetime | None


class BuildOut(Struct, frozen=True):
    """A build of a read model: how far it is, how far behind, and why it stands still if it does."""

    name: str
    version: int
    build: int
    role: str
    state: str
    reason: str
    is_stuck: bool
    position: int
    head: int
    lag: int
    oldest_waiting: datetime | None
    waiting_seconds: float | None
    rate: float
    applied: int
    last_step: datetime | None
    dead_letters: int
    parked_keys: int
    partitions: list[PartitionOut]


class BuildsOut(Struct, frozen=True):
    """Every build of every read model, or of one."""

    schema: int
    data: list[BuildOut]


class ReasonIn(Struct, frozen=True, forbid_unknown_fields=True):
    """Why: it is kept in the audit, and told to whoever waits."""

    reason: Reason


class RebuildIn(Struct, frozen=True, forbid_unknown_fields=True):
    """Why, and in how many parts side by side."""

    reason: Reason
    parts: Annotated[int, Meta(ge=1, le=64)] = 1


class BegunOut(Struct, frozen=True):
    """The number of the build that was begun, or had been: runners go on with it, and switch to it."""

    build: int


class RetryIn(Struct, frozen=True, forbid_unknown_fields=True):
    """Why, and which: those of a key, those up to a position, or all."""

    reason: Reason
    key: Annotated[str, Meta(max_length=200)] | None = None
    until: Place | None = None


class AppliedOut(Struct, frozen=True):
    """How many events were applied."""

    applied: int


class LettersQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which of them; `after` is a position, and exclusive."""

    after: Place = 0
    limit: Limit | None = None
    state: Literal["failed", "waiting", "skipped"] | None = None


class LettersOut(Struct, frozen=True):
    """A page of dead letters by position; `next` is the position after which to go on."""

    schema: int
    data: list[DeadLetter]
    next: int | None


async def builds_in(store: AsyncStore) -> Sequence[ProjectionStatus]:
    """Every build in a store, those of processes among them; a backend without SQL has none."""
    try:
        return await store.projections()
    except Unsupported:
        return ()


async def list_projections(ask: Ask) -> Response:
    """Every build of every read model; processes are listed by themselves."""
    ask.access.check("read", [None])
    found = [build_form(each) for each in await builds_in(ask.store) if not each.name.startswith(CONSUMER)]
    return answer({"schema": 1, "data": found})


async def show_projection(ask: Ask) -> Response:
    """The builds of one read model."""
    ask.access.check("read", [None])
    return answer({"schema": 1, "data": await _builds(ask, ask.path["name"])})


async def _builds(ask: Ask, name: str) -> Sequence[dict[str, Any]]:
    found = [build_form(each) for each in await builds_in(ask.store) if each.name == name]
    if not found or name.startswith(CONSUMER):
        raise Declined(404, "no-such-projection", f"no projection {name!r} was begun in this store.")
    return found


async def pause(ask: Ask) -> Response:
    """Let nobody work on a read model."""
    name, given = ask.path["name"], await ask.body(ReasonIn)
    await _builds(ask, name)
    await ask.audit("projections.pause", name, given.reason)
    await _named(ask, name).pause(given.reason)
    return answer({"schema": 1, "data": await _builds(ask, name)})


async def resume(ask: Ask) -> Response:
    """Let work go on."""
    name, given = ask.path["name"], await ask.body(ReasonIn)
    await _builds(ask, name)
    await ask.audit("projections.resume", name, given.reason)
    await _named(ask, name).resume()
    return answer({"schema": 1, "data": await _builds(ask, name)})


async def rebuild(ask: Ask) -> Response:
    """Begin to build a read model anew, beside the one that people read."""
    name, given = ask.path["name"], await ask.body(RebuildIn)
    model = _own(ask, name)
    await ask.audit("projections.rebuild", name, given.reason)
    return answer(BegunOut(await model.begin_rebuild(parts=given.parts)), 202)


async def list_letters(ask: Ask) -> Response:
    """The events that a read model could not take in."""
    ask.access.check("read", [None])
    name, asked = ask.path["name"], ask.query(LettersQuery)
    await _builds(ask, name)
    limit = min(asked.limit or ask.api.quotas.page, ask.api.quotas.page)
    found = [
        letter
        for letter in await _named(ask, name).dead_letters()
        if letter.position > asked.after and asked.state in {None, letter.state}
    ]
    further = int(found[limit - 1].position) if len(found) > limit else None
    return answer({"schema": 1, "data": found[:limit], "next": further})


async def retry(ask: Ask) -> Response:
    """Apply parked events again."""
    name, given = ask.path["name"], await ask.body(RetryIn)
    model = _own(ask, name)
    await ask.audit("dead-letters.retry", name, given.reason)
    return answer(AppliedOut(await model.retry(given.key, until=given.until)))


async def skip(ask: Ask) -> Response:
    """Give a parked event up, for ever."""
    name, given, position = ask.path["name"], await ask.body(ReasonIn), ask.path["position"]
    model = _own(ask, name)
    if not (position.isascii() and position.isdecimal() and int(position[:20]) <= MOST):
        raise Declined(400, "bad-parameter", f"{position!r} is no position.")
    await ask.audit("dead-letters.skip", f"{name} #{position}", given.reason)
    return answer(AppliedOut(await model.skip(int(position))))


def _named(ask: Ask, name: str) -> AsyncReadModel:
    """For what takes no handlers."""
    return ask.store.model(Projection(name))


def _own(ask: Ask, name: str) -> AsyncReadModel:
    """With the handlers of the application."""
    found = ask.api.classes.app.projections
    if name not in found:
        raise Declined(
            404, "no-such-projection", f"the application has no projection {name!r}: {', '.join(found) or 'none'}."
        )
    return ask.store.model(found[name])


_NAME: Final[dict[str, Any]] = {"name": {**NAME, "description": "The name of the projection."}}
_POSITION: Final[dict[str, Any]] = {**_NAME, "position": {"type": "integer", "minimum": 1, "maximum": MOST}}
_BUILDS: Final = Told("The builds.", {JSON: BuildsOut})
_APPLIED: Final = Told("What came of it.", {JSON: AppliedOut})
_STEERED: Final = (400, 404, 409, 413, 415, 422)

ROUTES: Final = (
    Route("GET", "/projections", list_projections, "read", "List read models", {200: _BUILDS}, group="projections"),
    Route("GET", "/projections/{name}", show_projection, "read", "The builds of one read model", {200: _BUILDS},
          (404,), variables=_NAME, group="projections"),
    Route("POST", "/projections/{name}/pause", pause, "admin", "Let nobody work on a read model", {200: _BUILDS},
          _STEERED, bodies={JSON: ReasonIn}, variables=_NAME, group="projections"),
    Route("POST", "/projections/{name}/resume", resume, "admin", "Let work on a read model go on", {200: _BUILDS},
          _STEERED, bodies={JSON: ReasonIn}, variables=_NAME, group="projections"),
    Route("POST", "/projections/{name}/rebuild", rebuild, "admin", "Begin to build a read model anew",
          {202: Told("It is begun: runners go on with it.", {JSON: BegunOut})},
          _STEERED, bodies={JSON: RebuildIn}, variables=_NAME, group="projections"),
    Route("GET", "/projections/{name}/dead-letters", list_letters, "read", "The events that it could not take in",
          {200: Told("A page.", {JSON: LettersOut})}, (400, 404), query=LettersQuery, variables=_NAME, group="dead letters"),
    Route("POST", "/projections/{name}/dead-letters/retry", retry, "admin", "Apply parked events again", {200: _APPLIED},
          _STEERED, bodies={JSON: RetryIn}, variables=_NAME, group="dead letters"),
    Route("POST", "/projections/{name}/dead-letters/{position}/skip", skip, "admin", "Give a parked event up, for ever",
          {200: _APPLIED}, _STEERED, bodies={JSON: ReasonIn}, variables=_POSITION, group="dead letters"),
)  # fmt: skip
