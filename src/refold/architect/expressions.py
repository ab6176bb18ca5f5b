"""Expressions: what they give, told by classes, and what happens on the way."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# What is looked at here are objects of any class.

from __future__ import annotations

import ast
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from types import FunctionType, GenericAlias
from typing import Any

from refold.architect.frames import Frame
from refold.architect.hints import classes_of_test
from refold.architect.noted import Doing, Noted
from refold.architect.outside import is_environment
from refold.architect.parts import Place
from refold.architect.source import attribute
from refold.architect.values import (
    Known,
    Local,
    Row,
    Value,
    When,
    added,
    any_of,
    collection,
    copied,
    either,
    element,
    of_class,
    table,
)


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
        """What a function gives. An argument that is named "" stands for more, of which nothing is known."""

    @abstractmethod
    def attribute_of(self, on: Value, name: str) -> Value:
        """An attribute of something."""

    @abstractmethod
    def item_of(self, on: Value, index: Value) -> Value:
        """An item of something."""

    @abstractmethod
    def call(self, node: ast.Call) -> Value:
        """What a call gives."""

    @abstractmethod
    def bind(self, target: ast.expr, value: Value) -> None:
        """An assignment."""

    @abstractmethod
    def told(self, test: ast.expr) -> tuple[When, When]:
        """The classes of the message for which a test may hold, and those for which it may not."""

    def note(self, doing: Doing, what: object, node: ast.AST) -> None:
        """Something is done here."""
        name = f"{self.frame.function.__module__}.{self.frame.function.__qualname__}"
        self.noted.append(Noted(doing, what, self.when, Place(self.frame.file, getattr(node, "lineno", 0), name)))

    @contextmanager
    def only(self, classes: When) -> Generator[None]:
        """What is found meanwhile is so for these classes alone."""
        before = self.when
        if classes is not None:
            self.when = classes if before is None else before & classes
        try:
            yield
        finally:
            self.when = before

    def value(self, node: ast.expr) -> Value:  # noqa: C901, PLR0911, PLR0912 - a table of expressions
        """What an expression gives."""
        match node:
            case ast.Constant(value):
                return Known(value)
            case ast.Name(name):
                return self.looked_at(self.frame.value(name), node)
            case ast.Attribute(of, name):
                return self.looked_at(self.attribute_of(self.value(of), name), node)
            case ast.Call():
                return self.call(node)
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
                return self._one_of_two(test, body, orelse)
            case ast.BoolOp(_, sides):
                return any_of([self.value(each) for each in sides], self.when)
            case ast.BinOp(left, ast.Add() | ast.BitOr(), right):
                return added((self.value(left), self.value(right)), self.when)
            case ast.Tuple(items) if not any(isinstance(each, ast.Starred) for each in items):
                return Row(tuple(self.value(each) for each in items))
            case ast.Tuple(items) | ast.List(items) | ast.Set(items):
                return collection([self.value(each) for each in items], self.when)
            case ast.ListComp(item, loops) | ast.SetComp(item, loops) | ast.GeneratorExp(item, loops):
                return self._loops(loops, lambda: collection((self.value(item),), self.when))
            case ast.DictComp(key, value, loops):
                return self._loops(loops, lambda: (self.value(key), table((self.value(value),)))[1])
            case ast.Dict(keys, values):
                return table([self._entry(*pair) for pair in zip(keys, values, strict=True)])
            case ast.Subscript(of, ast.Slice() as part):
                self._inside(part)
                return copied(self.value(of))
            case ast.Subscript(of, index):
                return self.item_of(self.value(of), self.value(index))
            case ast.Lambda(args, body):
                names = [each.arg for each in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
                with self.frame.within(names):
                    self.frame.bound.update(dict.fromkeys(names))
                    return Local(self.value(body))
            case ast.JoinedStr():
                self._inside(node)
                return of_class(str)
            case _:
                self._inside(node)
                return None

    def _inside(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child)
            else:
                self._inside(child)

    def _one_of_two(self, test: ast.expr, body: ast.expr, orelse: ast.expr) -> Value:
        self.value(test)
        values: list[Value] = []
        for side, classes in zip((body, orelse), self.told(test), strict=True):
            with self.only(classes):
                if self.when is None or self.when:
                    values.append(self.value(side))
        return either(values[0], values[-1]) if values else None

    def _entry(self, key: ast.expr | None, value: ast.expr) -> Value:
        if key is None:
            return self.item_of(self.value(value), None)
        self.value(key)
        return self.value(value)

    def _loops(self, loops: Sequence[ast.comprehension], given: Callable[[], Value]) -> Value:
        over = element(self.value(loops[0].iter))
        with self.frame.within([*_names(each.target for each in loops)]):
            for loop in loops:
                self.bind(loop.target, over if loop is loops[0] else element(self.value(loop.iter)))
                for test in loop.ifs:
                    self.value(test)
            return given()

    def looked_at(self, value: Value, node: ast.expr) -> Value:
        """Something that is named here."""
        if isinstance(value, Known) and is_environment(value.value):
            self.note("looks outside", ("world", "os.environ"), node)
        return value

    # Names --------------------------------------------------------------------

    def resolved(self, node: ast.expr) -> object:
        """The object that a name, or a name in something, stands for."""
        found = self.value(node) if isinstance(node, ast.Name | ast.Attribute) else None
        return found.value if isinstance(found, Known) else None

    def classes_named(self, node: ast.expr) -> tuple[type[Any], ...] | None:
        """The classes that `isinstance` is given; None if they cannot be told."""
        match node:
            case ast.Tuple(each) | ast.List(each) | ast.Set(each):
                several = [self.classes_named(one) for one in each]
            case ast.BinOp(left, ast.BitOr(), right):
                several = [self.classes_named(left), self.classes_named(right)]
            case _:
                several = [classes_of_test(self.resolved(node))]
        return None if None in several else tuple(cls for each in several for cls in each or ())

    def annotation(self, node: ast.expr) -> Any:  # noqa: ANN401 - whatever is written there
        """What an annotation inside a function says: a class alone, or a collection of one."""
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Tuple):
            found, around = self.resolved(node.slice), self.resolved(node.value)
            is_collection = isinstance(around, type) and issubclass(around, Iterable)
            return GenericAlias(Iterable, (found,)) if is_collection and isinstance(found, type) else found
        found = self.resolved(node)
        return found if found is not None else Any

    def imported(self, node: ast.Import | ast.ImportFrom) -> None:
        """An import inside a function: of what is loaded, the names are known."""
        for alias in node.names:
            if isinstance(node, ast.Import):
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                found: object = sys.modules.get(name)
            else:
                found = None if node.level else attribute(sys.modules.get(node.module or ""), alias.name)
            bound = alias.asname or alias.name.partition(".")[0]
            self.frame.bound[bound] = None if found is None else Known(found)


def _names(targets: Iterable[ast.expr]) -> Iterable[str]:
    return (node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name))
