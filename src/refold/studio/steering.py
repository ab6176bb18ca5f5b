"""Steering: what an operator does to read models, dead letters and processes, each confirmed, with a reason, and audited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from starlette.responses import RedirectResponse, Response

from refold.aio_instances import AsyncInstances
from refold.aio_read_model import AsyncReadModel
from refold.forms import encode
from refold.http.problems import Declined
from refold.projection import Projection
from refold.studio.asking import JSON, Ask, confirmed
from refold.studio.pages import Page
from refold.studio.routing import Route

Done: TypeAlias = "Callable[[Ask, str], Awaitable[object]]"


@dataclass(frozen=True, slots=True)
class Act:
    """Something that can be done. `path`: where; `told`: what it does, where `{name}` stands for a variable of the path."""

    path: str
    name: str
    section: str
    title: str
    told: str
    audit: str
    done: Done
    back: Callable[[Ask], str]
    is_grave: bool = False

    def subject(self, ask: Ask) -> str:
        """What it is done to, as the audit has it."""
        narrowed = [f"{key}={ask.param(key)}" for key in ("key", "until", "error", "type") if ask.param(key)]
        return " ".join([*ask.path.values(), *narrowed])[:500]

    def routes(self) -> Sequence[Route]:
        """The page that asks, and what does it."""

        async def asked(ask: Ask) -> Page:
            return self._page(ask, "")

        async def done(ask: Ask) -> Page | Response:
            return await self._confirmed(ask)

        return (
            Route("GET", self.path, asked, "admin", writes=True),
            Route("POST", self.path, done, "admin", writes=True),
        )

    def _page(self, ask: Ask, problem: str, status: int = 200) -> Page:
        told = self.told.format_map(ask.path)
        shown = {"act": self, "told": told, "problem": problem, "back": self.back(ask), "subject": self.subject(ask)}
        data = {"act": self.name, "told": told, "problem": problem}
        return Page(self.section, self.title, "confirm.html", shown, data, status=status)

    async def _confirmed(self, ask: Ask) -> Page | Response:
        given = await ask.given()
        try:
            reason = confirmed(given)
        except Declined as error:
            if ask.wants_json:
                raise
            return self._page(ask, error.detail, error.status)
        await ask.audit(self.audit, self.subject(ask), reason)
        outcome = await self.done(ask, reason)
        if ask.wants_json:
            return Response(encode({"schema": 1, "done": self.name, "outcome": outcome}), media_type=JSON)
        return RedirectResponse(self.back(ask), 303)


# Read models ------------------------------------------------------------------


async def _pause(ask: Ask, reason: str) -> None:
    await ask.store.model(Projection(ask.path["name"])).pause(reason)


async def _resume(ask: Ask, _: str) -> None:
    await ask.store.model(Projection(ask.path["name"])).resume()


async def _rebuild(ask: Ask, _: str) -> object:
    return {"build": await _own(ask).begin_rebuild()}


async def _retry(ask: Ask, _: str) -> object:
    """All, those of a key, those up to a position, or those of a group: of each of its keys."""
    model, until = _own(ask), ask.number("until")
    if not ask.param("error"):
        return {"applied": await model.retry(ask.param("key") or None, until=until)}
    letters = await model.dead_letters()
    failed = [
        letter
        for letter in letters
        if letter.state == "failed" and letter.error.partition(":")[0] == ask.param("error")
    ]
    meant = [letter for letter in failed if await _is_of_type(ask, int(letter.position))]
    keys = dict.fromkeys(letter.key for letter in meant)
    return {"applied": sum([await model.retry(key, until=until) for key in keys])}


async def _is_of_type(ask: Ask, position: int) -> bool:
    if not (wanted := ask.param("type")):
        return True
    return any([event.type == wanted async for event in ask.stored.read(after=position - 1, limit=1, journals=True)])


async def _skip(ask: Ask, _: str) -> object:
    position = ask.path["position"]
    if not (position.isascii() and position.isdecimal() and len(position) <= 18):  # noqa: PLR2004 - below 2**62
        raise Declined(400, "bad-parameter", f"{position[:40]!r} is no position.")
    return {"applied": await _own(ask).skip(int(position))}


def _own(ask: Ask) -> AsyncReadModel:
    """With the handlers of the application."""
    found, name = ask.studio.app.projections, ask.path["name"]
    if name not in found:
        known = ", ".join(found) or "none"
        raise Declined(404, "no-such-projection", f"the application has no projection {name!r}: {known}.")
    return ask.store.model(found[name])


# Processes --------------------------------------------------------------------


async def _cancel_instance(ask: Ask, reason: str) -> object:
    return await _instances(ask).cancel(ask.path["id"], reason)


async def _retry_instance(ask: Ask, reason: str) -> object:
    return await _instances(ask).retry(ask.path["id"], reason)


async def _skip_instance(ask: Ask, reason: str) -> object:
    return await _instances(ask).skip(ask.path["id"], reason)


def _instances(ask: Ask) -> AsyncInstances:
    found, name = ask.studio.app.processes, ask.path["process"]
    if name not in found:
        raise Declined(
            404, "no-such-process", f"the application has no process {name!r}: {', '.join(found) or 'none'}."
        )
    return ask.store.process(found[name])


def _to(*path: str) -> Callable[[Ask], str]:
    """Back to a page, of which `{name}` is a variable of the path."""
    return lambda ask: ask.url(*(ask.path[part[1:-1]] if part.startswith("{") else part for part in path))


_MODELS, _LETTERS, _INSTANCE = _to("projections"), _to("dead-letters"), _to("processes", "{process}", "{id}")
ACTS: Final = (
    Act("/projections/{name}/pause", "Pause", "projections", "Pause a projection",
        "Nobody works on {name} until it is resumed. It stays as it is, and falls behind.",
        "projections.pause", _pause, _MODELS),
    Act("/projections/{name}/resume", "Resume", "projections", "Resume a projection",
        "Work on {name} goes on where it stood.", "projections.resume", _resume, _MODELS),
    Act("/projections/{name}/rebuild", "Rebuild", "projections", "Rebuild a projection",
        "{name} is built anew from the first event, beside the one that people read. Runners do it, and switch to it.",
        "projections.rebuild", _rebuild, _MODELS),
    Act("/dead-letters/{name}/retry", "Retry", "letters", "Retry dead letters",
        "Parked events of {name} are applied again, in order. What fails again stays parked.",
        "dead-letters.retry", _retry, _LETTERS),
    Act("/dead-letters/{name}/skip/{position}", "Skip", "letters", "Skip a dead letter",
        "The event at position {position} is given up for ever: {name} goes on as if it had not been.",
        "dead-letters.skip", _skip, _LETTERS, is_grave=True),
    Act("/processes/{process}/{id}/cancel", "Cancel", "processes", "Cancel an instance",
        "{process} {id} is asked to end. What it has sent already is still delivered.",
        "processes.cancel", _cancel_instance, _INSTANCE, is_grave=True),
    Act("/processes/{process}/{id}/retry", "Retry", "processes", "Retry an instance",
        "The parked inputs of {process} {id} are taken in again, and its parked messages are tried again.",
        "processes.retry", _retry_instance, _INSTANCE),
    Act("/processes/{process}/{id}/skip", "Skip", "processes", "Skip what an instance failed for",
        "The input that {process} {id} failed for, and its parked messages, are given up for ever.",
        "processes.skip", _skip_instance, _INSTANCE, is_grave=True),
)  # fmt: skip
ROUTES: Final = tuple(route for act in ACTS for route in act.routes())
