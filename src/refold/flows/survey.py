"""Look at a store as a whole: its streams, its stories, its health, page after page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from refold.flows.prepare import Runtime, event_ids
from refold.flows.read import askable, opened
from refold.messages import Recorded
from refold.ports import PAGE, Backend, Damage, StreamInfo

VERIFIED_AT_ONCE: Final = 10_000
"""How many positions one step of `verify` looks at."""


async def streams_page(backend: Backend, after: str, prefix: str) -> Sequence[StreamInfo]:
    """A page of streams, by name.

    Raises:
        InvalidName: no name can begin so.
    """
    return await backend.streams(after, askable("beginning of a stream name", prefix), PAGE)


async def find(backend: Backend, runtime: Runtime, ids: Sequence[UUID]) -> tuple[Recorded[object], ...]:
    """The events with these ids, by position."""
    decoders = runtime.codec.known
    rows = runtime.reads.shown(await backend.find(event_ids(ids)))
    return tuple(event for row in rows for event in opened(decoders, row))


async def verify_page(backend: Backend, after: int) -> tuple[Sequence[Damage], int | None]:
    """The damages after a position, and where to go on, `None` at the end."""
    damages = await backend.verify(after, VERIFIED_AT_ONCE)
    reached = after + VERIFIED_AT_ONCE
    return damages, None if reached >= await backend.head() else reached
