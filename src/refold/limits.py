"""How much one event and one append may hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from refold.errors import TooLarge


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one store, checked before anything is written. Sizes are bytes of UTF-8 JSON."""

    event_bytes: int = 1 << 20
    metadata_bytes: int = 1 << 16
    batch_events: int = 1_000
    batch_bytes: int = 8 << 20

    def check_event(self, type: str, data: bytes, metadata: bytes) -> None:
        """Raises `TooLarge` if one event is over a limit."""
        if len(data) > self.event_bytes:
            raise TooLarge(f"the data of event {type!r}, in bytes,", len(data), self.event_bytes, "event_bytes")
        if len(metadata) > self.metadata_bytes:
            raise TooLarge(
                f"the metadata of event {type!r}, in bytes,", len(metadata), self.metadata_bytes, "metadata_bytes"
            )

    def check_batch(self, sizes: Sequence[int]) -> None:
        """Raises `TooLarge` if the events of one append are over a limit together."""
        if len(sizes) > self.batch_events:
            raise TooLarge("one append, in events,", len(sizes), self.batch_events, "batch_events")
        if sum(sizes) > self.batch_bytes:
            raise TooLarge("one append, in bytes of data,", sum(sizes), self.batch_bytes, "batch_bytes")
