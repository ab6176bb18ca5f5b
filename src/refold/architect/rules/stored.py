"""Stored: what can be seen in a store alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from refold.architect.finding import Rule, Said, Stored
from refold.architect.model import Model
from refold.architect.parts import Place
from refold.messages import OWN

LONG: Final = 10_000
"""From so many events on a stream is long."""
LARGE: Final = 64 * 1024
"""From so many bytes on an event is large."""


def _unknown(model: Model, stored: Stored) -> Iterator[Said]:
    read = {event.name for event in model.events} | {each.type for each in model.upcasters}
    if any(each.everything for each in model.projections):
        return
    for type, count in sorted(stored.types.items()):
        if type not in read and not type.startswith(OWN):
            yield Said(
                f"event {type}",
                f"1 event of type {type!r} is stored, and nothing in the app reads it."
                if count == 1
                else f"{count:,} events of type {type!r} are stored, and nothing in the app reads them.",
                "Give them a class, or an upcaster that leads them to one; or name the part that reads them in the App.",
                Place("", 0, ""),
            )


def _never_stored(model: Model, stored: Stored) -> Iterator[Said]:
    emitted = {name for fold in model.folds for name in fold.emits}
    emitted |= {name for each in model.effects for name in each.answers}
    emitted |= {name for each in model.processes for name in (*each.timers, *each.fallbacks)}
    known = all(each.known for each in model.folds) and all(each.known for each in model.processes)
    if not stored.types or not known:
        return
    for event in model.events:
        if event.name not in emitted and not _names(event.name, model) & stored.types.keys():
            yield Said(
                f"event {event.name}",
                f"no part of the app emits {event.name!r}, and the store has none.",
                "Take it out, or append it where it happens.",
                event.place,
            )


def _names(name: str, model: Model) -> set[str]:
    """All that an event was ever stored under: each name from which an upcaster leads to one of them."""
    found, before = {name}, set[str]()
    while found != before:
        before = set(found)
        found |= {step.type for step in model.upcasters if any(into in before for into, _ in step.into)}
    return found


def _long(model: Model, stored: Stored) -> Iterator[Said]:
    for fold in model.folds:
        stream, version = stored.longest.get(fold.category, ("", 0))
        if version >= LONG and not fold.saved:
            yield Said(
                f"{fold.kind} {fold.category}",
                f"stream {stream!r} has {version:,} events, and each load of it folds them all.",
                "Save states: App(..., snapshots={fold: Snapshots(every=500)}); or close its books.",
                fold.place,
            )


def _large(model: Model, stored: Stored) -> Iterator[Said]:
    places = {event.name: event.place for event in model.events}
    for type, (position, size) in sorted(stored.largest.items()):
        if size >= LARGE:
            yield Said(
                f"event {type}",
                f"the event {type!r} at position {position} takes {size:,} bytes.",
                "Keep what is large elsewhere, and its address in the event.",
                places.get(type, Place("", 0, "")),
            )


_ITEMS: Final = """
@event("cart.item-added")
class ItemAdded:
    sku: str


def evolve(count: int, event: ItemAdded) -> int:
    return count + 1


carts = Fold("cart", initial=int, evolve=evolve)
"""
_TWO: Final = """
@event("cart.item-added")
class ItemAdded:
    sku: str


@event("cart.abandoned")
class Abandoned: ...


"""

RULES: Final = (
    Rule(
        "ES030", "runtime", "An event is small.",
        why="Whoever reads its stream reads it, whatever they want to know.",
        bad=_ITEMS + "app = App(carts)\n",
        good=_ITEMS + "app = App(carts)\n",
        how=f"The newest 1,000 events are measured: those of {LARGE:,} bytes and more.",
        ignore="Where such events are few, and read seldom.",
        find_stored=_large,
    ),
    Rule(
        "ES051", "runtime", "Every event is produced by something.",
        why="A class that no part emits and of which nothing is stored is dead code, or a name with a slip in it.",
        bad=_TWO + """app = App(Fold("cart", initial=int, evolve=lambda n, e: n + 1, events=(ItemAdded, Abandoned)))
""",
        good=_TWO.partition("@event(\"cart.abandoned\")")[0] + """app = App(Fold("cart", initial=int, evolve=lambda n, e: n + 1, events=(ItemAdded,)))
""",
        how="What parts emit is read from their source; if all of that can be told, the rest is looked for in the store.",
        ignore="Where the event is about to come: from an import, or from code that appends it.",
        find_stored=_never_stored,
    ),
    Rule(
        "ES058", "runtime", "Every stored type is read by something.",
        why="Events that nobody reads are a name that was changed without an upcaster, or a part that the App does not name.",
        bad=_TWO + """app = App(Fold("cart", initial=int, evolve=lambda n, e: n + 1, events=(Abandoned,)))
""",
        good=_TWO + """app = App(Fold("cart", initial=int, evolve=lambda n, e: n + 1, events=(ItemAdded,)))
""",
        how="The types in the store are compared with the classes of all parts and their upcasters. RawEvent reads everything.",
        ignore="Where another application on the same store reads them.",
        find_stored=_unknown,
    ),
    Rule(
        "ES090", "runtime", "A stream is not endless.",
        why="A load folds all events of its stream, so each command takes longer than the one before.",
        bad=_ITEMS + "app = App(carts)\n",
        good=_ITEMS + "app = App(carts, snapshots={carts: Snapshots(every=500)})\n",
        how=f"The longest stream of each fold's category is looked at: {LONG:,} events and more, and no saved states.",
        ignore="Where nobody loads it.",
        find_stored=_long,
    ),
)  # fmt: skip
