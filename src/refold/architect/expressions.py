"""Expressions: what they give, told by classes, and what happens on the way."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# What is looked at here are objects of any class.

from __future__ import annotations

import ast
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import FunctionType, ModuleType
from typing import Any, Final

from refold.architect.frames import Frame
from refold.architect.noted import Doing, Noted
from refold.architect.outside import is_environment, outside
from refold.architect.parts import Place
from refold.architect.source import attribute, hints_of, is_foreign, plain
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
    When,
    as_some,
    either,
    element,
    joined,
    of_class,
    of_hint,
)
from refold.external import Call, EffectHandler
from refold.fold import Decider, Fold, Send
from refold.messages import Recorded, spec_of
from refold.process import After, At, Cancel, Fail, Finish, after, at, cancel, fail, finish
from refold.projection import Question, Statement, ask, sql

_SAME: Final = {"replace", "copy", "deepcopy", "__replace__", "evolve"}
_COLLECT: Final = {list, tuple, set, frozenset, reversed, filter}
_ADDS: Final = {"append", "extend", "add", "insert", "appendleft"}
_CHANGES: Final = _ADDS | {"remove", "pop", "popitem", "clear", "update", "setdefault", "discard", "sort", "reverse"}


class Expressions(ABC):
    """Tells what expressions give. `when`: for which classes of the message this is so; `every`: all of them."""

    def __init__(self, every: frozenset[type[Any]], own: frozenset[str]) -> None:
        self.every, self.own = every, own
        self.when: When = None
        self.noted: list[Noted] = []
        self.stack: list[FunctionType] = []
        self.frame: Frame

    @abstractmethod
    def followed(
        self, function: FunctionType, arguments: Sequence[Value], named: Mapping[str, Value] | None = None
    ) -> Value:
        """What a function gives."""

    def note(self, doing: Doing, what: object, node: ast.AST) -> None:
        """Something is done here."""
        name = f"{self.frame.function.__module__}.{self.frame.function.__qualname__}"
        self.noted.append(Noted(doing, what, self.when, Place(self.frame.file, getattr(node, "lineno", 0), name)))

    def value(self, node: ast.expr) -> Value:  # noqa: C901, PLR0911, PLR0912 - a table of expressions
        """What an expression gives."""
        match node:
            case ast.Constant(value):
                return Known(value)
            case ast.Name(name):
                return self._looked_at(self.frame.value(name), node)
            case ast.Attribute(of, name):
                return self._looked_at(self._attribute(self.value(of), name), node)
            case ast.Call():
                return self._call(node)
            case ast.Yield(value):
                self.frame.yields.append(Known(None) if value is None else self.value(value))
                return None
            case ast.YieldFrom(value):
                self.frame.yields.append(element(self.value(value)))
                return None
            case ast.Await(value):
                return self.value(value)
            case ast.Starred(value):
                return element(self.value(value))
            case ast.NamedExpr(ast.Name(name), value):
                self.frame.bind(name, found := self.value(value))
                return found
            case ast.IfExp(test, body, orelse):
                self.value(test)
                return either(self.value(body), self.value(orelse))
            case ast.BoolOp(_, sides):
                return joined([self.value(each) for each in sides], self.when)
            case ast.BinOp(left, ast.Add() | ast.BitOr(), right):
                return joined((self.value(left), self.value(right)), self.when)
            case ast.Tuple(items) if not any(isinstance(each, ast.Starred) for each in items):
                return Row(tuple(self.value(each) for each in items))
            case ast.Tuple(items) | ast.List(items) | ast.Set(items):
                return joined([self.value(each) for each in items], self.when)
            case ast.ListComp(item, loops) | ast.SetComp(item, loops) | ast.GeneratorExp(item, loops):
                self._loops(loops)
                return self.value(item)
            case ast.DictComp(key, value, loops):
                self._loops(loops)
                _ = self.value(key), self.value(value)
                return of_class(dict)
            case ast.Subscript(of, index):
                return self._subscript(self.value(of), self.value(index))
            case ast.Lambda(args, body):
                for each in (*args.posonlyargs, *args.args, *args.kwonlyargs):
                    self.frame.bound[each.arg] = None
                return Local(self.value(body))
            case ast.JoinedStr():
                self._inside(node)
                return of_class(str)
            case ast.Dict():
                self._inside(node)
                return of_class(dict)
            case _:
                self._inside(node)
                return None

    def _inside(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child)
            else:
                self._inside(child)

    def _loops(self, loops: Sequence[ast.comprehension]) -> None:
        for loop in loops:
            self.bind(loop.target, element(self.value(loop.iter)))
            for test in loop.ifs:
                self.value(test)

    @abstractmethod
    def bind(self, target: ast.expr, value: Value) -> None:
        """An assignment."""

    def _looked_at(self, value: Value, node: ast.expr) -> Value:
        if isinstance(value, Known) and is_environment(value.value):
            self.note("looks outside", ("world", "os.environ"), node)
        return value

    # Names --------------------------------------------------------------------

    def resolved(self, node: ast.expr) -> object:
        """The object that a name, or a name in something, stands for; classes of a tuple or union."""
        match node:
            case ast.Tuple(values):
                return tuple(each for each in map(self.resolved, values) if isinstance(each, type))
            case ast.BinOp(left, ast.BitOr(), right):
                sides = (self.resolved(left), self.resolved(right))
                return tuple(each for each in sides if isinstance(each, type))
            case ast.Name() | ast.Attribute():
                found = self.value(node)
                return found.value if isinstance(found, Known) else None
            case _:
                return None

    def annotation(self, node: ast.expr) -> Any:  # noqa: ANN401 - whatever is written there
        """What an annotation inside a function says: a class alone, or a collection of one."""
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Tuple):
            return self.resolved(node.slice)
        found = self.resolved(node)
        return found if found is not None else Any

    def imported(self, node: ast.Import | ast.ImportFrom) -> None:
        """An import inside a function: of what is loaded, the names are known."""
        for alias in node.names:
            if isinstance(node, ast.Import):
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                found: object = sys.modules.get(name)
            else:
                found = getattr(sys.modules.get(node.module or ""), alias.name, None) if not node.level else None
            bound = alias.asname or alias.name.partition(".")[0]
            self.frame.bound[bound] = None if found is None else Known(found)

    def _attribute(self, on: Value, name: str) -> Value:  # noqa: PLR0911 - a table
        match on:
            case Envelope(message) if name == "data":
                return message
            case Envelope():
                return _of_classes(frozenset({Recorded}), name, on, given=True)
            case Message(classes):
                return _of_classes(classes if self.when is None else classes & self.when, name, on, given=True)
            case Known(ModuleType() as module):
                found = attribute(module, name)
                return None if found is None else Known(found)
            case Known(thing):
                found = attribute(thing, name)
                return Known(found) if found is not None else _of_classes(frozenset({type(thing)}), name, on)
            case Some():
                return _of_classes(on.classes, name, on, given=on.given)
            case _:
                return None

    def _subscript(self, on: Value, index: Value) -> Value:  # noqa: PLR0911 - a table
        match on, index:
            case Known(dict() as table), Known(key) if key in table:  # pyright: ignore[reportUnknownVariableType]
                return Known(table[key])  # pyright: ignore[reportUnknownArgumentType]
            case Known(dict() as table), _:
                return Several(tuple((key, Known(each)) for key, each in table.items()))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType, reportUnknownMemberType]
            case Known(type()), _:
                return on
            case Row(values), Known(int() as at) if -len(values) <= at < len(values):
                return values[at]
            case Row(), _:
                return element(on)
            case Some(), _ if not on.classes & {dict}:
                return on
            case _:
                return None

    # Calls --------------------------------------------------------------------

    def _call(self, node: ast.Call) -> Value:
        self._grown(node)
        function = self.value(node.func)
        given = [self.value(each) for each in node.args]
        named = {each.arg: self.value(each.value) for each in node.keywords if each.arg is not None}
        for each in node.keywords:
            if each.arg is None:
                self.value(each.value)
        return self.called(function, given, named, node)

    def _grown(self, node: ast.Call) -> None:
        """A collection that has a name is changed by a method of it."""
        if not isinstance(node.func, ast.Attribute) or node.func.attr not in _CHANGES:
            return
        on = self.value(node.func.value)
        match on:
            case Some() if on.given and on.can_change:
                self.note("changes", f"{ast.unparse(node.func)}()", node)
            case _:
                pass
        if node.func.attr in _ADDS and isinstance(node.func.value, ast.Name) and node.args:
            name = node.func.value.id
            if name in self.frame.bound:
                self.frame.bound[name] = joined((on, element(self.value(node.args[-1]))), self.when)

    def called(self, function: Value, given: Sequence[Value], named: Mapping[str, Value], node: ast.Call) -> Value:
        """What a call gives."""
        match function:
            case Local(result):
                return result
            case Method(own, on):
                return self._method(own, on, given, named, node)
            case Several(by_key):
                return self._any_of(by_key, given, named, node)
            case Known(thing):
                return self._known(thing, given, named, node)
            case _:
                return None

    def _any_of(
        self, by_key: Sequence[tuple[object, Value]], given: Sequence[Value], named: Mapping[str, Value], node: ast.Call
    ) -> Value:
        values: list[Value] = []
        before = self.when
        for key, each in by_key:
            if isinstance(key, type) and key in self.every:
                self.when = frozenset({key}) if before is None else before & {key}
            values.append(self.called(each, given, named, node))
            self.when = before
        return joined(values)

    def _method(
        self, function: Any, on: Value, given: Sequence[Value], named: Mapping[str, Value], node: ast.Call  # noqa: ANN401
    ) -> Value:  # fmt: skip
        some = as_some(on)
        classes: frozenset[type[Any]] = some.classes if some else frozenset()
        cls = next(iter(classes), None)
        if _is(function, Send.otherwise, Call.otherwise):
            self._each("falls back", [*given, *named.values()][:1], node)
            return on
        if cls is not None and issubclass(cls, Fold) and getattr(function, "__name__", "") == "send":
            self._sent("", [*given, named.get("command")], node)
            return of_class(Send)
        self._outside(function, node, cls)
        found = plain(function)
        if found is None or is_foreign(found, self.own):
            return self._promised(function)
        return self.followed(found, [on, *given], named)

    def _known(self, thing: Any, given: Sequence[Value], named: Mapping[str, Value], node: ast.Call) -> Value:  # noqa: ANN401, C901, PLR0911 - a table of what is called
        owner, name = getattr(thing, "__self__", None), getattr(thing, "__name__", "")
        every = [*given, *named.values()]
        if isinstance(owner, Decider) and name == "send":
            self._sent(owner.category, every, node)
            return of_class(Send)
        if isinstance(owner, EffectHandler) and name == "send":
            self.note("calls", owner.name, node)
            return of_class(Call)
        if name in _SAME and every and not isinstance(thing, type) and is_foreign(thing, self.own):
            same = as_some(given[0] if given else None, self.when)
            return None if same is None else Some(same.parts)
        if isinstance(thing, type):
            return self._made(thing, given, named, node)
        if _is(thing, after, at):
            self._each("sets", every[1:2], node)
            return of_class(After)
        if thing is cancel:
            self._cancelled(every[:1], node)
            return of_class(Cancel)
        if _is(thing, finish, fail):
            self.note("ends", name, node)
            return of_class(Finish)
        if _is(thing, sql, ask):
            text = given[0].value if given and isinstance(given[0], Known) else None
            self.note("sql", text, node)
            return of_class(Statement if thing is sql else Question)
        if _is(thing, sorted, iter, next, max, min):
            return element(every[0]) if every else None
        self._outside(thing, node, None)
        found = plain(thing)
        if found is None or is_foreign(found, self.own):
            return self._promised(thing)
        if getattr(thing, "registry", None) is not None:
            return self.read(thing, *given)
        bound = [Known(owner)] if owner is not None and found is getattr(thing, "__func__", None) else []
        return self.followed(found, [*bound, *given], named)

    @abstractmethod
    def read(self, function: object, *arguments: Value) -> Value:
        """What something callable gives."""

    def _made(self, cls: type[Any], given: Sequence[Value], named: Mapping[str, Value], node: ast.Call) -> Value:
        if cls in _COLLECT:
            found = given[1] if cls is filter and len(given) > 1 else given[0] if given else NOTHING
            return element(found)
        if cls is map and given:
            rows = given[1] if len(given) > 1 else None
            each = rows.values if isinstance(rows, Row) else [element(rows)]
            return joined([self.called(given[0], [one], {}, node) for one in each], self.when)
        every = [*given, *named.values()]
        if cls is Send:
            category = named.get("category", given[0] if given else None)
            self._sent(_text(category) or "", [None, named.get("command", next(iter(given[2:]), None))], node)
            self._each("falls back", [value for name, value in named.items() if name == "fallback"], node)
        elif cls is Call:
            effect = _text(named.get("effect", given[0] if given else None))
            self.note("cannot tell" if effect is None else "calls", effect or "calls", node)
            self._each("falls back", [value for name, value in named.items() if name == "fallback"], node)
        elif cls in {After, At}:
            self._each("sets", every[1:2], node)
        elif cls is Cancel:
            self._cancelled(every[:1], node)
        elif cls in {Finish, Fail}:
            self.note("ends", cls.__name__.lower(), node)
        elif cls is Statement or cls is Question:
            self.note("sql", given[0].value if given and isinstance(given[0], Known) else None, node)
        else:
            self._outside(cls, node, None)
        self.note("makes", cls, node) if _is_event(cls) else None
        return of_class(cls, when=self.when)

    def _sent(self, category: str, given: Sequence[Value], node: ast.Call) -> None:
        for value in given[1:2] or [None]:
            some = as_some(value)
            if some is None or not some.classes:
                self.note("sends", (category, None), node)
            for cls in some.classes if some else ():
                self.note("sends", (category, cls), node)

    def _each(self, doing: Doing, values: Sequence[Value], node: ast.AST) -> None:
        for value in values:
            some = as_some(value)
            if some is None:
                self.note("cannot tell", doing, node)
            for cls in some.classes if some else ():
                self.note(doing, cls, node)

    def _cancelled(self, values: Sequence[Value], node: ast.AST) -> None:
        for value in values:
            if isinstance(value, Known) and isinstance(value.value, type):
                self.note("cancels", value.value, node)
            else:
                self.note("cannot tell", "cancels", node)

    def _outside(self, thing: object, node: ast.Call, on: type[Any] | None) -> None:
        try:
            found = outside(thing, on)
        except Exception:  # noqa: BLE001 - whatever an object of the application's does when it is looked at
            found = None
        if found is not None:
            self.note("looks outside", found, node)

    def _promised(self, function: object) -> Value:
        hints = hints_of(function) if callable(function) else {}
        return of_hint(hints["return"]) if "return" in hints else None


def _of_classes(classes: frozenset[type[Any]], name: str, on: Value, *, given: bool = False) -> Value:
    """An attribute of something of these classes."""
    values: list[Value] = []
    ordered = sorted(classes, key=lambda each: each.__qualname__)
    for cls in ordered:
        found = attribute(cls, name)
        hint = hints_of(cls).get(name)
        if plain(found) is not None and not isinstance(found, type) and hint is None:
            values.append(Method(found, on))
        elif hint is not None:
            values.append(of_hint(hint, given=given))
        else:
            values.append(None)
    if len(values) == 1:
        return values[0]
    methods = [each for each in values if isinstance(each, Method)]
    if methods and len(methods) == len(values):
        return Several(tuple(zip(ordered, methods, strict=True)))
    return joined(values) if values else None


def _text(value: Value) -> str | None:
    return value.value if isinstance(value, Known) and isinstance(value.value, str) else None


def _is(thing: object, *those: object) -> bool:
    return any(thing is each for each in those)


def _is_event(cls: type[Any]) -> bool:
    spec = cls.__dict__.get("__refold_spec__")
    return spec is not None and spec_of(cls, spec.kind).kind == "event"
