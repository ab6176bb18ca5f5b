"""Finding: what the palette offers for a few letters: streams, types, a position, a story."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final

from msgspec import Struct

from refold.messages import OWN
from refold.studio.asking import Ask
from refold.studio.events import event_at
from refold.studio.figures import counted
from refold.studio.pages import Page
from refold.studio.routing import Route

MOST: Final = 10
PAGES: Final = {
    "Overview": "", "Events": "events", "Time travel": "streams", "Traces": "traces", "Projections": "projections",
    "Processes": "processes", "Dead letters": "dead-letters", "Catalogue": "catalogue", "Commands": "commands",
    "Event model": "model", "Review": "review", "Statistics": "statistics", "Audit": "audit",
}  # fmt: skip
_POSITION: Final = re.compile(r"#?([0-9]{1,18})")


class Hit(Struct, frozen=True):
    """Something that can be gone to, and what is said beside it."""

    title: str
    url: str
    note: str


async def search(ask: Ask) -> Page:
    """What fits the letters."""
    text = ask.param("q").strip()
    hits = [hit async for hit in _hits(ask, text)] if text else []
    part = "hits.html" if ask.param("part") == "hits" else ""
    return Page(
        "search", "Search", "search.html", {"hits": hits[: 2 * MOST], "q": text}, {"data": hits[: 2 * MOST]}, part=part
    )


async def _hits(ask: Ask, text: str) -> AsyncIterator[Hit]:
    if found := _POSITION.fullmatch(text):
        event = await event_at(ask, found[1])
        if event is not None:
            yield Hit(f"#{event.position}", ask.url("events", str(event.position)), f"{event.type} in {event.stream}")
    elif len(text) == 36 and (event := await event_at(ask, text)) is not None:  # noqa: PLR2004 - a UUID
        yield Hit(f"#{event.position}", ask.url("events", str(event.position)), f"{event.type} in {event.stream}")
    for title, path in PAGES.items():
        if len(text) > 2 and text.casefold() in title.casefold():  # noqa: PLR2004 - of fewer, there are too many
            yield Hit(title, ask.url(path), "page")
    async for hit in _streams(ask, text):
        yield hit
    counts = await ask.studio.tally.counts()
    for kind, known in (("type", counts.stats.types), ("category", counts.stats.categories)) if counts else ():
        named = [name for name in known if text.casefold() in name.casefold() and not name.startswith(OWN)]
        for name in sorted(named)[:MOST]:
            yield Hit(name, ask.url("events", **{kind: name}), f"{kind}, {counted(known[name], 'event')}")
    async for _ in ask.stored.read(correlation_id=text, limit=1):
        yield Hit(f"story {text}", ask.url("traces", text), "trace")


async def _streams(ask: Ask, text: str) -> AsyncIterator[Hit]:
    """Those whose names begin with the text."""
    left = MOST
    if text.startswith(OWN):
        return
    async for info in ask.stored.streams(text):
        yield Hit(info.stream, ask.url("streams", info.stream), counted(info.version, "event"))
        left -= 1
        if not left:
            return


ROUTES: Final = (Route("GET", "/search", search),)
