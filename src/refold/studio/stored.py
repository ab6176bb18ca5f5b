"""A store as it stands: events are shown as they were written, whatever class the application has for them today."""

from __future__ import annotations

from msgspec.structs import replace

from refold.aio import AsyncStore
from refold.codec import Codec
from refold.messages import RawEvent


def as_stored(store: AsyncStore) -> AsyncStore:
    """The same store, which reads every event raw: one that no class can read any more must not hide the others."""
    engine, runtime, context = store._engine, store._runtime, store._context  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - another face of it
    return AsyncStore(engine, replace(runtime, codec=Codec([RawEvent]), caches=None), context)
