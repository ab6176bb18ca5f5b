"""What an expression may stand for, as far as it can be told without running it."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# What is looked at here are objects of any class.

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from refold.messages import Recorded

When: TypeAlias = frozenset[type[Any]] | None
"""The classes of the message for which this is so; None for whatever it is."""


@dataclass(frozen=True, eq=False)
class Known:
    """This very object. It is compared by what it is: to ask it would run its code."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return type(other) is Known and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


@dataclass(frozen=True)
class Some:
    """Something of one of these classes, or a collection of such; none at all, if there are none."""

    parts: frozenset[tuple[type[Any], When]] = frozenset()
    given: bool = False
    """Whether it is part of what the function was given, so that a change of it would be seen outside."""
    can_change: bool = False
    """Whether it is a collection that can be changed in place."""
    of: Value = None
    """What it holds, if it is a collection; None if it is none, or that cannot be told."""

    @property
    def classes(self) -> frozenset[type[Any]]:
        return frozenset(cls for cls, _ in self.parts)


@dataclass(frozen=True)
class Message:
    """The message that the code is called with: a command, an event."""

    classes: frozenset[type[Any]]


@dataclass(frozen=True)
class Envelope:
    """The message as it was recorded."""

    message: Message


@dataclass(frozen=True)
class Method:
    """A function of a class, and what it is called on."""

    function: Known
    on: Value


@dataclass(frozen=True)
class Local:
    """A function of which no more is known than what it gives, such as one that is written inside another."""

    result: Value


@dataclass(frozen=True)
class Several:
    """One of these, as they stand in a table by their keys."""

    by_key: tuple[tuple[Known, Value], ...]


@dataclass(frozen=True)
class Row:
    """A tuple that is written out, value by value."""

    values: tuple[Value, ...]


Value: TypeAlias = Known | Some | Message | Envelope | Method | Local | Several | Row | None
"""None is what cannot be told."""

NOTHING: Final = Some()


def is_a(thing: object, *classes: type[Any]) -> bool:
    """Whether it is of one of these classes: `isinstance` would ask its `__class__`, which runs the code of a proxy."""
    return issubclass(type(thing), classes)


def of_class(*classes: type[Any], when: When = None, given: bool = False) -> Some:
    """Something of these classes."""
    return Some(frozenset((cls, when) for cls in classes), given)


def as_some(value: Value, when: When = None) -> Some | None:
    """The value by its classes; None if they cannot be told."""
    match value:
        case Some():
            return value
        case Message():
            return of_class(*value.classes, when=when)
        case Envelope():
            return of_class(Recorded)
        case Known():
            return _of_object(value.value, when)
        case Row(values):
            return collection(values, when)
        case _:
            return None


def _of_object(thing: Any, when: When, *around: object) -> Some | None:  # noqa: ANN401 - any object
    if thing is None or any(thing is each for each in around):
        return NOTHING
    if type(thing) in {tuple, list, set, frozenset}:
        return collection([_of_object(each, when, thing, *around) for each in thing])
    return of_class(type) if is_a(thing, type) else of_class(type(thing), when=when)


def any_of(values: Iterable[Value], when: When = None) -> Some | None:
    """Any of these; None if one of them cannot be told. It counts as given if it is, whichever it is."""
    found = [as_some(each, when) for each in values]
    some = [each for each in found if each is not None and each != NOTHING]
    if None in found or not some:
        return None if None in found else NOTHING
    held = [each.of for each in some]
    return Some(
        frozenset[tuple[type[Any], When]]().union(*(each.parts for each in some)),
        all(each.given for each in some),
        any(each.can_change for each in some),
        None if None in held else _one_of(held),
    )


def either(first: Value, second: Value) -> Value:
    """One of two."""
    return first if first == second else any_of((first, second))


def _one_of(values: Iterable[Value]) -> Value:
    first, *others = [*values] or [NOTHING]
    return first if all(each == first for each in others) else any_of((first, *others))


# Collections ------------------------------------------------------------------


def collection(values: Iterable[Value], when: When = None) -> Some | None:
    """A new collection of these, which may themselves be given; None if one of them cannot be told."""
    every = [*values]
    some = any_of(every, when)
    if some is None:
        return None
    return Some(some.parts, of=every[0] if every and all(each == every[0] for each in every) else some)


def table(values: Iterable[Value]) -> Some:
    """A new dict with these values."""
    some = collection(values)
    return of_class(dict) if some is None else Some(of_class(dict).parts, of=some.of)


def element(value: Value) -> Value:
    """One of a collection."""
    match value:
        case Row(values):
            return _one_of(values)
        case Some():
            return None if any(issubclass(cls, Mapping) for cls in value.classes) else value.of
        case Known():
            some = as_some(value)
            return None if some is None else some.of
        case Several():
            return value
        case _:
            return None


def copied(value: Value) -> Some | None:
    """Something new that holds the same, as a slice or a shallow copy does."""
    some = as_some(value)
    return None if some is None else Some(some.parts, of=some.of)


def added(values: Iterable[Value], when: When = None) -> Some | None:
    """What `+` and `|` give: a new collection of what these hold, or a number."""
    return copied(any_of(values, when))


def grown(on: Value, by: Value, when: When = None) -> Value:
    """A collection, after this one was added to it."""
    more = collection((by,), when)
    some = as_some(on)
    if some is None or more is None or some.of is None:
        return None
    return Some(some.parts | more.parts, some.given, some.can_change, either(some.of, more.of))
