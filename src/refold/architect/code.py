"""Code: each function of an application's parts, and what it does."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# What is looked at here are objects of any class.

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, get_origin

from refold.app import App
from refold.architect.hints import of_hint
from refold.architect.noted import Noted
from refold.architect.parts import Code, Fact, Node
from refold.architect.reading import Reader
from refold.architect.source import hints_of, packages_of, place_of, plain, tree_of
from refold.architect.values import Envelope, Message, Value, as_some, of_class
from refold.closing import Closing
from refold.errors import UsageError
from refold.external import EffectHandler
from refold.fold import Decider, Fold
from refold.messages import RawEvent, Spec
from refold.process import Process
from refold.projection import Projection
from refold.publication import Publication
from refold.sagas import Saga
from refold.steps import Steps
from refold.upcasting import Upcaster


def name_of(cls: object) -> str:
    """The wire name of an event or a command; of any other class its own."""
    spec = cls.__dict__.get("__refold_spec__") if isinstance(cls, type) else None
    return spec.name if isinstance(spec, Spec) else str(getattr(cls, "__name__", cls))


def kind_of(cls: object) -> str:
    """`event` or `command`; "" for any other class."""
    spec = cls.__dict__.get("__refold_spec__") if isinstance(cls, type) else None
    return spec.kind if isinstance(spec, Spec) else ""


def code_of(app: App) -> tuple[Code, ...]:
    """What the functions of all parts do."""
    reading = _Reading(_own(app))
    return tuple(each for part in _parts(app) for each in reading.part(part))


def _parts(app: App) -> Iterator[object]:
    yield from (
        *app.folds.values(),
        *app.closings.values(),
        *app.projections.values(),
        *app.processes.values(),
        *app.effects.values(),
    )
    seen: list[Upcaster[Any]] = []
    for cls in app.event_types:
        spec = cls.__dict__.get("__refold_spec__")
        for upcaster in spec.upcasters if isinstance(spec, Spec) else ():
            if upcaster not in seen:
                seen.append(upcaster)
                yield upcaster


def _own(app: App) -> frozenset[str]:
    functions: list[object] = [cls for cls in app.event_types if cls is not RawEvent]
    for fold in app.folds.values():
        functions += [fold.evolve, fold.initial, *([fold.decide] if isinstance(fold, Decider) else [])]
    for projection in app.projections.values():
        functions += [each.call for each in (*projection.handlers.values(), *projection.effecting.values())]
    for process in app.processes.values():
        functions.append(process.react if isinstance(process, Process) else process.code)
    functions += [effect.function for effect in app.effects.values()]
    return packages_of(filter(None, functions))


class _Reading:
    def __init__(self, own: frozenset[str]) -> None:
        self._own = own

    def part(self, part: object) -> Iterator[Code]:
        """The functions of one part."""
        match part:
            case Fold():
                yield from self._fold(part)
            case Closing():
                closing = part
                node = Node("decider", closing.decider.category)
                yield self._code(node, "opening", closing.opening, _state(closing.decider), emits=True)
            case Publication():
                return
            case Projection():
                yield from self._projection(part)
            case Process():
                yield from self._process(part)
            case Saga():
                yield from self._saga(part)
            case EffectHandler():
                effect = part
                asked = Message(frozenset(classes_of(lambda: effect.request_types)))
                yield self._code(Node("effect", effect.name), "effect", effect.function, asked, of_class(str))
            case Upcaster():
                upcaster = part
                for change in _changes(upcaster.change):
                    yield self._code(Node("event", upcaster.type), f"upcaster {upcaster}", change, of_class(dict))
            case _:
                pass

    def _fold(self, fold: Fold[Any, Any]) -> Iterator[Code]:
        node = Node("decider" if isinstance(fold, Decider) else "fold", fold.category)
        events, state = Message(frozenset(classes_of(lambda: fold.event_types))), _state(fold)
        yield self._code(node, "initial", fold.initial)
        yield self._code(node, "evolve", fold.evolve, state, events)
        if isinstance(fold, Decider):
            decider = fold
            commands = Message(frozenset(classes_of(lambda: decider.command_types)))
            yield self._code(node, "decide", decider.decide, commands, state, emits=True)
        for inverse in fold.inverses:
            event = Message(frozenset({inverse.event}))
            role = f"{inverse.way} {name_of(inverse.event)}"
            yield self._code(node, role, inverse.propose, event, state, emits=True)

    def _projection(self, projection: Projection) -> Iterator[Code]:
        node = Node("projection", projection.name)
        for how, handlers in (("on", projection.handlers), ("effect", projection.effecting)):
            for cls, handling in handlers.items():
                envelope = Envelope(Message(frozenset({cls})))
                yield self._code(node, f"{how} {name_of(cls)}", handling.call, envelope)

    def _process(self, process: Process[Any, Any]) -> Iterator[Code]:
        node = Node("process", process.name)
        events = Message(frozenset(classes_of(lambda: process.event_types)))
        yield self._code(node, "initial", process.initial)
        yield self._code(node, "evolve", process.evolve, _state(process), events)
        yield self._code(node, "react", process.react, Envelope(events), _state(process), gives=True)
        yield self._code(node, "key", process.key, Envelope(events))

    def _saga(self, saga: Saga[Any]) -> Iterator[Code]:
        node, begins = Node("saga", saga.name), Message(frozenset(classes_of(lambda: saga.begins_on)))
        if saga.code is not None:
            yield self._code(node, "code", saga.code, of_class(Steps), begins)
        for step in (step for stage in saga.stages for step in stage):
            for role, function in (("send", step.send), ("unsend", step.unsend)):
                if function is not None:
                    yield self._code(node, f"{role} {step.name}", function, begins, gives=True)
            for role, act in (("act", step.act), ("undo", step.undo)):
                if act is not None:
                    yield self._code(node, f"{role} {step.name}", act, begins, of_class(str))

    def _code(
        self, part: Node, role: str, function: object, *given: Value, emits: bool = False, gives: bool = False
    ) -> Code:
        found, place = plain(function), place_of(function)
        if found is None and not isinstance(function, type):
            return Code(part, role, known=isinstance(get_origin(function), type), facts=(), place=place)
        messages = next(
            (
                each.message if isinstance(each, Envelope) else each
                for each in given
                if isinstance(each, Envelope | Message)
            ),
            Message(frozenset()),
        )
        reader = Reader(messages.classes, self._own)
        result = reader.read(function, *given)
        facts = [_fact(each, messages) for each in reader.noted]
        if emits:
            facts += _emitted(result, messages, place)
        if gives and _untold(result):
            facts.append(Fact("cannot tell", "gives", "", (), place))
        tree = None if found is None else tree_of(found)
        known = tree is not None or found is None
        return Code(part, role, known, tuple(dict.fromkeys(facts)), place, *_parameters(tree, role))


def _untold(result: Value) -> bool:
    return as_some(result) is None


def _emitted(result: Value, messages: Message, place: Any) -> Iterator[Fact]:  # noqa: ANN401
    some = as_some(result)
    if some is None:
        yield Fact("cannot tell", "emits", "", (), place)
        return
    for cls, when in some.parts:
        if kind_of(cls) == "event":
            yield Fact("emits", name_of(cls), "", _when(when, messages), place)


def _fact(noted: Noted, messages: Message) -> Fact:
    what, detail = "", ""
    match noted.doing, noted.what:
        case "sends", (str(category), cls):
            what, detail = "" if cls is None else name_of(cls), category
        case "looks outside", (str(kind), str(name)):
            what, detail = kind, name
        case "changes" | "sql", text:
            detail = "" if text is None else str(text)
        case _, str(text):
            what = text
        case _, cls:
            what = name_of(cls)
    return Fact(noted.doing, what, detail, _when(noted.when, messages), noted.place)


def _when(when: frozenset[type[Any]] | None, messages: Message) -> tuple[str, ...]:
    return () if when is None or when >= messages.classes else tuple(sorted(map(name_of, when)))


def classes_of(read: Callable[[], tuple[type[Any], ...]]) -> tuple[type[Any], ...]:
    """The classes that a part knows; none where its annotations do not tell them."""
    try:
        return read()
    except UsageError:  # a lambda, whose classes nobody can see
        return ()


def _state(part: Fold[Any, Any] | Process[Any, Any]) -> Value:
    hint = hints_of(part.evolve).get("return", Any)
    is_class = isinstance(part.initial, type) and get_origin(hint) is not part.initial
    return of_hint(part.initial if is_class else hint, given=True)


def _changes(change: object) -> Iterator[object]:
    """The functions that a change is made of."""
    if plain(change) is not None and not dataclasses.is_dataclass(change):
        yield change
    elif dataclasses.is_dataclass(change):
        for each in getattr(change, "changes", ()):
            yield from _changes(each)


def _parameters(
    tree: ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef | None, role: str
) -> tuple[tuple[str, ...], str]:
    """Those that are not used, and the one that takes a key."""
    if tree is None:
        return (), ""
    body = [tree.body] if isinstance(tree, ast.Lambda) else tree.body
    used = {node.id for each in body for node in ast.walk(each) if isinstance(node, ast.Name)}
    names = [each.arg for each in (*tree.args.posonlyargs, *tree.args.args)]
    keyed = role == "effect" or role.startswith("act ")
    return tuple(name for name in names if name not in used), names[-1] if keyed and names[1:] else ""
