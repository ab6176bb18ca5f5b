"""Events: the newest first, filtered by what the URL says; and one event by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from starlette.responses import Response

from refold.eventlogs.recorded import record_of
from refold.http.problems import Declined
from refold.messages import Recorded
from refold.studio.asking import Ask
from refold.studio.counting import Counts
from refold.studio.filters import as_params, filters_of, find
from refold.studio.pages import Page
from refold.studio.routing import Route
from refold.studio.rows import records_of, rows_of

CHIPS: Final = 4
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


async def list_events(ask: Ask) -> Page:
    """A page of events, beside one of them."""
    asked, head = filters_of(ask), int(await ask.store.head())  # first the bound, then what is there
    before, after = ask.number("before"), ask.number("after")
    found = await find(ask.stored, asked, before, after)
    counts = await ask.studio.tally.counts()
    is_newest = found.newer is None and asked.until is None
    selected = await _selected(ask, found.events)
    shown = {
        "rows": rows_of(found.events), "found": found, "asked": asked, "params": as_params(asked), "counts": counts,
        "categories": [] if counts is None else _categories(counts.stats.categories, asked.category),
        "types": [] if counts is None else sorted(name for name in counts.stats.types if not name.startswith("$")),
        "all": None if counts is None else _all(counts), "head": head, "event": selected,
        "live": ask.url("events", "live", after=head, **as_params(asked)) if is_newest else "",
    }  # fmt: skip
    data = {
        "data": records_of(found.events),
        "older": found.older,
        "newer": found.newer,
        "paused": found.paused,
        "head": head,
    }
    return Page("events", "Events", "events.html", shown, data)


def _categories(counts: Mapping[str, int], chosen: str) -> Sequence[tuple[str, int]]:
    """Those with the most events, and the one that is chosen."""
    known = sorted(
        ((name, count) for name, count in counts.items() if not name.startswith("$")), key=lambda each: -each[1]
    )
    first = known[:CHIPS]
    return [*first, *(each for each in known[CHIPS:] if each[0] == chosen)]


def _all(counts: Counts) -> int:
    """How many events there are that are not Refold's own; of a large store, all."""
    if counts.newest is not None:
        return counts.stats.events
    return sum(events for name, events in counts.stats.categories.items() if not name.startswith("$"))


async def _selected(ask: Ask, events: Sequence[Recorded[Any]]) -> Recorded[Any] | None:
    wanted = ask.number("selected")
    if wanted is None:
        return events[0] if events else None
    on_page = [event for event in events if event.position == wanted]
    return on_page[0] if on_page else await event_at(ask, str(wanted))


async def show_event(ask: Ask) -> Page | Response:
    """One event, by its position or its id."""
    event = await event_at(ask, ask.path["event"])
    if event is None:
        raise Declined(404, "no-such-event", "there is no such event: name one by its position or by its id.")
    shown = {"event": event, "record": record_of(event)}
    title = f"#{event.position}"
    part = "panel.html" if ask.param("part") == "panel" else ""
    crumbs = (("Events", ask.url("events")), (title, ""))
    return Page("events", title, "event.html", shown, {"data": record_of(event)}, crumbs, part=part)


async def event_at(ask: Ask, text: str) -> Recorded[Any] | None:
    """The event at a position or with an id, which the caller may read."""
    found: Sequence[Recorded[Any]] = ()
    if text.isascii() and _NUMBER.fullmatch(text) and int(text):
        found = [event async for event in ask.stored.read(after=int(text) - 1, limit=1, journals=True)]
        found = [event for event in found if event.position == int(text)]
    elif _UUID.fullmatch(text):
        found = await ask.stored.find(UUID(text))
    if not found:
        return None
    ask.access.check("read", [found[0].stream.category])
    return found[0]


ROUTES: Final = (Route("GET", "/events", list_events), Route("GET", "/events/{event}", show_event))
