"""What an expression may stand for, as far as it can be told without running it."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# What is looked at here are objects of any class.

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, MutableSequence, MutableSet, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Final, TypeAlias, TypeVar, Union, get_args, get_origin

from refold.messages import Recorded

When: TypeAlias = frozenset[type[Any]] | None
"""The classes of the message for which this is so; None for whatever it is."""


@dataclass(frozen=True)
class Known:
    """This very object."""

    value: Any


@dataclass(frozen=True)
class Some:
    """Something of one of these classes, or a collection of such; none at all, if there are none."""

    parts: frozenset[tuple[type[Any], When]] = frozenset()
    given: bool = False
    """Whether it is part of what the function was given, so that a change of it would be seen outside."""
    can_change: bool = False
    """Whether it is a collection that can be changed in place."""

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

    function: Any
    on: Value


@dataclass(frozen=True)
class Local:
    """A function that is written inside another: what it gives."""

    result: Value


@dataclass(frozen=True)
class Several:
    """One of these, as they stand in a table by their keys."""

    by_key: tuple[tuple[object, Value], ...]


@dataclass(frozen=True)
class Row:
    """A tuple that is written out, value by value."""

    values: tuple[Value, ...]


Value: TypeAlias = Known | Some | Message | Envelope | Method | Local | Several | Row | None
"""None is what cannot be told."""

NOTHING: Final = Some()


def of_class(*classes: type[Any], when: When = None, given: bool = False) -> Some:
    """Something of these classes."""
    return Some(frozenset((cls, when) for cls in classes), given)


def as_some(value: Value, when: When = None) -> Some | None:  # noqa: PLR0911 - a table of values
    """The value by its classes; None if they cannot be told."""
    match value:
        case Some():
            return value
        case Message():
            return of_class(*value.classes, when=when)
        case Envelope():
            return of_class(Recorded)
        case Known(None):
            return NOTHING
        case Known(tuple() | list() | set() | frozenset() as several):
            return joined([Known(each) for each in several], when)
        case Known(type()):
            return of_class(type)
        case Known(one):
            return of_class(type(one), when=when)
        case Row(values):
            return joined(values, when)
        case _:
            return None


def joined(values: Iterable[Value], when: When = None) -> Some | None:
    """Any of these; None if one of them cannot be told."""
    parts: set[tuple[type[Any], When]] = set()
    given = False
    for each in values:
        some = as_some(each, when)
        if some is None:
            return None
        parts |= some.parts
        given = given or some.given
    return Some(frozenset(parts), given)


def either(first: Value, second: Value) -> Value:
    """One of two."""
    return first if first == second else joined((first, second))


def element(value: Value) -> Value:
    """One of a collection."""
    match value:
        case Known(tuple() | list() | set() | frozenset()) | Row():
            return as_some(value)
        case Some() | Several():
            return value
        case _:
            return None


def of_hint(hint: Any, *, given: bool = False) -> Value:  # noqa: ANN401 - whatever an annotation is
    """What an annotation promises."""
    found = _classes(hint)
    return None if found is None else Some(of_class(*found).parts, given, _is_collection(hint))


def _is_collection(hint: Any) -> bool:  # noqa: ANN401 - whatever an annotation is
    origin = get_origin(hint) or hint
    if origin in (Union, UnionType):
        return any(map(_is_collection, get_args(hint)))
    return isinstance(origin, type) and issubclass(origin, MutableSequence | MutableMapping | MutableSet)


def _classes(hint: Any) -> Sequence[type[Any]] | None:  # noqa: ANN401, PLR0911 - a table of hints
    aliased = getattr(hint, "__value__", None)
    if aliased is not None:
        return _classes(aliased)
    if isinstance(hint, TypeVar) or hint is Any or hint is object:
        return None
    if hint is None or hint is type(None):
        return ()
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _all(args)
    if origin is Annotated:
        return _classes(args[0])
    if origin is None:
        return (hint,) if isinstance(hint, type) else None
    if isinstance(origin, type) and issubclass(origin, Iterable) and not issubclass(origin, Mapping) and args:
        return _all([arg for arg in args[: None if origin is tuple else 1] if arg is not Ellipsis])
    return (origin,) if isinstance(origin, type) else None


def _all(hints: Iterable[Any]) -> Sequence[type[Any]] | None:
    found = [_classes(hint) for hint in hints]
    if any(each is None for each in found):
        return None
    return [cls for each in found for cls in each or ()]
