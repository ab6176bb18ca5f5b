"""What changed between two JSON values, as a JSON Patch (RFC 6902) that also tells the old values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias, cast

import msgspec

from refold.cli.values import escaped

Json: TypeAlias = Any


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One operation of a JSON Patch. `old` is for people: RFC 6902 has whoever applies the patch pass over it."""

    op: Literal["add", "replace", "remove"]
    path: str
    value: Json = msgspec.UNSET
    old: Json = msgspec.UNSET


def changes(old: Json, new: Json, path: str = "") -> Iterator[Change]:
    """The operations that, one after another, make `new` of `old`."""
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _of_objects(cast("dict[str, Json]", old), cast("dict[str, Json]", new), path)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _of_arrays(cast("Sequence[Json]", old), cast("Sequence[Json]", new), path)
    elif not _same(old, new):
        yield Change("replace", path, new, old)


def _same(old: Json, new: Json) -> bool:
    """Equal, with True other than 1."""
    return type(old) is type(new) and bool(old == new)


def _of_objects(old: dict[str, Json], new: dict[str, Json], path: str) -> Iterator[Change]:
    for key, value in old.items():
        place = f"{path}/{escaped(key)}"
        if key in new:
            yield from changes(value, new[key], place)
        else:
            yield Change("remove", place, old=value)
    for key, value in new.items():
        if key not in old:
            yield Change("add", f"{path}/{escaped(key)}", value)


def _of_arrays(old: Sequence[Json], new: Sequence[Json], path: str) -> Iterator[Change]:
    """What is equal at both ends stays; between, items are compared in pairs, and the rest is added or removed."""
    start = _equal_ends(old, new)
    end = _equal_ends(old[start:][::-1], new[start:][::-1])
    before, after = old[start : len(old) - end], new[start : len(new) - end]
    both = min(len(before), len(after))
    for index in range(both):
        yield from changes(before[index], after[index], f"{path}/{start + index}")
    for index in range(len(before) - 1, both - 1, -1):  # from the end, so that no removal moves another
        yield Change("remove", f"{path}/{start + index}", old=before[index])
    for index in range(both, len(after)):
        yield Change("add", f"{path}/{start + index}", after[index])


def _equal_ends(old: Sequence[Json], new: Sequence[Json]) -> int:
    return next(
        (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if any(changes(a, b))), min(len(old), len(new))
    )
