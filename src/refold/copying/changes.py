"""What a transform changes, counted by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from refold.copying.stored import Arriving, tags_of
from refold.rows import NewRow, Row

KINDS: Final[Mapping[str, str]] = {
    "unchanged": "events as they were",
    "dropped": "events left out",
    "split": "events of which several were made",
    "added": "events beside the first that one was made into",
    "moved": "events in another stream",
    "renamed": "events of another type",
    "schema_version": "events of another schema version",
    "data": "events with other data",
    "tags": "events with other tags",
    "valid_at": "events that were true at another time",
    "metadata": "events with another story, cause, actor or other keys",
}
"""Each kind of change, and what its count counts. One event may count in several."""


class Changes:
    """Counts of what became of events."""

    def __init__(self) -> None:
        self._counts = Counter[str]()

    def count(self, row: Row, became: Sequence[Arriving]) -> None:
        """Take in one event."""
        self._counts.update(kinds(row, became))
        self._counts["added"] += max(0, len(became) - 1)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many of each kind, in the order of `KINDS`; kinds that did not occur are left out."""
        return {kind: self._counts[kind] for kind in KINDS if self._counts[kind]}


def kinds(row: Row, became: Sequence[Arriving]) -> Sequence[str]:
    """The kinds of change that one event saw; the first of several is compared with it."""
    if not became:
        return ["dropped"]
    changed = [*_changed(row, became[0])]
    return ["split", *changed] if len(became) > 1 else changed or ["unchanged"]


def _changed(row: Row, first: Arriving) -> Iterator[str]:
    new = first.row
    for kind, was, now in (
        ("moved", row.stream, first.stream),
        ("renamed", row.type, new.type),
        ("schema_version", row.schema_version, new.schema_version),
        ("data", row.data, new.data),
        ("tags", tags_of(row), new.tags),
        ("valid_at", row.valid_at, new.valid_at),
        ("metadata", _story(row), _story(new)),
    ):
        if was != now:
            yield kind


def _story(row: Row | NewRow) -> tuple[str, str | None, str | None, Mapping[str, str]]:
    return row.correlation_id, row.causation_id, row.actor, _free(row.metadata)


_free = msgspec.json.Decoder(dict[str, str]).decode
