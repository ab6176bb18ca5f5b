"""Catalogue: the types of events, how they look, who reads them, and by which steps older ones are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from refold.http.problems import Declined
from refold.messages import OWN, RawEvent, spec_of
from refold.schema.present import Present, place_of, present
from refold.schema.shapes import Schema, schema_of
from refold.studio.asking import Ask
from refold.studio.counting import Counts
from refold.studio.pages import Page
from refold.studio.routing import Route


class Type(Struct, frozen=True):
    """A type of events. `version` is None where the application has no class for it; `events`: how many are stored, if known."""

    name: str
    version: int | None
    public: bool
    events: int | None
    folds: Sequence[str]
    projections: Sequence[str]
    processes: Sequence[str]
    upcasters: Sequence[str]


async def list_types(ask: Ask) -> Page:
    """Every type that is stored or that the application knows, and its commands."""
    counts = await ask.studio.tally.counts()
    found = types_of(ask, {} if counts is None else counts.stats.types, known=counts is not None)
    shown = {
        "types": found,
        "commands": sorted(ask.studio.classes.commands),
        "has_app": bool(ask.studio.app.event_types),
        "capped": _is_capped(counts),
    }
    return Page("catalogue", "Catalogue", "catalogue.html", shown, {"data": found})


async def show_type(ask: Ask) -> Page:
    """One type: its schema, and all that reads it."""
    name = ask.path["type"]
    counts = await ask.studio.tally.counts()
    every = types_of(ask, {} if counts is None else counts.stats.types, known=counts is not None)
    found = next((each for each in every if each.name == name), None)
    if found is None:
        raise Declined(404, "no-such-type", f"neither the store nor the application has events {name!r}.")
    cls = ask.studio.classes.events.get(name)
    schema: Schema | None = None if cls is None else schema_of(cls)
    crumbs = (("Catalogue", ask.url("catalogue")), (name, ""))
    return Page(
        "catalogue",
        name,
        "type.html",
        {"type": found, "schema": schema, "capped": _is_capped(counts)},
        {"data": found, "json_schema": schema},
        crumbs,
    )


def _is_capped(counts: Counts | None) -> bool:
    return counts is not None and counts.newest is not None


def types_of(ask: Ask, counts: Mapping[str, int], *, known: bool) -> Sequence[Type]:
    """The types, by name; those of Refold's own are not its business."""
    app, now = ask.studio.app, present(ask.studio.app)
    names = sorted({*(name for name in counts if not name.startswith(OWN)), *now.events})
    return [
        Type(
            name, now.versions.get(name), name in now.events and spec_of(now.events[name]).public,
            counts.get(name, 0) if known else None,
            _readers(app.folds.items(), now, name), _readers(app.projections.items(), now, name),
            _readers(app.processes.items(), now, name), _older(now, name),
        )
        for name in names
    ]  # fmt: skip


def _older(now: Present, name: str) -> Sequence[str]:
    """What leads to a type from what was stored before."""
    return [place_of(each) for each in now.upcasters if name in {into for into, _ in each.into}]


def _readers(parts: Iterable[tuple[str, Any]], now: Present, name: str) -> Sequence[str]:
    """The parts of an application that read a type."""
    cls = now.events.get(name)
    return [key for key, part in parts if cls in part.event_types or (cls is None and RawEvent in part.event_types)]


ROUTES: Final = (Route("GET", "/catalogue", list_types), Route("GET", "/catalogue/{type}", show_type))
