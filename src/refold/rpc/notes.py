"""Notes: what the protocol keeps of an event and Refold has no place for, under one key of the event's metadata."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from refold.rpc.payloads import Written

KEY: Final = "$umadb"
"""The key."""
_HIGHEST: Final = 2**64 - 1
"""What a position of another store may be."""


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the bytes were written, the places that the tags had, if they were not in order, and what was tracked."""

    written: Written = Written()
    places: tuple[int, ...] = ()
    tracking: tuple[str, int] | None = None

    def entry(self) -> Mapping[str, str]:
        """What stands in the metadata: nothing, if there is nothing to note."""
        return {} if self == Note() else {KEY: msgspec.json.encode(self).decode()}


_DECODE: Final = msgspec.json.Decoder(Note).decode


def note_in(metadata: Mapping[str, str]) -> Note:
    """The note of an event: an empty one if it has none, or one that cannot be read, since others can write there, too."""
    try:
        note = _DECODE(metadata[KEY]) if KEY in metadata else Note()
    except (msgspec.MsgspecError, ValueError):
        return Note()
    makes_sense = note.tracking is None or 0 <= note.tracking[1] <= _HIGHEST
    return note if makes_sense else Note()


def places_of(tags: Sequence[str]) -> tuple[int, ...]:
    """Where each tag stands among all of them in order, each once; nothing, if they stand so already."""
    ordered = sorted(set(tags))
    if ordered == [*tags]:
        return ()
    known = {tag: place for place, tag in enumerate(ordered)}
    return tuple(known[tag] for tag in tags)


def placed(tags: Collection[str], places: Sequence[int]) -> Sequence[str]:
    """The tags as they were given; in order, if that is not known, or makes no sense."""
    ordered = sorted(tags)
    if {*places} != {*range(len(ordered))}:
        return ordered
    return [ordered[place] for place in places]
