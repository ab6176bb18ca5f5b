"""Telling messages apart: for which classes of the message a `match` or a test lets code run."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, cast

from refold.architect.calls import Calls
from refold.architect.frames import Names, merged
from refold.architect.hints import of_hint
from refold.architect.source import attribute, hints_of, tree_of
from refold.architect.values import Envelope, Message, Row, Some, Value, When, collection, element, is_a

_NEVER: Final = frozenset[type[Any]]()


class Telling(Calls):
    """Tells for which classes of the message something is so."""

    def walk(self, body: Sequence[ast.stmt]) -> When:
        """Statements, one after another. Given are the classes of the message for which their end is come to."""
        leads_away = False
        for index, each in enumerate(body):
            left = self.statement(each)
            if isinstance(each, ast.Return | ast.Raise | ast.Continue | ast.Break):
                leads_away = True
            elif left != self.when:
                with self.only(left):
                    rest = self.walk(body[index + 1 :]) if left else _NEVER
                return _NEVER if leads_away else rest
        return _NEVER if leads_away else self.when

    @abstractmethod
    def statement(self, each: ast.stmt) -> When:
        """One statement. Given are the classes of the message for which code goes on behind it."""

    def ways(self, *ways: tuple[When, Callable[[], When]]) -> When:
        """Code goes one of these ways, each for some classes. Given are those for which it goes on where they meet."""
        before, ends, left = self.frame.bound, list[Names](), list[When]()
        for classes, way in ways:
            self.frame.bound = dict(before)
            with self.only(classes):
                end = _NEVER if self.when == _NEVER else way()
            if end != _NEVER:
                ends.append(self.frame.bound)
                left.append(end)
        self.frame.bound = merged(ends) if ends else before
        return _any(left)

    # Tests --------------------------------------------------------------------

    def branch(self, each: ast.If) -> When:
        """An `if`."""
        self.value(each.test)
        holds, fails = self.told(each.test)
        if any(isinstance(inner, ast.Return) for inner in ast.walk(each)):
            self.frame.gave_early |= self._untold(each.test, holds, fails)
        return self.ways((holds, lambda: self.walk(each.body)), (fails, lambda: self.walk(each.orelse)))

    def _untold(self, test: ast.expr, holds: When, fails: When) -> frozenset[type[Any]]:
        """Of which classes a test asks something, and they alone do not tell what comes of it."""
        if holds is None and fails is None and not self._asks(test):
            return _NEVER
        return (self.every if holds is None else holds) & (self.every if fails is None else fails)

    def _asks(self, test: ast.expr) -> bool:
        """Whether a test is about the message, or about what the function has made, which may come of it."""
        names = {each.id for each in ast.walk(test) if isinstance(each, ast.Name)}
        parameters = self.frame.function.__code__.co_varnames[: self.frame.function.__code__.co_argcount]
        return any(
            name in self.frame.bound
            and (name not in parameters or isinstance(self.frame.bound[name], Message | Envelope))
            for name in names
        )

    def told(self, test: ast.expr) -> tuple[When, When]:
        """The classes of the message for which a test may hold, and those for which it may not."""
        match test:
            case ast.Call(ast.Name("isinstance"), [subject, cls]):
                return self._asked(subject, cls)
            case ast.Compare(
                ast.Call(ast.Name("type"), [subject]) | ast.Attribute(subject, "__class__"), [operator], [cls]
            ) if isinstance(operator, ast.Is | ast.Eq | ast.In | ast.IsNot | ast.NotEq | ast.NotIn):
                holds, fails = self._asked(subject, cls, exactly=True)
                return (holds, fails) if isinstance(operator, ast.Is | ast.Eq | ast.In) else (fails, holds)
            case ast.UnaryOp(ast.Not(), inner):
                holds, fails = self.told(inner)
                return fails, holds
            case ast.BoolOp(operator, sides):
                told = [self.told(each) for each in sides]
                one, other = (_all, _any) if isinstance(operator, ast.And) else (_any, _all)
                return one([holds for holds, _ in told]), other([fails for _, fails in told])
            case _:
                return None, None

    def _asked(self, subject: ast.expr, cls: ast.expr, *, exactly: bool = False) -> tuple[When, When]:
        message, known = self.value(subject), self.classes_named(cls)
        if not isinstance(message, Message) or not message.classes or known is None:
            return None, None
        surely, maybe = _of_these(message, known)
        if exactly:
            surely &= {*known}
        return surely | maybe, self.every - surely

    # Matching -----------------------------------------------------------------

    def match(self, each: ast.Match) -> When:
        """A `match`."""
        subject = self.value(each.subject)
        left = self.message_of(subject)
        ways: list[tuple[When, Callable[[], When]]] = []
        for case in each.cases:
            told, whole = self._matched(case.pattern, subject)
            inside = None if left is None or told is None else left & told
            ways.append((inside, partial(self._case, case, subject, inside)))
            if left is not None and told is not None and whole and case.guard is None:
                left -= told
        if left is not None:
            self._missed(each, left)
        if not any(case.guard is None and _takes_all(case.pattern) for case in each.cases):
            ways.append((left, lambda: self.when))
        return self.ways(*ways)

    def _case(self, case: ast.match_case, subject: Value, inside: When) -> When:
        self._captured(case.pattern, subject, inside)
        if case.guard is not None:
            self.value(case.guard)
        return self.walk(case.body)

    def _missed(self, each: ast.Match, left: frozenset[type[Any]]) -> None:
        tree = tree_of(self.frame.function)
        mentioned = frozenset(
            cls for case in each.cases for cls in self._matched(case.pattern, self.value(each.subject))[0] or left
        )
        if len(self.stack) == 1 and isinstance(tree, ast.FunctionDef) and tree.body[-1] is each:
            for cls in left - mentioned - self.frame.gave_early:
                self.note("misses", cls, each)

    def message_of(self, subject: Value) -> frozenset[type[Any]] | None:
        """The classes that the subject of a `match` may be of, if it is the message, or a row with it."""
        match subject:
            case Message(classes) if classes:
                return classes if self.when is None else classes & self.when
            case Row(values):
                return next((found for found in map(self.message_of, values) if found is not None), None)
            case _:
                return None

    def _matched(self, pattern: ast.pattern, subject: Value) -> tuple[When, bool]:  # noqa: PLR0911 - a table of patterns
        """The classes of the message that a pattern takes, None for any; and whether it takes all of these."""
        match pattern:
            case ast.MatchClass(cls, patterns, _, others) if isinstance(subject, Message):
                known = self.classes_named(cls)
                if known is None:
                    return self.message_of(subject), False
                surely, maybe = _of_these(subject, known)
                return surely | maybe, maybe <= surely and all(map(_takes_all, (*patterns, *others)))
            case ast.MatchOr(patterns):
                several = [self._matched(each, subject) for each in patterns]
                return _any([classes for classes, _ in several]), all(whole for _, whole in several)
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
                    is_told = isinstance(subject, Message) and inside is not None
                    self.frame.bind(name, Message(inside or _NEVER) if is_told else subject)
                if inner is not None:
                    self._captured(inner, subject, inside)
            case ast.MatchClass(cls, patterns, names, others):
                known = self.resolved(cls)
                positions: Iterable[str] = attribute(known, "__match_args__") or ()
                hints: Mapping[str, Any] = hints_of(cast("type[Any]", known)) if is_a(known, type) else {}
                given = not isinstance(subject, Some) or subject.given
                for name, each in (*zip(positions, patterns, strict=False), *zip(names, others, strict=True)):
                    self._captured(each, of_hint(hints[name], given=given) if name in hints else None, None)
            case ast.MatchOr(patterns):
                for each in patterns:
                    self._captured(each, subject, inside)
            case ast.MatchSequence(patterns):
                values = subject.values if isinstance(subject, Row) and len(subject.values) == len(patterns) else ()
                for each, value in zip(patterns, values or [element(subject)] * len(patterns), strict=True):
                    self._captured(each, value, inside)
            case ast.MatchStar(name) if name is not None:
                self.frame.bind(name, collection((subject,)))
            case _:
                for name in _names(pattern):
                    self.frame.bind(name, None)


def _of_these(message: Message, classes: tuple[type[Any], ...]) -> tuple[frozenset[type[Any]], frozenset[type[Any]]]:
    """Those of the message's that are of these classes, and those of which some may be."""
    surely = frozenset(each for each in message.classes if issubclass(each, classes))
    return surely, frozenset(each for each in message.classes if any(issubclass(one, each) for one in classes))


def _all(several: Sequence[When]) -> When:
    told = [each for each in several if each is not None]
    return told[0].intersection(*told) if told else None


def _any(several: Sequence[When]) -> When:
    told = [each for each in several if each is not None]
    return _NEVER.union(*told) if len(told) == len(several) else None


def _takes_all(pattern: ast.pattern) -> bool:
    return isinstance(pattern, ast.MatchAs) and pattern.pattern is None


def _names(pattern: ast.pattern) -> Iterator[str]:
    for each in ast.walk(pattern):
        name = each.rest if isinstance(each, ast.MatchMapping) else getattr(each, "name", None)
        if isinstance(name, str):
            yield name
