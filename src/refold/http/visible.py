"""What a caller sees of a store: its events a little at a time, and those of Refold's own only if they may steer."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from refold.aio import AsyncStore
from refold.flows.pages import Reads
from refold.http.access import Access
from refold.messages import OWN

ROWS: Final = 64
SIZE: Final = 1 << 20
"""How much is read of a store at once for one caller: so many events and, of these, about so many bytes."""


def visible(store: AsyncStore, access: Access) -> AsyncStore:
    """The same store, whose reads give what the caller may see."""
    return reading(store, Reads(access.may("read", OWN), ROWS, SIZE))


def reading(store: AsyncStore, reads: Reads) -> AsyncStore:
    """The same store, which is read so."""
    engine, runtime, context = store._engine, store._runtime, store._context  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - another face of it
    return type(store)(engine, replace(runtime, reads=reads), context)
