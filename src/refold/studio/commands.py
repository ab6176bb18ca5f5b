"""Commands: a form for each, to try out what its decider would decide, and, where that is allowed, to let it decide."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct
from starlette.responses import RedirectResponse, Response

from refold.codec import as_json
from refold.fold import Decider
from refold.http.problems import Declined
from refold.messages import spec_of
from refold.patching import comparable, difference
from refold.refusals import DeciderRefused, telling_refusals
from refold.schema.shapes import Schema
from refold.studio.asking import Ask, confirmed
from refold.studio.pages import Page
from refold.studio.routing import Route
from refold.studio.statelines import marked

Kind = Literal["text", "number", "flag", "choice", "json"]


class Field(Struct, frozen=True):
    """A field of a form: what goes into it, and what stands in it."""

    name: str
    kind: Kind
    required: bool
    choices: Sequence[str] = ()
    default: str = ""


class Decision(Struct, frozen=True):
    """What a command leads to: events, and the states before and after them."""

    stream: str
    version: int
    events: Sequence[Mapping[str, Any]]
    before: Any
    after: Any


async def list_commands(ask: Ask) -> Page:
    """Every command of the application, and who takes it."""
    known = ask.studio.classes.commands
    found = [(name, list(ask.studio.classes.deciders_of(cls))) for name, cls in sorted(known.items())]
    data = {"data": [{"command": name, "categories": takers} for name, takers in found]}
    return Page("commands", "Commands", "commands.html", {"commands": found}, data)


async def show_form(ask: Ask) -> Page:
    """The form of a command."""
    return _page(ask, _schema(ask), {"id": ask.param("id")}, None, "")


async def decide(ask: Ask) -> Page | Response:
    """Try it out, or let it be decided and appended."""
    given, schema = await ask.given(), _schema(ask)
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
    try:
        command = ask.studio.classes.command(ask.path["name"], data_in(given, fields_of(schema)))
        decider = _decider(ask, type(command), str(given.get("category") or ""))
        if given.get("do") == "append":
            return await _append(ask, decider, command, given)
        return _page(ask, schema, texts, await _tried(ask, decider, str(given.get("id") or ""), command), "")
    except DeciderRefused as refusal:
        problem = f"{type(refusal.error).__name__}: {refusal.error}"
        if ask.wants_json:
            raise Declined(422, "command-refused", problem, error=type(refusal.error).__name__) from refusal
        return _page(ask, schema, texts, None, problem, 422)
    except Declined as error:
        if ask.wants_json or error.status == 403:  # noqa: PLR2004
            raise
        return _page(ask, schema, texts, None, error.detail, error.status)


async def _tried(ask: Ask, decider: Decider[Any, Any, Any], id: str, command: object) -> Decision:
    stream = decider.stream(id)
    loaded = await ask.store.bind(decider).load(id)
    events = tuple(decider.decide(command, loaded.state))
    told = [{"type": spec_of(event.__class__).name, "data": as_json(event)} for event in events]
    before = comparable(loaded.state)  # before it is folded further, should that change it in place
    return Decision(str(stream), loaded.version, told, before, comparable(decider(events, loaded.state)))


async def _append(ask: Ask, decider: Decider[Any, Any, Any], command: object, given: Mapping[str, object]) -> Response:
    if ask.studio.read_only:
        raise Declined(403, "read-only", "this Studio is for reading only: a command can be tried out.")
    ask.access.check("admin", [None])
    ask.access.check("append", [decider.category])
    reason, stream = confirmed(given), decider.stream(str(given.get("id") or ""))
    await ask.audit("commands.handle", f"{ask.path['name']} {stream}", reason)
    handled = await ask.store.bind(decider).handle(stream.id, command)
    return RedirectResponse(ask.url("streams", str(stream), at=handled.version), 303)


def _schema(ask: Ask) -> Schema:
    name = ask.path["name"]
    if name not in ask.studio.classes.commands:
        raise Declined(404, "no-such-command", f"the application has no command {name!r}.")
    return ask.studio.classes.schemas[name]


def _decider(ask: Ask, command: type[Any], category: str) -> Decider[Any, Any, Any]:
    takers = ask.studio.classes.deciders_of(command)
    if category and category not in takers:
        raise Declined(422, "no-such-decider", f"no decider of category {category!r} takes this.")
    return telling_refusals(takers[category or next(iter(takers))])


def _page(
    ask: Ask, schema: Schema, given: Mapping[str, str], decision: Decision | None, problem: str, status: int = 200
) -> Page:
    name = ask.path["name"]
    takers = list(ask.studio.classes.deciders_of(ask.studio.classes.commands[name]))
    lines = None if decision is None else marked(decision.before, decision.after)
    shown = {
        "name": name, "fields": fields_of(schema), "takers": takers, "given": given, "decision": decision, "problem": problem,
        "lines": lines,
    }  # fmt: skip
    data: dict[str, Any] = {"command": name, "json_schema": schema, "problem": problem}
    if decision is not None:
        data |= {"decision": decision, "diff": difference(decision.before, decision.after)}
    return Page(
        "commands", name, "command.html", shown, data, (("Commands", ask.url("commands")), (name, "")), status=status
    )


# Forms ------------------------------------------------------------------------


def fields_of(schema: Schema) -> Sequence[Field]:
    """The fields of a form for what a schema describes: one for each key at its top."""
    top = _resolved(schema, schema)
    required = set(top.get("required", ()))
    return [_field(key, _resolved(each, schema), key in required) for key, each in top.get("properties", {}).items()]


def _resolved(part: Schema, schema: Schema) -> Schema:
    if "$ref" not in part:
        return part
    name = str(part["$ref"]).rpartition("/")[2]
    return {**schema.get("$defs", {}).get(name, {}), **{key: value for key, value in part.items() if key != "$ref"}}


def _field(name: str, schema: Schema, required: bool) -> Field:  # noqa: FBT001 - a fact, no option
    default = schema.get("default")
    shown = "" if default is None else default if isinstance(default, str) else json.dumps(default)
    match schema:
        case {"enum": choices} if all(isinstance(each, str) for each in choices):
            return Field(name, "choice", required, choices, shown)
        case {"type": "string"}:
            return Field(name, "text", required, default=shown)
        case {"type": "integer" | "number"}:
            return Field(name, "number", required, default=shown)
        case {"type": "boolean"}:
            return Field(name, "flag", required, default=shown)
        case _:
            return Field(name, "json", required, default=shown)


def data_in(given: Mapping[str, object], fields: Sequence[Field]) -> Mapping[str, object]:
    """The data of a command, from the fields of a form (`field.NAME`), or from `data` of a JSON object.

    Raises:
        Declined: 422, a field cannot be read.
    """
    if isinstance(given.get("data"), dict):
        return {str(key): value for key, value in given["data"].items()}  # type: ignore[attr-defined] # a dict
    found: dict[str, object] = {}
    for field in fields:
        text = given.get(f"field.{field.name}")
        if field.kind == "flag" and "id" in given:
            found[field.name] = text == "yes"
        elif isinstance(text, str) and (text or (field.required and field.kind in {"text", "choice"})):
            found[field.name] = text if field.kind in {"text", "choice"} else _json(field.name, text)
    return found


def _json(name: str, text: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Declined(422, "bad-field", f"{name}: {text[:60]!r} is not JSON: {error}.") from error
    return value


ROUTES: Final = (
    Route("GET", "/commands", list_commands), Route("GET", "/commands/{name}", show_form),
    Route("POST", "/commands/{name}", decide),
)  # fmt: skip
