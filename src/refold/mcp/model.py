"""The model: what the application is made of, as its code says, what the store holds of it, and what rules find in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct, to_builtins

from refold.app import App
from refold.architect import Model, derive, review
from refold.http.problems import Declined
from refold.http.shapes import Name, Place
from refold.mcp.desk import Desk
from refold.mcp.events import Limit
from refold.mcp.tools import Tool
from refold.schema.shapes import schema_of

_PARTS: Final = ("events", "commands", "folds", "projections", "processes", "effects")


class Describe(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All, by their names; or, with a `name`, whatever has it, whole: an event, a command, a category, a process."""

    name: Name | None = None


class Review(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All findings, a page at a time; `after` is `next` of the page before."""

    after: Place = 0
    limit: Limit | None = None


async def describe(desk: Desk, asked: Describe) -> object:
    """The names of all, and how much is stored; or all about one name."""
    model = derive(desk.app or App())
    if asked.name is not None:
        return _one(desk, model, asked.name)
    names = {part: [_name(each) for each in getattr(model, part)] for part in _PARTS}
    return {"app": names, "store": await desk.told("stats")}


def _name(part: Any) -> str:  # noqa: ANN401 - whatever a model is made of
    name: str = getattr(part, "name", "") or part.category
    return name


def _one(desk: Desk, model: Model, name: str) -> object:
    found = {part: to_builtins([each for each in getattr(model, part) if _name(each) == name]) for part in _PARTS}
    if not any(found.values()):
        known = ", ".join(_known(model)) or "none, since there is no application"
        raise Declined(404, "no-such-name", f"nothing in the application is named {name!r}: there are {known}.")
    edges = [each for each in model.edges if name in {each.source.name, each.target.name, each.via}]
    return {**{part: each for part, each in found.items() if each}, "edges": edges, "schemas": _schemas(desk, name)}


def _known(model: Model) -> Iterable[str]:
    return dict.fromkeys(_name(each) for part in _PARTS for each in getattr(model, part))


def _schemas(desk: Desk, name: str) -> dict[str, Any]:
    """The JSON Schema of the event and of the command of this name."""
    events = {"event": schema_of(desk.classes.events[name])} if name in desk.classes.events else {}
    return {**events, **({"command": desk.classes.schemas[name]} if name in desk.classes.schemas else {})}


async def findings(desk: Desk, asked: Review) -> object:
    """A page of what the rules find in the code, which is read and not run."""
    found, limit = review(desk.app or App()), min(asked.limit or desk.most.page, desk.most.page)
    page = found[asked.after : asked.after + limit]
    further = asked.after + limit if asked.after + limit < len(found) else None
    return {"data": page, "next": further}


TOOLS: Final = (
    Tool(
        "describe_model", "Begin here: the events, commands, folds, projections and processes of the application by name, and "
        "how much the store holds. With a name: its fields, schema, and what leads to it and from it.", Describe, describe,
    ),
    Tool(
        "review", "What the rules of event sourcing find in the application's code: each with its place and the way out. "
        "A finding of the tier `fact` is wrong; a `heuristic` is worth a look.", Review, findings,
    ),
)  # fmt: skip
