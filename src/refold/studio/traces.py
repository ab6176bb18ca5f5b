"""Traces: the newest stories, and one of them as swim lanes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from starlette.responses import Response

from refold.http.problems import Declined
from refold.messages import OWN, Recorded
from refold.stories import story_of
from refold.studio.asking import Ask
from refold.studio.lanes import CARD, picture, since
from refold.studio.pages import Page, render
from refold.studio.routing import Route
from refold.studio.rows import records_of, rows_of
from refold.studio.stored import some

MOST: Final = 500
"""Events of a story that are drawn."""
LOOKED: Final = 1_000
"""Newest events that are looked through for stories."""


class Recent(Struct):
    """A story among the newest: what of it was seen."""

    story: str
    first: str
    last: str
    events: int
    streams: set[str]
    began: datetime
    ended: datetime

    @property
    def lasted(self) -> timedelta:
        """Between the first and the last event that were seen."""
        return self.ended - self.began


async def list_traces(ask: Ask) -> Page:
    """The stories that the newest events belong to."""
    found: dict[str, Recent] = {}
    async for event in ask.stored.read(direction="backward", limit=LOOKED):
        name = event.metadata.correlation_id
        known = found.setdefault(
            name, Recent(name, event.type, event.type, 0, set(), event.recorded_at, event.recorded_at)
        )
        known.first, known.began, known.events = event.type, event.recorded_at, known.events + 1
        known.streams.add(str(event.stream))
    stories = sorted(found.values(), key=lambda each: each.ended, reverse=True)[:100]
    data = {
        "data": [
            {"story": each.story, "events": each.events, "first": each.first, "last": each.last} for each in stories
        ]
    }
    return Page("traces", "Traces", "traces.html", {"stories": stories, "looked": LOOKED}, data)


async def show_trace(ask: Ask) -> Page | Response:
    """One story, named by its correlation id, or by the id of an event of it."""
    name, events, cut = await _story(ask, ask.path["story"])
    story = story_of(events)
    shown: dict[str, Any] = {
        "story": story, "picture": picture(story), "name": name, "since": since, "card_width": CARD,
        "actual": ask.param("size") == "actual", "cut": cut, "most": len(events),
        "rows": rows_of(event for event in events if not str(event.stream).startswith(OWN)),
    }  # fmt: skip
    if ask.param("format") == "svg":
        return _exported(ask, shown)
    data = {"story": name, "data": records_of(events), "edges": story.edges, "cut": cut}
    crumbs = (("Traces", ask.url("traces")), (name, ""))
    return Page("traces", name, "trace.html", shown, data, crumbs)


async def _story(ask: Ask, name: str) -> tuple[str, Sequence[Recorded[Any]], bool]:
    """Its name, its first events, and whether there are more."""
    events, cut = await _read(ask, name)
    if not events and (found := await ask.stored.find(UUID(name)) if _is_uuid(name) else ()):
        name = found[0].metadata.correlation_id
        events, cut = await _read(ask, name)
    if not events:
        raise Declined(
            404, "no-such-story", f"there is no story {name[:80]!r}: give a correlation id, or the id of an event."
        )
    return name, events, cut


async def _read(ask: Ask, name: str) -> tuple[Sequence[Recorded[Any]], bool]:
    return await some(ask.stored.read(correlation_id=name, limit=MOST + 1), MOST)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _exported(ask: Ask, shown: dict[str, Any]) -> Response:
    """The picture as a file that stands for itself."""
    svg = render("lanes.svg", url=ask.url, hue=ask.studio.hues.of, alone=True, **shown)
    headers = {"Content-Disposition": 'attachment; filename="trace.svg"'}
    return Response(svg, headers=headers, media_type="image/svg+xml")


ROUTES: Final = (Route("GET", "/traces", list_traces), Route("GET", "/traces/{story}", show_trace))
