"""What came of copying, and of comparing a copy with what it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from refold.copying.digests import Digests, StreamDigest, Totals
from refold.messages import Position


class Copied(msgspec.Struct, frozen=True):
    """How far a copy got: events read from the source and written to the target by this call, and up to where it read."""

    read: int
    written: int
    position: Position


class FieldDifference(msgspec.Struct, frozen=True):
    """One field of an event: what it should be in the copy, and what it is. JSON values; times are microseconds since 1970."""

    field: str
    expected: Any
    found: Any


class StreamDifference(msgspec.Struct, frozen=True):
    """A stream that is not as it should be. `version`: its first event that differs, is missing, or is too much.

    Digests are hexadecimal; an event that is missing on one side has no `fields`.
    """

    stream: str
    expected: StreamDigest
    found: StreamDigest
    version: int
    fields: tuple[FieldDifference, ...] = ()

    def __str__(self) -> str:
        if self.version > self.found.events:
            what = f"event {self.version} is missing: {self.found.events:,} of {self.expected.events:,} are there"
        elif self.version > self.expected.events:
            what = f"event {self.version} is too much: it should have {self.expected.events:,}, and has {self.found.events:,}"
        else:
            what = f"event {self.version} differs in {', '.join(each.field for each in self.fields)}"
        return f"stream {self.stream!r}: {what}"


class StateDifference(msgspec.Struct, frozen=True):
    """A stream whose fold comes to another state in the copy. States as JSON; None where the stream is not there."""

    stream: str
    source: Any
    target: Any


class States(msgspec.Struct, frozen=True):
    """The states of all streams of some folds, in source and target: how many were compared and differ, the first of these.

    `incomparable`: so many have neither an `__eq__` that finds them equal nor a form in JSON, and were not compared.
    """

    compared: int
    differing: int
    shown: tuple[StateDifference, ...] = ()
    incomparable: int = 0


class Equivalence(msgspec.Struct, frozen=True):
    """A copy, compared with what it was made from, up to a position of the source.

    `expected` is what the copy should hold: the source itself, or what the transform makes of it. `changes` counts what the
    transform changed, by kind. `differing` counts the streams that are not as they should be, `differences` tells the first.
    """

    position: Position
    source: Totals
    expected: Totals
    target: Totals
    differing: int
    differences: tuple[StreamDifference, ...]
    changes: Mapping[str, int] | None
    states: States | None
    streams: Mapping[str, StreamDigest]

    @property
    def is_equal(self) -> bool:
        """Whether the copy holds exactly what it should, in the same order; states are not asked."""
        return self.expected == self.target


def differing(expected: Digests, target: Digests) -> list[str]:
    """The names of the streams that are not as they should be, sorted."""
    names = expected.streams.keys() | target.streams.keys()
    return sorted(name for name in names if expected.of(name) != target.of(name))
