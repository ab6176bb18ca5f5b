"""Calls: what they give, and what they do: send, emit, change, look outside."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# What is looked at here are objects of any class.

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import FunctionType
from typing import Any, Final

from refold.architect.attributes import Attributes
from refold.architect.hints import of_hint
from refold.architect.noted import Doing
from refold.architect.outside import outside
from refold.architect.source import attribute, factories_of, hints_of, is_foreign, opened, plain, tree_of
from refold.architect.values import (
    NOTHING,
    Known,
    Local,
    Message,
    Method,
    Row,
    Several,
    Some,
    Value,
    any_of,
    as_some,
    collection,
    element,
    grown,
    is_a,
    of_class,
)
from refold.external import Call, EffectHandler
from refold.fold import Decider, Fold, Send
from refold.messages import spec_of
from refold.process import After, At, Cancel, Fail, Finish, after, at, cancel, fail, finish
from refold.projection import Question, Statement, ask, sql

_SAME: Final = {"replace", "copy", "deepcopy", "__replace__", "evolve"}
_COLLECT: Final = {list, tuple, set, frozenset, reversed, filter}
_ADDS: Final = {"append", "extend", "add", "insert", "appendleft"}
_CHANGES: Final = _ADDS | {
    "remove", "pop", "popitem", "popleft", "clear", "update", "setdefault", "discard", "sort", "reverse", "rotate",
    "extendleft", "move_to_end", "difference_update", "intersection_update", "symmetric_difference_update",
    "__setitem__", "__delitem__",
}  # fmt: skip
_SETS: Final = (setattr, delattr, object.__setattr__, object.__delattr__)
_MORE: Final = ""
"""The name of an argument that stands for more, of which nothing is known."""


class Calls(Attributes):
    """Tells what calls give, and notes what they do."""

    def call(self, node: ast.Call) -> Value:
        """What a call gives."""
        on = None
        if isinstance(node.func, ast.Attribute):
            on = self.value(node.func.value)
            function = self.looked_at(self.attribute_of(on, node.func.attr), node.func)
        else:
            function = self.value(node.func)
        given, named = self._arguments(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGES:
            self._grown(node.func, on, given, node)
        return self.called(function, given, named, node)

    def _arguments(self, node: ast.Call) -> tuple[Sequence[Value], Mapping[str, Value]]:
        given = [self.value(each) for each in node.args]
        named = {each.arg or _MORE: self.value(each.value) for each in node.keywords}
        for at_, each in enumerate(node.args):
            if isinstance(each, ast.Starred):
                return given[:at_], named | {_MORE: None}
        return given, named

    def _grown(self, function: ast.Attribute, on: Value, given: Sequence[Value], node: ast.Call) -> None:
        """A collection that has a name is changed by a method of it."""
        if isinstance(on, Some) and on.given and on.can_change:
            self.note("changes", f"{ast.unparse(function)}()", node)
        if function.attr in _ADDS and isinstance(function.value, ast.Name) and given:
            name, by = function.value.id, element(given[-1]) if function.attr == "extend" else given[-1]
            if name in self.frame.bound:
                self.frame.bind(name, grown(on, by, self.when))

    def called(self, function: Value, given: Sequence[Value], named: Mapping[str, Value], node: ast.Call) -> Value:
        """What a call gives."""
        match function:
            case Local(result):
                return result
            case Method(own, on):
                return self._method(own.value, on, given, named, node)
            case Several(by_key):
                return self._any_of(by_key, given, named, node)
            case Known(thing):
                return self._known(thing, given, named, node)
            case _:
                return None

    def _any_of(
        self, by_key: Sequence[tuple[Known, Value]], given: Sequence[Value], named: Mapping[str, Value], node: ast.Call
    ) -> Value:
        values: list[Value] = []
        for key, each in by_key:
            with self.only(frozenset(cls for cls in self.every if cls is key.value) or None):
                if self.when is None or self.when:
                    values.append(self.called(each, given, named, node))
        return any_of(values)

    def _method(
        self, function: Any, on: Value, given: Sequence[Value], named: Mapping[str, Value], node: ast.Call  # noqa: ANN401
    ) -> Value:  # fmt: skip
        some = as_some(on)
        classes: frozenset[type[Any]] = some.classes if some else frozenset()
        cls = next(iter(classes), None)
        if _is(function, Send.otherwise, Call.otherwise):
            self._each("falls back", _argument(given, named, 0, "event"), node)
            return on
        if cls is not None and issubclass(cls, Fold) and attribute(function, "__name__") == "send":
            self._sent("", _argument(given, named, 1, "command"), node)
            return of_class(Send)
        self._outside(function, node, cls)
        return self._own(function, [on, *given], named)

    def _own(self, function: object, given: Sequence[Value], named: Mapping[str, Value]) -> Value:
        """What a function gives, by its source if it is the application's, otherwise by its annotation."""
        found, first, more = opened(function)
        if found is None:
            return None
        if is_foreign(found, self.own):
            return of_hint(hints_of(found).get("return", Any))
        known = {name: Known(value) for name, value in more.items()}
        return self.followed(found, [*map(Known, first), *given], {**known, **named})

    def _known(self, thing: Any, given: Sequence[Value], named: Mapping[str, Value], node: ast.Call) -> Value:  # noqa: ANN401, C901, PLR0911 - a table of what is called
        owner, name = attribute(thing, "__self__"), attribute(thing, "__name__")
        every = [*given, *named.values()]
        if is_a(owner, Decider) and name == "send":
            self._sent(owner.category, _argument(given, named, 1, "command"), node)
            return of_class(Send)
        if is_a(owner, EffectHandler) and name == "send":
            self.note("calls", owner.name, node)
            return of_class(Call)
        if is_a(thing, type):
            return self._made(thing, given, named, node)
        if name in _SAME and every and is_foreign(thing, self.own):
            return _same(as_some(given[0] if given else None, self.when), str(name))
        if _is(thing, after, at):
            self._each("sets", _argument(given, named, 1, "timeout"), node)
            return of_class(After)
        if thing is cancel:
            self._cancelled(_argument(given, named, 0, "timeout"), node)
            return of_class(Cancel)
        if _is(thing, finish, fail):
            self.note("ends", name, node)
            return of_class(Finish)
        if _is(thing, sql, ask):
            self.note("sql", _text(given[0] if given else None), node)
            return of_class(Statement if thing is sql else Question)
        if _is(thing, *_SETS) and given and self.is_given(given[0]):
            self.note("changes", ast.unparse(node), node)
        if _is(thing, sorted, iter):
            return collection((element(given[0]),), self.when) if given else None
        if _is(thing, next, max, min):
            return any_of(given, self.when) if given[1:] and thing is not next else element(every[0]) if every else None
        self._outside(thing, node, None)
        if attribute(thing, "registry") is not None and plain(thing) is not None:
            return self.read(thing, *given)
        return self._own(thing, given, named)

    def is_given(self, on: Value) -> bool:
        """Whether it is of what the function was given."""
        return isinstance(on, Message) or (isinstance(on, Some) and on.given)

    def read(self, function: object, *arguments: Value) -> Value:
        """What something callable gives when it is called with these; None if that cannot be told."""
        registry: Mapping[Any, Any] | None = attribute(function, "registry")
        if registry is not None and arguments and isinstance(arguments[0], Message):
            return self._dispatched(registry, arguments[0], arguments[1:])
        found, first, named = opened(function)
        if found is None:
            return None
        return self.followed(
            found, [*map(Known, first), *arguments], {name: Known(each) for name, each in named.items()}
        )

    def _dispatched(self, registry: Mapping[Any, Any], message: Message, rest: Sequence[Value]) -> Value:
        values: list[Value] = []
        for cls, each in registry.items():
            with self.only(message.classes & {cls}):
                if cls in message.classes:
                    values.append(self.read(each, Message(frozenset({cls})), *rest))
        return any_of(values)

    # Classes ------------------------------------------------------------------

    def _made(self, cls: type[Any], given: Sequence[Value], named: Mapping[str, Value], node: ast.Call) -> Value:
        if cls in _COLLECT:
            found = given[1] if cls is filter and given[1:] else given[0] if given else Row(())
            return collection((element(found),), self.when)
        if cls is map and given:
            rows = given[1] if len(given) > 1 else None
            each = rows.values if isinstance(rows, Row) else [element(rows)]
            return collection([self.called(given[0], [one], {}, node) for one in each], self.when)
        if cls in {enumerate, zip} and given:
            row = (of_class(int), element(given[0])) if cls is enumerate else tuple(map(element, given))
            return collection((Row(row),), self.when)
        if cls is Send:
            category = _argument(given, named, 0, "category")
            self._sent(_text(category) or "", _argument(given, named, 2, "command"), node)
            self._falls_back(_argument(given, named, 3, "fallback", NOTHING), node)
        elif cls is Call:
            effect = _text(_argument(given, named, 0, "effect"))
            self.note("cannot tell" if effect is None else "calls", effect or "calls", node)
            self._falls_back(_argument(given, named, 2, "fallback", NOTHING), node)
        elif cls in {After, At}:
            self._each("sets", _argument(given, named, 1, "timeout"), node)
        elif cls is Cancel:
            self._cancelled(_argument(given, named, 0, "timeout"), node)
        elif cls in {Finish, Fail}:
            self.note("ends", cls.__name__.lower(), node)
        elif cls is Statement or cls is Question:
            self.note("sql", _text(given[0] if given else None), node)
        else:
            self._outside(cls, node, None)
            self._built(cls, given, named, node)
        self.note("makes", cls, node) if _is_event(cls) else None
        return of_class(cls, when=self.when)

    def _built(self, cls: type[Any], given: Sequence[Value], named: Mapping[str, Value], node: ast.Call) -> None:
        """What the class's own code does when something is made of it."""
        if is_foreign(cls, self.own):
            return
        if _MORE not in named:
            for name, at_, factory in factories_of(cls):
                if name not in named and at_ >= len(given):
                    self.called(Known(factory), (), {}, node)
        for function, arguments in (("__init__", given), ("__post_init__", ())):
            found = attribute(cls, function)
            if type(found) is FunctionType and tree_of(found) is not None and not is_foreign(found, self.own):
                self.followed(found, [of_class(cls), *arguments], named if function == "__init__" else {})

    def _falls_back(self, value: Value, node: ast.AST) -> None:
        self._each("falls back", value, node)

    def _sent(self, category: str, command: Value, node: ast.Call) -> None:
        some = as_some(command)
        if some is None or not some.classes:
            self.note("sends", (category, None), node)
        for cls in some.classes if some else ():
            self.note("sends", (category, cls), node)

    def _each(self, doing: Doing, value: Value, node: ast.AST) -> None:
        some = as_some(value)
        if some is None:
            self.note("cannot tell", doing, node)
        for cls in some.classes if some else ():
            self.note(doing, cls, node)

    def _cancelled(self, value: Value, node: ast.AST) -> None:
        if isinstance(value, Known) and is_a(value.value, type):
            self.note("cancels", value.value, node)
        else:
            self.note("cannot tell", "cancels", node)

    def _outside(self, thing: object, node: ast.Call, on: type[Any] | None) -> None:
        found = outside(thing, on)
        if found is not None:
            self.note("looks outside", found, node)


def _argument(given: Sequence[Value], named: Mapping[str, Value], at_: int, name: str, absent: Value = None) -> Value:
    """An argument, by its name or its place."""
    if name in named:
        return named[name]
    return given[at_] if at_ < len(given) else None if _MORE in named else absent


def _same(value: Some | None, name: str) -> Some | None:
    """A copy: as deep as its name says."""
    if value is None:
        return None
    return Some(value.parts, of=_new(value.of) if name == "deepcopy" else value.of)


def _new(value: Value) -> Value:
    return replace(value, given=False, of=_new(value.of)) if isinstance(value, Some) else value


def _text(value: Value) -> str | None:
    return value.value if isinstance(value, Known) and type(value.value) is str else None


def _is(thing: object, *those: object) -> bool:
    return any(thing is each for each in those)


def _is_event(cls: type[Any]) -> bool:
    spec = cls.__dict__.get("__refold_spec__")
    return spec is not None and spec_of(cls, spec.kind).kind == "event"
