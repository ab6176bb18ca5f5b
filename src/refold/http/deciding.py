"""Commands of an application: decided upon, or tried out, with every refusal told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType
from starlette.responses import Response

from refold.codec import as_json
from refold.errors import InvalidName, KeyReused, UsageError
from refold.fold import Decider
from refold.http.appending import KEY, reused
from refold.http.asking import Ask, answer
from refold.http.bodies import JSON, check_kind, json_of
from refold.http.problems import Declined
from refold.http.routes import NAME, Route, Told
from refold.http.shapes import Name
from refold.messages import StreamName, spec_of
from refold.patching import presentable
from refold.refusals import DeciderRefused, telling_refusals


class CommandQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`id`: of the thing that it is for; `category`: where several deciders take it; `dry_run`: decide, append nothing."""

    id: Name
    category: Name | None = None
    dry_run: bool = False


class EventOut(Struct, frozen=True):
    """An event that a decision yielded."""

    type: str
    data: Any


class DecidedOut(Struct, frozen=True):
    """What came of a command: the events, the state after them, and the stream's version and position then.

    `appended`: they stand in the store, now or, if `repeated`, since the first time that it was asked for. Who may not read the
    category is told no state, and no events of the first time; nobody is told a state that has no form in JSON.
    """

    stream: str
    version: int
    position: int
    events: list[EventOut]
    appended: bool
    state: Any | UnsetType = UNSET
    repeated: bool = False


async def decide(ask: Ask) -> Response:
    """Let a decider decide upon a command."""
    asked = ask.query(CommandQuery)
    check_kind(ask.request)
    command = ask.api.classes.command(ask.path["name"], json_of(await ask.raw()))
    decider = _decider(ask, type(command), asked.category)
    ask.access.check("append", [decider.category])
    stream = _stream(decider, asked.id)
    if asked.dry_run:
        ask.access.check("read", [decider.category])
    try:
        told = await (
            _tried(ask, decider, asked.id, command) if asked.dry_run else _done(ask, decider, asked.id, command)
        )
    except KeyReused as error:
        raise reused("command") from error
    except DeciderRefused as refusal:
        raise Declined(
            422,
            "command-refused",
            str(refusal.error) or "the decider refuses it.",
            error=type(refusal.error).__name__,
        ) from refusal
    headers = {"ETag": f'"{told.version}"'} if told.appended and not told.repeated else {}
    return answer(told, 201 if told.appended and told.events and not told.repeated else 200, {**headers, **_at(stream)})


def _at(stream: StreamName) -> dict[str, str]:
    from urllib.parse import quote  # noqa: PLC0415

    return {"Content-Location": f"/streams/{quote(str(stream), safe='')}/state"}


def _decider(ask: Ask, command: type[Any], category: str | None) -> Decider[Any, Any, Any]:
    takers = ask.api.classes.deciders_of(command)
    if category is not None and category not in takers:
        raise Declined(404, "no-such-decider", f"no decider of category {category!r} takes this: {_named(takers)} do.")
    if category is None and len(takers) > 1:
        raise Declined(400, "bad-parameter", f"{_named(takers)} take this: name the category that is meant.")
    return telling_refusals(takers[category or next(iter(takers))])


def _named(takers: Any) -> str:  # noqa: ANN401
    return ", ".join(takers)


def _stream(decider: Decider[Any, Any, Any], id: str) -> StreamName:
    try:
        return decider.stream(id)
    except InvalidName as error:
        raise Declined(400, "bad-parameter", f"id {id!r} cannot be: {error}") from error


async def _done(ask: Ask, decider: Decider[Any, Any, Any], id: str, command: object) -> DecidedOut:
    handled = await ask.store.bind(decider).handle(id, command, idempotency_key=ask.idempotency_key)
    reads = ask.access.may("read", decider.category)
    return DecidedOut(
        str(decider.stream(id)), handled.version, int(handled.position),
        _events(handled.events if reads or not handled.repeated else ()),
        appended=True, state=_shown(handled.state) if reads else UNSET, repeated=handled.repeated,
    )  # fmt: skip


async def _tried(ask: Ask, decider: Decider[Any, Any, Any], id: str, command: object) -> DecidedOut:
    loaded = await ask.store.bind(decider).load(id)
    events = tuple(decider.decide(command, loaded.state))
    after = decider(events, loaded.state)
    return DecidedOut(
        str(decider.stream(id)), loaded.version, int(loaded.position), _events(events), appended=False,
        state=_shown(after),
    )  # fmt: skip


def _shown(state: object) -> Any:  # noqa: ANN401 - JSON of any shape
    """A state that is shown if it can be: the command is done, and nothing is wrong with that."""
    try:
        return presentable(state)
    except UsageError:
        return UNSET


def _events(events: Iterable[object]) -> list[EventOut]:
    return [EventOut(spec_of(event.__class__).name, as_json(event)) for event in events]


ROUTES: Final = (
    Route("POST", "/commands/{name}", decide, "append", "Let a decider of the application decide upon a command", {
        201: Told("Its events were appended.", {JSON: DecidedOut}, {"ETag": "The version of the stream."}),
        200: Told("Nothing was appended: none followed, it was a dry run, or it was decided before.", {JSON: DecidedOut}),
    }, (400, 404, 409, 410, 413, 415, 422), query=CommandQuery, headers=(KEY,), bodies={JSON: {"type": "object"}},
    variables={"name": {**NAME, "description": "The wire name of the command."}}, group="commands"),
)  # fmt: skip
