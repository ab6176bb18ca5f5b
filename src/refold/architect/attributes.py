"""Attributes and items: what is reached through what is known."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# What is looked at here are objects of any class.

from __future__ import annotations

from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any, Final

from refold.architect.expressions import Expressions
from refold.architect.hints import of_hint
from refold.architect.source import attribute, binds, computed, hints_of, is_foreign, plain
from refold.architect.values import (
    NOTHING,
    Envelope,
    Known,
    Local,
    Message,
    Method,
    Row,
    Several,
    Some,
    Value,
    any_of,
    collection,
    copied,
    element,
    is_a,
)
from refold.messages import Recorded

_HELD: Final = {"get", "pop", "setdefault", "__getitem__", "popleft"}
_SCALARS: Final = (str, int, bytes, bool, float)


class Attributes(Expressions):
    """Tells what attributes and items are."""

    def attribute_of(self, on: Value, name: str) -> Value:  # noqa: PLR0911 - a table
        """An attribute of something."""
        match on:
            case Envelope(message) if name == "data":
                return message
            case Envelope():
                return self._of_classes(frozenset({Recorded}), name, on, given=True)
            case Message(classes):
                return self._of_classes(classes if self.when is None else classes & self.when, name, on, given=True)
            case Known():
                return self._of_object(on, name)
            case Some() if on.of is not None:
                return _of_collection(on, name)
            case Some():
                return self._of_classes(on.classes, name, on, given=on.given)
            case _:
                return None

    def _of_object(self, on: Known, name: str) -> Value:
        found = attribute(on.value, name)
        if found is not None or is_a(on.value, ModuleType):
            return None if found is None else Known(found)
        return self._of_classes(frozenset({type(on.value)}), name, on)

    def _of_classes(self, classes: frozenset[type[Any]], name: str, on: Value, *, given: bool = False) -> Value:
        ordered = sorted(classes, key=lambda each: each.__qualname__)
        values = [self._of_class(cls, name, on, given=given) for cls in ordered]
        if len(values) == 1:
            return values[0]
        methods = [each for each in values if isinstance(each, Method)]
        if methods and len(methods) == len(values):
            return Several(tuple(zip(map(Known, ordered), methods, strict=True)))
        return any_of(values) if values else None

    def _of_class(self, cls: type[Any], name: str, on: Value, *, given: bool) -> Value:
        hint = Mapping[str, Any] if name == "__dict__" else hints_of(cls).get(name)
        if hint is not None:
            return of_hint(hint, given=given)
        found = attribute(cls, name)
        if not is_a(found, type) and plain(found) is not None:
            return Method(Known(found), on) if binds(cls, name) else Known(found)
        function = computed(cls, name)
        return None if function is None else self._computed(function, cls, on)

    def _computed(self, function: FunctionType, cls: type[Any], on: Value) -> Value:
        if is_foreign(function, self.own):
            return of_hint(hints_of(function).get("return", Any))
        with self.only(frozenset({cls}) if isinstance(on, Message) else None):
            return self.followed(function, [on])

    def item_of(self, on: Value, index: Value) -> Value:
        """An item of something."""
        match on, index:
            case Known(), _ if is_a(on.value, dict):
                return _entry(on.value, index)
            case Known(), _ if is_a(on.value, type):
                return on
            case Row(values), Known(at) if type(at) is int and -len(values) <= at < len(values):
                return values[at]
            case Row(), _:
                return element(on)
            case Some(), _:
                return on.of
            case _:
                return None


def _entry(table: dict[Any, Any], index: Value) -> Value:
    for key, value in dict.items(table):
        if isinstance(index, Known) and _is_same(key, index.value):
            return Known(value)
    return Several(tuple((Known(key), Known(value)) for key, value in dict.items(table)))


def _is_same(key: object, other: object) -> bool:
    return key is other or (type(key) is type(other) and type(key) in _SCALARS and key == other)


def _of_collection(on: Some, name: str) -> Value:
    """A method of a collection, by what it gives."""
    is_table = any(issubclass(cls, Mapping) for cls in on.classes)
    if name in _HELD:
        return Local(on.of)
    if name == "copy":
        return Local(copied(on))
    if is_table and name in {"values", "items"}:
        return Local(collection((on.of if name == "values" else Row((NOTHING, on.of)),)))
    return None
