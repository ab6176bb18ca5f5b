"""Tags across versions: what is stored keeps those that it was stored with, whatever upcasters read it as."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from refold.messages import spec_of
from refold.schema.examples import examples
from refold.schema.lock import Shape
from refold.schema.present import Present

WAYS_OUT: Final = (
    "Let the class give its tags under the old names, by a function; or let every rule ask for the old tags, too; or copy the "
    "store with a transform that adds the new ones"
)


def not_found(was: Shape, now: Present, type: str) -> str | None:
    """How events of an old shape are passed over by one who asks for the tags of the class that reads them; None if not."""
    shape = now.lock.events[type][now.versions[type]]
    if was.tags == shape.tags or (names := _names(now, type, shape)) == frozenset():
        return None
    if names is None or isinstance(was.tags, str):
        return "the tags are derived by another function: what is stored keeps its own, upcasters change none"
    new = names.difference(was.tags, [was.subject])
    if not new:
        return None
    return (
        f"what is stored keeps {_listed(was.tags) if was.tags else 'no tags'}, upcasters change none: a rule that asks for "
        f"{_listed(new)} passes it over"
    )


def _names(now: Present, type: str, shape: Shape) -> frozenset[str] | None:
    tags = spec_of(now.events[type]).tags
    return names_given(now, type, shape, tags) if callable(tags) else frozenset(tags)


def names_given(
    now: Present, type: str, shape: Shape, derive: Callable[[object], Iterable[str]]
) -> frozenset[str] | None:
    """What stands before the colon in what a function gives for an event; None if it cannot be tried."""
    try:
        made = [derive(now.decode(type, msgspec.json.encode(data))) for data in examples(shape.schema)]
        return frozenset(text.partition(":")[0] for each in made for text in each) if made else None
    except Exception:  # noqa: BLE001 - a user's function, of values that are made up
        return None


def _listed(names: frozenset[str] | tuple[str, ...]) -> str:
    return ", ".join(f"{name}:..." for name in sorted(names))
