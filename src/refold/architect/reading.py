"""Reading: what code does with the messages that it is called with, found in its source without running it.

Statements are walked in their order; what expressions give is told by classes. Helpers of the application are followed, with
what they are called with. `match` and `isinstance` on the message tell for which classes of it something is so. What cannot
be told is `None`, and never guessed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from sys import maxsize
from types import FunctionType
from typing import Any, Final

from refold.architect.frames import Frame, Names, merged
from refold.architect.hints import of_hint
from refold.architect.source import hints_of, names_of, place_of, tree_of
from refold.architect.telling import Telling
from refold.architect.values import (
    NOTHING,
    Known,
    Local,
    Row,
    Some,
    Value,
    When,
    added,
    any_of,
    collection,
    element,
    is_a,
)
from refold.schema.hashing import Definition

_DEEPEST: Final = 8


class Reader(Telling):
    """Reads one function, and the helpers that it calls; `noted` is what was found."""

    def __init__(self, every: frozenset[type[Any]], own: frozenset[str]) -> None:
        super().__init__(every, own)
        self._remembered: dict[object, tuple[Value, int]] = {}
        self._lowest = maxsize
        """The lowest on the stack that what was read last would not be the same without."""

    def read(self, function: object, *arguments: Value) -> Value:
        """What something callable gives when it is called with these; None if that cannot be told."""
        if not is_a(function, type):
            return super().read(function, *arguments)
        place = place_of(function)
        self.frame = Frame(function, place.file, {}, {})
        return self.called(Known(function), arguments, {}, ast.Call(ast.Name("cls"), [], [], lineno=place.line))

    def followed(
        self, function: FunctionType, arguments: Sequence[Value], named: Mapping[str, Value] | None = None
    ) -> Value:
        """What a function gives, which is read once for the same arguments. One named "" stands for more, that are not known."""
        tree, depth = tree_of(function), len(self.stack)
        if tree is None or function in self.stack or depth > _DEEPEST:
            self._lowest = min(self._lowest, self.stack.index(function) if function in self.stack else 0)
            return NOTHING if function in self.stack else None
        asked = (function, tuple(arguments), frozenset((named or {}).items()), self.when)
        asked_here = (*asked, *self.stack)
        if asked not in self._remembered and asked_here not in self._remembered:
            outer, self._lowest = self._lowest, maxsize
            value = self._read(function, tree, self._bound(function, tree.args, arguments, named or {}))
            self._remembered[asked if self._lowest >= depth else asked_here] = value, self._lowest
            self._lowest = outer
        value, lowest = self._remembered.get(asked) or self._remembered[asked_here]
        self._lowest = min(self._lowest, lowest)
        return value

    def _read(self, function: FunctionType, tree: Definition, bound: Names) -> Value:
        frame = Frame(function, function.__code__.co_filename, names_of(function), bound)
        self.stack.append(function)
        outer, self.frame = self.__dict__.get("frame"), frame
        try:
            return self._body(tree)
        except Exception:  # noqa: BLE001 - whatever code there is that nobody thought of
            self.note("cannot tell", "gives", tree)
            return None
        finally:
            self.stack.pop()
            if outer is not None:
                self.frame = outer

    def _body(self, tree: Definition) -> Value:
        if isinstance(tree, ast.Lambda):
            return self.value(tree.body)
        self.walk(tree.body)
        yields, gives = self.frame.yields, self.frame.gives
        return collection(yields) if yields else any_of(gives) if len(gives) != 1 else gives[0]

    def _bound(
        self, function: FunctionType, args: ast.arguments, given: Sequence[Value], named: Mapping[str, Value]
    ) -> Names:
        hints = hints_of(function)
        names = [each.arg for each in (*args.posonlyargs, *args.args)]
        defaults: Mapping[str, object] = {} if "" in named else _defaults(function, names)
        bound: Names = dict(zip(names, given, strict=False)) | {name: each for name, each in named.items() if name}
        for name in [*names, *(each.arg for each in args.kwonlyargs)]:
            if name not in bound and name in defaults:
                bound[name] = Known(defaults[name])
            elif bound.get(name) is None:
                bound[name] = of_hint(hints[name]) if name in hints else None
        for rest in filter(None, (args.vararg, args.kwarg)):
            bound[rest.arg] = None
        return bound

    # Statements ---------------------------------------------------------------

    def statement(self, each: ast.stmt) -> When:
        """One statement. Given are the classes of the message for which code goes on behind it."""
        match each:
            case ast.If():
                return self.branch(each)
            case ast.Match():
                return self.match(each)
            case ast.With(items, body) | ast.AsyncWith(items, body):
                self._entered(items)
                return self.walk(body)
            case ast.For() | ast.AsyncFor():
                over = element(self.value(each.iter))
                self._again([each.target], over, each.body)
                self.walk(each.orelse)
            case ast.While(test, body, orelse):
                self.value(test)
                self._again([], None, body)
                self.walk(orelse)
            case ast.Try() | ast.TryStar():
                return self._tried(each)
            case _:
                self._simple(each)
        return self.when

    def _simple(self, each: ast.stmt) -> None:  # noqa: C901, PLR0912 - a table of statements
        match each:
            case ast.Expr(value):
                self.value(value)
            case ast.Return(result):
                self.frame.gives.append(Known(None) if result is None else self.value(result))
            case ast.Assign(targets, result):
                given = self.value(result)
                for target in targets:
                    self.bind(target, given)
            case ast.AnnAssign(target, annotation, result):
                given = None if result is None else self.value(result)
                self.bind(target, given or of_hint(self.annotation(annotation)))
            case ast.AugAssign(target, _, value):
                self._augmented(target, self.value(target), self.value(value))
            case ast.Delete(targets):
                for target in targets:
                    self.changed(target)
            case ast.Raise(first, second) | ast.Assert(first, second):
                for said in filter(None, (first, second)):
                    self.value(said)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.frame.bind(each.name, Local(self._nested(each)))
            case ast.Import() | ast.ImportFrom():
                self.imported(each)
            case _:
                pass

    def _entered(self, items: Sequence[ast.withitem]) -> None:
        for item in items:
            entered = self.value(item.context_expr)
            if item.optional_vars is not None:
                is_generator = isinstance(entered, Some) and entered.of is not None
                self.bind(item.optional_vars, element(entered) if is_generator else entered)

    def _again(self, targets: Sequence[ast.expr], each: Value, body: Sequence[ast.stmt]) -> None:
        """What may run any number of times."""

        def once() -> When:
            for target in targets:
                self.bind(target, each)
            self.walk(body)
            return self.when

        self.ways((None, once), (None, lambda: self.when))

    def _tried(self, each: ast.Try | ast.TryStar) -> When:
        before = dict(self.frame.bound)
        left = self.walk([*each.body, *each.orelse])
        after, self.frame.bound = self.frame.bound, merged([before, self.frame.bound])

        def went_well() -> When:
            self.frame.bound = after
            return left

        left = self.ways((None, went_well), *((None, partial(self._caught, caught)) for caught in each.handlers))
        self.walk(each.finalbody)
        return left

    def _caught(self, handler: ast.ExceptHandler) -> When:
        if handler.type is not None:
            self.value(handler.type)
        if handler.name is not None:
            self.frame.bind(handler.name, None)
        return self.walk(handler.body)

    def _nested(self, each: ast.FunctionDef | ast.AsyncFunctionDef) -> Value:
        """What a function gives that is written inside: its names are those around it."""
        outer = self.frame
        inner = Frame(outer.function, outer.file, outer.names, dict(outer.bound))
        for arg in (*each.args.posonlyargs, *each.args.args, *each.args.kwonlyargs):
            hint = None if arg.annotation is None else self.annotation(arg.annotation)
            inner.bound[arg.arg] = None if hint is None else of_hint(hint)
        self.frame = inner
        try:
            return self._body(each)
        finally:
            self.frame = outer

    # Names --------------------------------------------------------------------

    def bind(self, target: ast.expr, value: Value) -> None:
        """An assignment: of a name, or as a change of what has the name."""
        match target:
            case ast.Name(name):
                self.frame.bind(name, value)
            case ast.Tuple(targets) | ast.List(targets):
                values: Iterable[Value] = (
                    value.values
                    if isinstance(value, Row) and len(value.values) == len(targets)
                    else [element(value)] * len(targets)
                )
                for each, part in zip(targets, values, strict=True):
                    self.bind(each, part)
            case ast.Starred(inner):
                self.bind(inner, collection((value,)))
            case _:
                self.changed(target)

    def _augmented(self, target: ast.expr, before: Value, by: Value) -> None:
        """`+=` and the like: they change a collection in place, and give anything else a new value."""
        result = added((before, by))
        if isinstance(before, Some) and before.can_change and result is not None:
            result = replace(result, given=before.given, can_change=True)
        if isinstance(before, Some) and before.can_change and before.given and isinstance(target, ast.Name):
            self.note("changes", target.id, target)
        self.bind(target, result)

    def changed(self, target: ast.expr) -> None:
        """Something that has a name is changed in place."""
        if isinstance(target, ast.Attribute | ast.Subscript) and self.is_given(self.value(target.value)):
            self.note("changes", ast.unparse(target), target)


def _defaults(function: FunctionType, names: Sequence[str]) -> Mapping[str, object]:
    last = function.__defaults__ or ()
    return dict(zip(names[len(names) - len(last) :], last, strict=True)) | (function.__kwdefaults__ or {})
