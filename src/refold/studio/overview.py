"""Overview: how much there is, what comes in, what runs, and what needs a look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from refold.flows.processes.consuming import CONSUMER
from refold.forms import build_form
from refold.http.models import builds_in
from refold.studio.asking import Ask
from refold.studio.filters import Filters, find
from refold.studio.pages import Page
from refold.studio.projections import models_of
from refold.studio.routing import Route
from refold.studio.rows import records_of, rows_of

NEWEST: Final = 12
TOP: Final = 10


async def show(ask: Ask) -> Page:
    """The store as a whole."""
    counts = await ask.studio.tally.counts()
    builds = await builds_in(ask.store)
    newest = await find(ask.stored, Filters(), None, None, NEWEST)
    models = models_of([each for each in builds if not each.name.startswith(CONSUMER)])
    shown = {
        "counts": counts, "durability": ask.store.durability, "rows": rows_of(newest.events), "models": models,
        "processes": [each for each in builds if each.name.startswith(CONSUMER) and each.role == "active"], "consumer": CONSUMER,
        "categories": _top(counts.stats.categories) if counts else [], "types": _top(counts.stats.types) if counts else [],
    }  # fmt: skip
    data = {
        "stats": None if counts is None else msgspec.structs.asdict(counts.stats),
        "of_the_newest": None if counts is None else counts.newest, "durability": ask.store.durability,
        "activity": [] if counts is None else counts.activity, "newest": records_of(newest.events),
        "projections": [build_form(each) for each in builds],
    }  # fmt: skip
    return Page("overview", "Overview", "overview.html", shown, data)


def _top(counts: Mapping[str, int]) -> Sequence[tuple[str, int]]:
    return sorted(
        ((name, count) for name, count in counts.items() if not name.startswith("$")), key=lambda each: -each[1]
    )[:TOP]


ROUTES: Final = (Route("GET", "/", show),)
