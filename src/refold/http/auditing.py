"""Audit: what was asked for by those who steer, as events of Refold's own, one in a stream each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from refold.aio import AsyncStore
from refold.fold import OwnDecider
from refold.messages import command, event

AUDIT: Final = "$audit"
"""The category of the streams that hold what was asked for."""


@command("$audit.ask")
class AskFor:
    """Somebody asks for something."""

    action: str
    subject: str
    reason: str
    tenant: str | None


@event("$audit.asked")
class AskedFor:
    """Somebody, the event's actor, asked for something: recorded before it is done, so that no crash can hide it."""

    action: str
    subject: str
    reason: str
    tenant: str | None


@dataclass(frozen=True)
class Nothing:
    """Each stream holds one event: there is nothing to know before."""


def _decide(asked: AskFor, _: Nothing) -> Iterable[AskedFor]:
    yield AskedFor(asked.action, asked.subject, asked.reason, asked.tenant)


def _evolve(nothing: Nothing, _: AskedFor) -> Nothing:
    return nothing


_ENTRIES: Final = OwnDecider(AUDIT, initial=Nothing, evolve=_evolve, decide=_decide)


async def audit(store: AsyncStore, actor: str, asked: AskFor) -> None:
    """Record it: a stream of its own has no other writers to wait for, and nothing to load."""
    await store.context(actor=actor).bind(_ENTRIES).handle(str(uuid4()), asked)
