"""The error for a stream that is not there, with the names that it may have been meant to be."""

from __future__ import annotations

from difflib import get_close_matches
from itertools import islice

from refold.cli.exits import NotFound
from refold.store import Store

_LOOKED_AT = 5_000
_SHOWN = 3


def no_such_stream(store: Store, name: str) -> NotFound:
    """Says so, with up to three near names."""
    if near := near_names(store, name):
        return NotFound(f"there is no stream {name!r}: did you mean {' or '.join(map(repr, near))}?")
    return NotFound(f"there is no stream {name!r}: `refold streams` lists them.")


def near_names(store: Store, name: str) -> list[str]:
    """Names that are longer, or of the same category and alike, or alike at all: of the first thousands."""
    longer = [info.stream for info in islice(store.streams(name), _SHOWN)]
    if longer:
        return longer
    category = name.partition("-")[0]
    alike = _alike(store, name, f"{category}-")
    return alike or _alike(store, name, "")


def _alike(store: Store, name: str, prefix: str) -> list[str]:
    return get_close_matches(name, (info.stream for info in islice(store.streams(prefix), _LOOKED_AT)), _SHOWN, 0.7)
