"""Measuring what a store holds, for the rules of `refold review` that look into one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from refold.architect.finding import Stored
from refold.store import Store

MEASURED = 1_000
"""So many of the newest events are measured."""


def stored_in(store: Store, categories: Iterable[str]) -> Stored:
    """What is stored: events by type, the longest stream of each category, the largest of the newest events of each type."""
    longest = {category: found for category in categories for found in _longest(store, category)}
    return Stored(store.stats().types, longest, _largest(store))


def _longest(store: Store, category: str) -> Iterator[tuple[str, int]]:
    lengths = ((str(info.stream), info.version) for info in store.streams(f"{category}-"))
    found = max(lengths, key=lambda each: each[1], default=None)
    if found is not None:
        yield found


def _largest(store: Store) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for recorded in store.read(direction="backward", limit=MEASURED):
        size = len(msgspec.json.encode(dict(recorded.data.data)))
        if size > found.get(recorded.type, (0, 0))[1]:
            found[recorded.type] = int(recorded.position), size
    return found
