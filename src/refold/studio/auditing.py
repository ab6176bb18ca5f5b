"""Audit: what operators asked for, by the Studio or by HTTP, the newest first, filtered by what the URL says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from refold.eventlogs.recorded import record_of
from refold.http.auditing import AUDIT
from refold.messages import Recorded
from refold.studio.asking import Ask
from refold.studio.filters import Filters, as_params, find
from refold.studio.pages import Page
from refold.studio.routing import Route
from refold.studio.steering import ACTS

ACTIONS: Final = tuple(sorted({*(act.audit for act in ACTS), "commands.handle"}))


class Asked(Filters, frozen=True):
    """What of the audit is asked for: also by who asked, and for what."""

    actor: str = ""
    action: str = ""

    @property
    def is_narrow(self) -> bool:
        """Whether events are looked at one by one."""
        return bool(self.actor or self.action or self.text)

    def matches(self, event: Recorded[Any]) -> bool:
        """Whether an event of the audit is meant."""
        if self.actor and event.metadata.actor != self.actor:
            return False
        return (not self.action or _data(event).get("action") == self.action) and super().matches(event)


class Entry(Struct, frozen=True):
    """Somebody asked for something."""

    position: int
    at: datetime
    actor: str | None
    action: str
    subject: str
    reason: str
    tenant: str | None


async def show(ask: Ask) -> Page:
    """What was asked for."""
    ask.access.check("read", [AUDIT])
    asked = _asked(ask)
    found = await find(ask.stored, asked, ask.number("before"), ask.number("after"))
    entries = [_entry(event) for event in found.events]
    shown = {
        "entries": entries, "found": found, "asked": asked, "actions": ACTIONS,
        "is_filtered": len(as_params(asked)) > 1,  # the category is always one
    }  # fmt: skip
    data = {"data": entries, "older": found.older, "newer": found.newer, "paused": found.paused}
    return Page("audit", "Audit", "audit.html", shown, data)


def _asked(ask: Ask) -> Asked:
    return Asked(
        category=AUDIT, text=ask.param("text"), since=ask.moment("since"), until=ask.moment("until"),
        actor=ask.param("actor"), action=ask.param("action"),
    )  # fmt: skip


def _data(event: Recorded[Any]) -> Mapping[str, Any]:
    return record_of(event).data


def _entry(event: Recorded[Any]) -> Entry:
    data, tenant = _data(event), _data(event).get("tenant")
    action, subject, reason = (str(data.get(name, "")) for name in ("action", "subject", "reason"))
    at, actor = event.recorded_at, event.metadata.actor
    return Entry(int(event.position), at, actor, action, subject, reason, None if tenant is None else str(tenant))


ROUTES: Final = (Route("GET", "/audit", show),)
