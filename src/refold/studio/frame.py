"""The frame around each page: where one can go, what needs a look, which store this is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from refold.flows.processes.consuming import CONSUMER
from refold.flows.projections.status import ProjectionStatus
from refold.http.auditing import AUDIT
from refold.http.models import builds_in
from refold.studio.asking import Ask
from refold.studio.pages import THEMES, Page

THEME: Final = "refold-studio-theme"
"""The cookie that keeps which look somebody has chosen."""


class Item(Struct, frozen=True):
    """An entry of the navigation; `badge`: how many things there need a look."""

    section: str
    title: str
    url: str
    badge: int = 0


class Frame(Struct, frozen=True):
    """What the layout shows besides the page itself."""

    title: str
    section: str
    crumbs: Sequence[tuple[str, str]]
    items: Sequence[Item]
    head: int
    name: str
    theme: str


async def frame_of(ask: Ask, page: Page) -> Frame:
    """The frame of a page."""
    builds = await builds_in(ask.store)
    theme = ask.request.cookies.get(THEME, "")
    return Frame(
        page.title, page.section, page.crumbs, _items(ask, builds), int(await ask.store.head()), ask.studio.name,
        theme if theme in THEMES else "",
    )  # fmt: skip


def _items(ask: Ask, builds: Sequence[ProjectionStatus]) -> Sequence[Item]:
    parked = sum(each.dead_letters for each in builds if _is_model(each))
    waiting = sum(each.dead_letters for each in builds if not _is_model(each))
    stuck = sum(each.is_stuck for each in builds if _is_model(each))
    titles: Any = (
        ("overview", "Overview", "", 0), ("events", "Events", "events", 0), ("streams", "Time travel", "streams", 0),
        ("traces", "Traces", "traces", 0), ("projections", "Projections", "projections", stuck),
        ("processes", "Processes", "processes", waiting), ("letters", "Dead letters", "dead-letters", parked),
        ("catalogue", "Catalogue", "catalogue", 0), ("commands", "Commands", "commands", 0),
        ("model", "Event model", "model", 0), ("review", "Review", "review", 0),
        ("statistics", "Statistics", "statistics", 0), ("audit", "Audit", "audit", 0),
    )  # fmt: skip
    return [
        Item(section, title, ask.url(path), badge)
        for section, title, path, badge in titles
        if section != "audit" or ask.access.may("read", AUDIT)
    ]


def _is_model(status: ProjectionStatus) -> bool:
    return not status.name.startswith(CONSUMER)
