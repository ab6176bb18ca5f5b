"""An application against a store: the oldest and the newest events of each type, read as they would be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from refold.chains import StepFailed
from refold.messages import RawEvent, Recorded
from refold.personal import as_forgotten
from refold.query import Query
from refold.schema.checking import Finding
from refold.schema.lock import Lock, named
from refold.schema.present import Present
from refold.schema.verdicts import Verdict
from refold.store import Store

SAMPLE: Final = 100
"""So many of the oldest, and of the newest, events of each type are read."""


def sampled(store: Store, now: Present, lock: Lock, *, sample: int = SAMPLE) -> Iterator[Finding]:
    """What a store holds, by type and version, and what of it cannot be read; its events are read raw."""
    for type, count in sorted(store.stats().types.items()):
        counts: dict[int, int] = {}
        found: dict[Finding, None] = {}
        for recorded in _some(store, type, sample):
            version = recorded.data.version
            counts[version] = counts.get(version, 0) + 1
            found.update(dict.fromkeys(_read(now, lock, recorded)))
        yield from found
        for version, seen in sorted(counts.items()):
            if not any(finding.event == named(type, version) for finding in found):
                yield Finding(Verdict.OK, named(type, version), "", f"{seen:,} of {count:,} events were read")


def _some(store: Store, type: str, sample: int) -> Iterator[Recorded[RawEvent]]:
    """The events at both ends of a type's history, each once."""
    query = Query.of(types=[type])
    last = 0
    for recorded in store.read(query=query, limit=sample):
        last = int(recorded.position)
        yield recorded
    for recorded in store.read(query=query, limit=sample, direction="backward"):
        if recorded.position <= last:
            return
        yield recorded


def _read(now: Present, lock: Lock, recorded: Recorded[RawEvent]) -> Iterator[Finding]:
    event = recorded.data
    stored = named(event.type, event.version)
    missing = now.missing((event.type, event.version))
    if missing is not None:
        yield _without_a_way(now, lock, event, named(*missing))
        return
    try:
        shape = as_forgotten(event.data)  # which every step must be able to take
        for (type, version), data in now.chains.way((event.type, event.version)).taken(shape):
            now.decode(type, msgspec.json.encode(data))
            yield from _unread(now, type, version, stored, data)
    except StepFailed as error:
        yield _unreadable(stored, str(error))
    except Exception as error:  # noqa: BLE001 - whatever a user's class raises
        yield _unreadable(stored, str(error))


def _without_a_way(now: Present, lock: Lock, event: RawEvent, missing: str) -> Finding:
    stored = named(event.type, event.version)
    if event.type in now.versions:
        what = f"stored, and no upcaster leads on from {missing}"
        return Finding(Verdict.NEEDS_UPCASTER, stored, "(version)", what, f"Write an upcaster for {missing}", "ES012")
    if event.type in lock.events:
        return Finding(
            Verdict.BREAKS, stored, "(class)", "stored, and there is no class for it", "Bring it back", "ES011"
        )
    return Finding(Verdict.OK, stored, "(class)", "stored, and not of this application")


def _unreadable(stored: str, what: str) -> Finding:
    do = "Write an upcaster, or mend the one that there is"
    return Finding(Verdict.NEEDS_UPCASTER, stored, "", what, do, "ES011")


def _unread(now: Present, type: str, version: int, stored: str, data: Mapping[str, Any]) -> Iterator[Finding]:
    known = now.lock.events[type][version].schema.get("properties")
    for name in sorted(data.keys() - known.keys()) if known is not None else ():
        do = "Add the field, or give the class a new version whose upcaster drops it"
        yield Finding(
            Verdict.NEEDS_UPCASTER, stored, name, "stored, and not read: the class has no such field", do, "ES010"
        )
