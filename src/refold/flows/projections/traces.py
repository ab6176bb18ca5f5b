"""Traces: which traces events come from, as whoever produced them wrote into their metadata."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from refold.messages import Recorded

TRACEPARENT: Final = "traceparent"
"""The free key under which trace context travels, as the W3C names and writes it."""


def traces_of(events: Iterable[Recorded[Any]]) -> tuple[str, ...]:
    """The trace contexts that these events carry, each once, in their order."""
    found = dict.fromkeys(event.metadata.free.get(TRACEPARENT) for event in events)
    return tuple(trace for trace in found if trace is not None)
