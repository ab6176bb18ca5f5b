"""Dead letters: the events that read models could not take in, grouped by what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from refold.flows.processes.consuming import CONSUMER
from refold.flows.projections.dead_letters import DeadLetter, DeadLetterGroup
from refold.http.models import builds_in
from refold.projection import Projection
from refold.studio.asking import Ask
from refold.studio.pages import Page
from refold.studio.routing import Route

SHOWN: Final = 50
"""Letters of a read model that are listed one by one."""


class Box(Struct, frozen=True):
    """The dead letters of one read model."""

    projection: str
    groups: Sequence[DeadLetterGroup]
    letters: Sequence[DeadLetter]
    parked: int


async def list_letters(ask: Ask) -> Page:
    """Those of every read model."""
    active = [
        each for each in await builds_in(ask.store) if each.role == "active" and not each.name.startswith(CONSUMER)
    ]
    boxes = [await _box(ask, each.name) for each in active if each.dead_letters]
    shown = {"boxes": boxes, "known": ask.studio.app.projections, "most": SHOWN}
    return Page("letters", "Dead letters", "letters.html", shown, {"data": boxes})


async def _box(ask: Ask, name: str) -> Box:
    model = ask.store.model(Projection(name))
    letters = [letter for letter in await model.dead_letters() if letter.state != "skipped"]
    return Box(name, await model.dead_letter_groups(), letters[:SHOWN], len(letters))


ROUTES: Final = (Route("GET", "/dead-letters", list_letters),)
