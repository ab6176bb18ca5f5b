"""A store as it stands: events are shown as they were written, whatever class the application has for them today."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from msgspec.structs import replace

from refold.aio import AsyncStore
from refold.codec import Codec
from refold.eventlogs.recorded import record_of
from refold.forms import encode
from refold.messages import RawEvent, Recorded

SIZE: Final = 4 << 20
"""Bytes of events, as JSON, that a page has at most, and one more event."""


def as_stored(store: AsyncStore) -> AsyncStore:
    """The same store, which reads every event raw: one that no class can read any more must not hide the others."""
    engine, runtime, context = store._engine, store._runtime, store._context  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - another face of it
    return AsyncStore(engine, replace(runtime, codec=Codec([RawEvent]), caches=None), context)


def size_of(event: Recorded[Any]) -> int:
    """The bytes of an event as JSON."""
    return len(encode(record_of(event)))


async def some(events: AsyncIterator[Recorded[Any]], most: int) -> tuple[Sequence[Recorded[Any]], bool]:
    """The first of them, up to so many, and to so many bytes; and whether there are more."""
    found: list[Recorded[Any]] = []
    size = 0
    async for event in events:
        if len(found) == most or size >= SIZE:
            return found, True
        found.append(event)
        size += size_of(event)
    return found, False
