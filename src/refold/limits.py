"""How much one event and one append may hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from refold.errors import TooLarge

_BRACKETS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|([\[{])|([\]}])')


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one store, checked before anything is written. Sizes are bytes of UTF-8 JSON.

    `depth`: how many arrays and objects may stand in each other in the value of a field. Whatever reads JSON follows them with
    a stack of its own, and each has another depth at which it ends.
    """

    event_bytes: int = 1 << 20
    metadata_bytes: int = 1 << 16
    batch_events: int = 1_000
    batch_bytes: int = 8 << 20
    depth: int = 64

    def check_event(self, type: str, data: bytes, metadata: bytes) -> None:
        """Raises `TooLarge` if one event is over a limit."""
        if len(data) > self.event_bytes:
            raise TooLarge(f"the data of event {type!r}, in bytes,", len(data), self.event_bytes, "event_bytes")
        if len(metadata) > self.metadata_bytes:
            raise TooLarge(
                f"the metadata of event {type!r}, in bytes,", len(metadata), self.metadata_bytes, "metadata_bytes"
            )
        if data.count(b"[") + data.count(b"{") > self.depth and (found := _depth(data) - 1) > self.depth:
            raise TooLarge(f"the data of event {type!r}, in levels of nesting,", found, self.depth, "depth")

    def check_batch(self, sizes: Sequence[int]) -> None:
        """Raises `TooLarge` if the events of one append are over a limit together."""
        if len(sizes) > self.batch_events:
            raise TooLarge("one append, in events,", len(sizes), self.batch_events, "batch_events")
        if sum(sizes) > self.batch_bytes:
            raise TooLarge("one append, in bytes of data,", sum(sizes), self.batch_bytes, "batch_bytes")


def _depth(json: bytes) -> int:
    """How many arrays and objects of a JSON value stand in each other at most."""
    depth = deepest = 0
    for found in _BRACKETS.finditer(json):
        if found[1]:
            depth += 1
            deepest = max(deepest, depth)
        elif found[2]:
            depth -= 1
    return deepest
