"""Reading: what code does with the messages that it is called with, found in its source without running it.

Statements are walked in their order; what expressions give is told by classes. Helpers of the application are followed, with
what they are called with. `match` and `isinstance` on the message tell for which classes of it something is so. What cannot
be told is `None`, and never guessed.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# What is looked at here are objects of any class.

from __future__ import annotations

import ast
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from types import FunctionType
from typing import Any, Final

from refold.architect.expressions import Expressions
from refold.architect.frames import Frame
from refold.architect.source import hints_of, names_of, plain, tree_of
from refold.architect.values import (
    NOTHING,
    Known,
    Local,
    Message,
    Row,
    Some,
    Value,
    When,
    element,
    joined,
    of_hint,
)

_DEEPEST: Final = 8


class Reader(Expressions):
    """Reads one function, and the helpers that it calls; `noted` is what was found."""

    def read(self, function: object, *arguments: Value) -> Value:
        """What it gives when it is called with these; None if that cannot be told."""
        registry: Mapping[Any, Any] | None = getattr(function, "registry", None)
        if registry is not None and arguments and isinstance(arguments[0], Message):
            return self._dispatched(registry, arguments[0], arguments[1:])
        found = plain(function)
        return None if found is None else self.followed(found, arguments)

    def _dispatched(self, registry: Mapping[Any, Any], message: Message, rest: Sequence[Value]) -> Value:
        values: list[Value] = []
        for cls, each in registry.items():
            with self.only(message.classes & {cls}):
                if cls in message.classes:
                    values.append(self.read(each, Message(frozenset({cls})), *rest))
        return joined(values)

    def followed(
        self, function: FunctionType, arguments: Sequence[Value], named: Mapping[str, Value] | None = None
    ) -> Value:
        tree = tree_of(function)
        if tree is None or function in self.stack or len(self.stack) > _DEEPEST:
            return NOTHING if function in self.stack else None
        bound = self._bound(function, tree.args, arguments, named or {})
        frame = Frame(function, function.__code__.co_filename, names_of(function), bound)
        self.stack.append(function)
        outer, self.frame = self.__dict__.get("frame"), frame
        try:
            return self._body(tree)
        finally:
            self.stack.pop()
            if outer is not None:
                self.frame = outer

    def _body(self, tree: ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef) -> Value:
        if isinstance(tree, ast.Lambda):
            return self.value(tree.body)
        self.walk(tree.body)
        yields, gives = self.frame.yields, self.frame.gives
        return joined(yields) if yields else joined(gives) if len(gives) != 1 else gives[0]

    def _bound(
        self, function: FunctionType, args: ast.arguments, given: Sequence[Value], named: Mapping[str, Value]
    ) -> dict[str, Value]:
        hints = hints_of(function)
        names = [each.arg for each in (*args.posonlyargs, *args.args)]
        bound: dict[str, Value] = dict(zip(names, given, strict=False)) | dict(named)
        for name in [*names, *(each.arg for each in args.kwonlyargs)]:
            if bound.get(name) is None:
                bound[name] = of_hint(hints[name]) if name in hints else None
        for rest in filter(None, (args.vararg, args.kwarg)):
            bound[rest.arg] = None
        return bound

    # Statements ---------------------------------------------------------------

    def walk(self, body: Sequence[ast.stmt]) -> None:
        """Statements, one after another. After an `if` that leads away, only other classes of the message are left."""
        for index, each in enumerate(body):
            if isinstance(each, ast.If):
                inside = self.told(each.test)
                self._branches(each, inside)
                if inside is not None and _leads_away(each.body) and not each.orelse:
                    with self.only(self.all_but(inside)):
                        self.walk(body[index + 1 :])
                    return
            else:
                self.statement(each)

    def _branches(self, each: ast.If, inside: When) -> None:
        self.value(each.test)
        with self.only(inside):
            self.walk(each.body)
        with self.only(self.all_but(inside)):
            self.walk(each.orelse)

    def statement(self, each: ast.stmt) -> None:  # noqa: C901, PLR0912 - a table of statements
        """One statement."""
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
                self.bind(target, joined((self.value(target), self.value(value))))
            case ast.Delete(targets):
                for target in targets:
                    self.changed(target)
            case ast.For(target, iter, body, orelse) | ast.AsyncFor(target, iter, body, orelse):
                self.bind(target, element(self.value(iter)))
                self.walk([*body, *orelse])
            case ast.While(test, body, orelse):
                self.value(test)
                self.walk([*body, *orelse])
            case ast.With(items, body) | ast.AsyncWith(items, body):
                for item in items:
                    entered = self.value(item.context_expr)
                    if item.optional_vars is not None:
                        self.bind(item.optional_vars, entered)
                self.walk(body)
            case ast.Try(body, handlers, orelse, final):
                self.walk([*body, *(inner for handler in handlers for inner in handler.body), *orelse, *final])
            case ast.Raise(error, cause):
                for raised in filter(None, (error, cause)):
                    self.value(raised)
            case ast.Match():
                self._match(each)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.frame.bind(each.name, Local(self._nested(each)))
            case ast.Import() | ast.ImportFrom():
                self.imported(each)
            case _:
                pass

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

    # Telling messages apart ---------------------------------------------------

    def _match(self, each: ast.Match) -> None:
        subject = self.value(each.subject)
        left = self.message_of(subject)
        for case in each.cases:
            told, whole = self._matched(case.pattern, subject)
            inside = None if left is None or told is None else left & told
            with self.only(inside):
                self._captured(case.pattern, subject, inside)
                if case.guard is not None:
                    self.value(case.guard)
                self.walk(case.body)
            if left is not None and told is not None and whole and case.guard is None:
                left -= told
        if left is not None:
            self._missed(each, left)

    def _missed(self, each: ast.Match, left: frozenset[type[Any]]) -> None:
        tree = tree_of(self.frame.function)
        mentioned = frozenset(
            cls for case in each.cases for cls in self._matched(case.pattern, self.value(each.subject))[0] or left
        )
        if len(self.stack) == 1 and isinstance(tree, ast.FunctionDef) and tree.body[-1] is each:
            for cls in left - mentioned:
                self.note("misses", cls, each)

    def message_of(self, subject: Value) -> frozenset[type[Any]] | None:
        """The classes that the subject of a `match` may be of, if it is the message, or a row with it."""
        match subject:
            case Message(classes):
                return classes if self.when is None else classes & self.when
            case Row(values):
                return next((found for found in map(self.message_of, values) if found is not None), None)
            case _:
                return None

    def _matched(self, pattern: ast.pattern, subject: Value) -> tuple[When, bool]:
        """The classes of the message that a pattern takes, None for any; and whether it takes all of these."""
        match pattern:
            case ast.MatchClass(cls, patterns, _, others) if isinstance(subject, Message):
                known = self.resolved(cls)
                found = {each for each in subject.classes if isinstance(known, type) and issubclass(each, known)}
                return frozenset(found), all(map(_takes_all, (*patterns, *others)))
            case ast.MatchOr(patterns):
                several = [self._matched(each, subject) for each in patterns]
                told = [classes for classes, _ in several if classes is not None]
                return (frozenset().union(*told) if len(told) == len(several) else None), all(w for _, w in several)
            case ast.MatchAs(inner) if inner is not None:
                return self._matched(inner, subject)
            case ast.MatchAs():
                return self.message_of(subject), True
            case ast.MatchSequence(patterns) if isinstance(subject, Row) and len(patterns) == len(subject.values):
                several = [self._matched(*pair) for pair in zip(patterns, subject.values, strict=True)]
                pairs = zip(several, subject.values, strict=True)
                mine = [classes for (classes, _), value in pairs if isinstance(value, Message)]
                return (mine[0] if mine else None), all(whole for _, whole in several)
            case _:
                return self.message_of(subject), False

    def _captured(self, pattern: ast.pattern, subject: Value, inside: When) -> None:  # noqa: C901 - a table of patterns
        match pattern:
            case ast.MatchAs(inner, name):
                if name is not None:
                    self.frame.bound[name] = (
                        Message(inside) if isinstance(subject, Message) and inside is not None else subject
                    )
                if inner is not None:
                    self._captured(inner, subject, inside)
            case ast.MatchClass(cls, patterns, names, others):
                known = self.resolved(cls)
                positions = getattr(known, "__match_args__", ()) if isinstance(known, type) else ()
                hints = hints_of(known) if isinstance(known, type) else {}
                for name, each in (*zip(positions, patterns, strict=False), *zip(names, others, strict=True)):
                    self._captured(each, of_hint(hints[name], given=True) if name in hints else None, None)
            case ast.MatchOr(patterns):
                for each in patterns:
                    self._captured(each, subject, inside)
            case ast.MatchSequence(patterns):
                values = subject.values if isinstance(subject, Row) and len(subject.values) == len(patterns) else ()
                for each, value in zip(patterns, values or [element(subject)] * len(patterns), strict=True):
                    self._captured(each, value, inside)
            case ast.MatchStar(name) if name is not None:
                self.frame.bound[name] = element(subject)
            case _:
                pass

    def told(self, test: ast.expr) -> When:
        """The classes of the message for which a test holds, if that is all that it tests."""
        match test:
            case ast.Call(ast.Name("isinstance"), [subject, cls]):
                message, known = self.value(subject), self.resolved(cls)
                if isinstance(message, Message) and isinstance(known, type | tuple):
                    return frozenset(each for each in message.classes if issubclass(each, known))
                return None
            case ast.Compare(ast.Call(ast.Name("type"), [subject]), [ast.Is() | ast.Eq()], [cls]):
                message, known = self.value(subject), self.resolved(cls)
                return message.classes & {known} if isinstance(message, Message) and isinstance(known, type) else None
            case ast.UnaryOp(ast.Not(), inner):
                return self.all_but(self.told(inner))
            case _:
                return None

    def all_but(self, inside: When) -> When:
        """The other classes of the message."""
        return None if inside is None else self.every - inside

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
                self.bind(inner, value)
            case _:
                self.changed(target)

    def changed(self, target: ast.expr) -> None:
        """Something that has a name is changed in place."""
        if isinstance(target, ast.Attribute | ast.Subscript):
            on = self.value(target.value)
            if isinstance(on, Message) or (isinstance(on, Some) and on.given):
                self.note("changes", ast.unparse(target), target)


def _leads_away(body: Sequence[ast.stmt]) -> bool:
    return isinstance(body[-1], ast.Return | ast.Raise | ast.Continue)


def _takes_all(pattern: ast.pattern) -> bool:
    return isinstance(pattern, ast.MatchAs) and pattern.pattern is None
