"""Upcasters: what leads a stored event to the shape that is read today. Each is a value around a pure function of JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from refold.errors import UsageError, shortened

R = TypeVar("R", covariant=True)

JsonObject: TypeAlias = dict[str, Any]
Change: TypeAlias = Callable[[JsonObject], JsonObject]
"""The data of an event in one shape to those in the next. It may change what it is given and return that."""
Parts: TypeAlias = Iterable[tuple[str, JsonObject]]
"""What one event is split into: a type and data for each, in their order."""


@dataclass(frozen=True, slots=True)
class Upcaster(Generic[R]):
    """One step from a stored shape on. Call it with data to see what becomes of them; those are left as they are.

    It leads from `version` of `type` to the type and version in `into`, or to several of them. A version of None is any:
    the type is read under another name.
    """

    type: str
    version: int | None
    into: tuple[tuple[str, int | None], ...]
    change: Callable[[JsonObject], R]

    def __call__(self, data: Mapping[str, Any]) -> R:
        """What becomes of these data."""
        return self.change(deepcopy(dict(data)))

    def __str__(self) -> str:
        if self.version is None:
            return f"{self.type!r} -> {self.into[0][0]!r}"
        if len(self.into) == 1 and self.into[0][0] == self.type:
            return f"{self.type!r} {self.version} -> {self.into[0][1]}"
        return f"{self.type!r} {self.version} -> {' + '.join(f'{type!r} {version}' for type, version in self.into)}"


class Upcasting(Protocol):
    """What `upcast(...)` gives: a decorator of a function, and a function of ready-made changes."""

    def __call__(self, *changes: Change) -> Upcaster[JsonObject]:
        """The upcaster that makes these changes, one after another."""
        ...


def upcast(type: str, version: int, *, to: int, into: str | None = None) -> Upcasting:
    """Lead events that were stored with one schema version of a type to a later one, or `into` another type.

        @upcast("order.placed", 1, to=2)
        def with_currency(data):
            return {**data, "currency": "EUR"}

        renamed = upcast("order.placed", 2, to=3)(rename(customer="buyer"), drop("coupon"))

    Raises:
        UsageError: a name is missing, a version is below 1, or the step does not lead to a later version.
    """
    upcasting = _from(type, version, type if into is None else into, to)
    if into in {None, type} and to <= version:
        raise UsageError(f"upcast({type!r}, {version}, to={to}) does not lead to a later version.")
    return upcasting


def downcast(type: str, version: int, *, to: int) -> Upcasting:
    """Let a program whose class has version `to` read what newer programs store with `version`.

    It ships with the older class, before the first newer program writes: that is how both can run side by side.

        ahead = downcast("order.placed", 2, to=1)(rename(buyer="customer"))

    Raises:
        UsageError: a name is missing, a version is below 1, or the step does not lead to an earlier version.
    """
    upcasting = _from(type, version, type, to)
    if to >= version:
        raise UsageError(f"downcast({type!r}, {version}, to={to}) does not lead to an earlier version.")
    return upcasting


def _from(type: str, version: int, into: str, to: int) -> Upcasting:
    _checked(type, version)
    target = _checked(into, to)

    def upcasting(*changes: Change) -> Upcaster[JsonObject]:
        return Upcaster(type, version, (target,), changes[0] if len(changes) == 1 else _OneAfterAnother(changes))

    return upcasting


def split(
    type: str, version: int, *, into: Mapping[str, int]
) -> Callable[[Callable[[JsonObject], Parts]], Upcaster[Parts]]:
    """Read one stored event as several. `into` says of which types, and in which schema version each.

        @split("order.placed", 1, into={"order.opened": 1, "order.charged": 1})
        def opened_and_charged(data):
            yield "order.opened", {"customer": data["customer"]}
            yield "order.charged", {"amount": data["total"]}

    It gives at least one. They share the id, position and version of what is stored, and are told apart by `part`.

    Raises:
        UsageError: a name is missing, a version is below 1, or fewer than two types are named.
    """
    _checked(type, version)
    targets = tuple(_checked(name, to) for name, to in into.items())
    if not targets[1:]:
        raise UsageError(
            f"split({type!r}, {version}, into={dict(into)!r}) needs two types: to a single one leads upcast(..., into=)."
        )
    return lambda change: Upcaster(type, version, targets, change)


def move(type: str, *, to: str) -> Upcaster[JsonObject]:
    """Read a type under another name: each stored version of it as the same version of that.

    Raises:
        UsageError: a name is missing, or both are the same.
    """
    _checked(type, 1)
    _checked(to, 1)
    if type == to:
        raise UsageError(f"move({type!r}, to={to!r}) goes nowhere.")
    return Upcaster(type, None, ((to, None),), _OneAfterAnother(()))


def _checked(type: object, version: object) -> tuple[str, int]:
    if not (isinstance(type, str) and type.strip()):
        raise UsageError(f"{shortened(type)} is no name of an event type.")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise UsageError(f"{type!r} has no version {shortened(version)}: the first is 1.")
    return type, version


# Changes ----------------------------------------------------------------------
# Values, so that two of them that do the same are equal.


def rename(**fields: str) -> Change:
    """Give fields another name: `rename(old="new")`. One that is not there stays away.

    What it makes raises ValueError where the new name is taken.
    """
    return _Renamed(tuple(fields.items()))


def default(**fields: object) -> Change:
    """Give fields a value where they are not there."""
    return _Defaulted(tuple(fields.items()))


def drop(*fields: str) -> Change:
    """Leave fields out."""
    return _Dropped(fields)


@dataclass(frozen=True, slots=True)
class _OneAfterAnother:
    changes: tuple[Change, ...]

    def __call__(self, data: JsonObject) -> JsonObject:
        for change in self.changes:
            data = change(data)
        return data


@dataclass(frozen=True, slots=True)
class _Renamed:
    fields: tuple[tuple[str, str], ...]

    def __call__(self, data: JsonObject) -> JsonObject:
        moved = {new: data.pop(old) for old, new in self.fields if old in data}
        if taken := sorted(moved.keys() & data.keys()):
            raise ValueError(f"there is a field {taken[0]!r} already")
        return {**data, **moved}


@dataclass(frozen=True, slots=True)
class _Defaulted:
    fields: tuple[tuple[str, object], ...]

    def __call__(self, data: JsonObject) -> JsonObject:
        return {**{name: deepcopy(value) for name, value in self.fields if name not in data}, **data}


@dataclass(frozen=True, slots=True)
class _Dropped:
    fields: tuple[str, ...]

    def __call__(self, data: JsonObject) -> JsonObject:
        return {name: value for name, value in data.items() if name not in self.fields}
