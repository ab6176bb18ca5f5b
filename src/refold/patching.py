"""What changed between two values, as a JSON Patch (RFC 6902) that also tells the old values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeAlias, cast

import msgspec

from refold.codec import as_json, as_ordered_json
from refold.errors import UsageError, shortened

Json: TypeAlias = Any


class Operation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One operation of a JSON Patch; what it does not have is `msgspec.UNSET`.

    `path` is a JSON pointer (RFC 6901). `old` is for people: RFC 6902 has whoever applies the patch pass over it.
    """

    op: Literal["add", "replace", "remove"]
    path: str
    value: Json = msgspec.UNSET
    old: Json = msgspec.UNSET


def difference(old: object, new: object) -> tuple[Operation, ...]:
    """The operations that make the one state of the other, as JSON.

    Raises:
        UsageError: a state holds what JSON has no form for.
    """
    return () if old is new else tuple(changes(comparable(old), comparable(new)))


def presentable(state: object) -> Json:
    """A state as plain JSON.

    Raises:
        UsageError: it holds what JSON has no form for.
    """
    return _plain(as_json, state)


def comparable(state: object) -> Json:
    """The same with keys and the items of sets in order, so that what is equal looks equal.

    Raises:
        UsageError: as `presentable`.
    """
    return _plain(as_ordered_json, state)


def _plain(form: Callable[[object], Json], state: object) -> Json:
    try:
        return form(state)
    except (TypeError, NotImplementedError, ValueError) as error:
        raise UsageError(
            f"a state has no form in JSON, so it can be neither shown nor compared: {error}. It was {shortened(state)}."
        ) from error


def changes(old: Json, new: Json, path: str = "") -> Iterator[Operation]:
    """The operations that, one after another, make `new` of `old`."""
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _of_objects(cast("dict[str, Json]", old), cast("dict[str, Json]", new), path)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _of_arrays(cast("Sequence[Json]", old), cast("Sequence[Json]", new), path)
    elif not _same(old, new):
        yield Operation("replace", path, new, old)


def _same(old: Json, new: Json) -> bool:
    """Equal, with True other than 1."""
    return type(old) is type(new) and bool(old == new)


def _of_objects(old: dict[str, Json], new: dict[str, Json], path: str) -> Iterator[Operation]:
    for key, value in old.items():
        place = f"{path}/{escaped(key)}"
        if key in new:
            yield from changes(value, new[key], place)
        else:
            yield Operation("remove", place, old=value)
    for key, value in new.items():
        if key not in old:
            yield Operation("add", f"{path}/{escaped(key)}", value)


def _of_arrays(old: Sequence[Json], new: Sequence[Json], path: str) -> Iterator[Operation]:
    """What is equal at both ends stays; between, items are compared in pairs, and the rest is added or removed."""
    start = _equal_ends(old, new)
    end = _equal_ends(old[start:][::-1], new[start:][::-1])
    before, after = old[start : len(old) - end], new[start : len(new) - end]
    both = min(len(before), len(after))
    for index in range(both):
        yield from changes(before[index], after[index], f"{path}/{start + index}")
    for index in range(len(before) - 1, both - 1, -1):  # from the end, so that no removal moves another
        yield Operation("remove", f"{path}/{start + index}", old=before[index])
    for index in range(both, len(after)):
        yield Operation("add", f"{path}/{start + index}", after[index])


def _equal_ends(old: Sequence[Json], new: Sequence[Json]) -> int:
    return next(
        (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if any(changes(a, b))), min(len(old), len(new))
    )


def escaped(key: str) -> str:
    """A key as one part of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
