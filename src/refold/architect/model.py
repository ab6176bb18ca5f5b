"""The model of an application: what it is made of, and what leads to what. Read out of its code, never declared."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# What is looked at here are objects of any class.

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar, Final, Literal, get_origin

from msgspec import Struct

from refold.app import App
from refold.architect.code import classes_of, code_of, kind_of, name_of
from refold.architect.hints import of_hint
from refold.architect.parts import (
    Code,
    Edge,
    EdgeKind,
    Effecting,
    Fact,
    Field,
    Folding,
    Message,
    Node,
    NodeKind,
    Place,
    Projecting,
    Reacting,
    Sent,
    Stage,
    Upcasting,
)
from refold.architect.source import hints_of, place_of
from refold.architect.types import class_name, classes_in, is_frozen, mutable_in, type_name
from refold.architect.values import Some
from refold.external import EffectHandler
from refold.fold import Decider, Fold
from refold.messages import OWN, RawEvent, spec_of
from refold.personal import marked_fields
from refold.process import Process
from refold.projection import Projection
from refold.publication import Publication
from refold.sagas import Saga
from refold.sqltext import created


class Model(Struct, frozen=True, dict=True):
    """An application. Everything is named by its wire name, category or name; `code` is what their functions do."""

    events: tuple[Message, ...]
    commands: tuple[Message, ...]
    folds: tuple[Folding, ...]
    projections: tuple[Projecting, ...]
    processes: tuple[Reacting, ...]
    effects: tuple[Effecting, ...]
    upcasters: tuple[Upcasting, ...]
    code: tuple[Code, ...]

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """What leads to what, in order."""
        return tuple(sorted(set(_edges(self))))


def derive(app: App) -> Model:
    """The model of an application, from what it registers and from what the source of its functions says.

    Nothing of it is run, beside `inspect` and the parser. Where a source is not to be had, `known` is False.
    """
    code = code_of(app)
    facts = {
        node: [fact for each in code if each.part == node for fact in each.facts] for node in {c.part for c in code}
    }
    timeouts = {fact.what for found in facts.values() for fact in found if fact.doing == "sets"}
    return Model(
        tuple(_event(cls, app, timeouts) for cls in _sorted(_events(app))),
        tuple(_command(cls, app) for cls in _sorted(_commands(app))),
        tuple(_folding(fold, code, app) for _, fold in sorted(app.folds.items())),
        tuple(_projecting(each) for _, each in sorted(app.projections.items())),
        tuple(_reacting(each, code) for _, each in sorted(app.processes.items())),
        tuple(_effecting(each) for _, each in sorted(app.effects.items())),
        tuple(_upcasters(app)),
        code,
    )


def _sorted(classes: Iterable[type[Any]]) -> Sequence[type[Any]]:
    return sorted(dict.fromkeys(classes), key=name_of)


def _events(app: App) -> Iterator[type[Any]]:
    yield from (cls for cls in app.event_types if cls is not RawEvent and not name_of(cls).startswith(OWN))
    for effect in app.effects.values():
        yield from _answers(effect)


def _commands(app: App) -> Iterator[type[Any]]:
    for fold in app.folds.values():
        yield from _taken(fold)
    for effect in app.effects.values():
        yield from classes_of(partial(getattr, effect, "request_types"))


def _taken(fold: Fold[Any, Any]) -> Sequence[type[Any]]:
    if not isinstance(fold, Decider):
        return ()
    return [cls for cls in classes_of(lambda: fold.command_types) if kind_of(cls) == "command"]


def _answers(effect: EffectHandler[Any]) -> Sequence[type[Any]]:
    promised = of_hint(hints_of(effect.function).get("return", Any))
    return [cls for cls in promised.classes if kind_of(cls) == "event"] if isinstance(promised, Some) else []


def _fields(cls: type[Any]) -> tuple[Field, ...]:
    hints = hints_of(cls) or getattr(cls, "__annotations__", {})
    personal = marked_fields(cls)
    return tuple(
        Field(name, type_name(hint), classes_in(hint), mutable_in(hint), name in personal)
        for name, hint in hints.items()
        if get_origin(hint) is not ClassVar and not name.startswith("_")
    )


def _event(cls: type[Any], app: App, timeouts: Collection[str]) -> Message:
    spec = spec_of(cls)
    folded = tuple(
        sorted(name for name, fold in app.folds.items() if cls in classes_of(partial(getattr, fold, "event_types")))
    )
    tags = () if callable(spec.tags) else spec.tags
    return Message(
        "event", spec.name, spec.version, _fields(cls), folded, place_of(cls),
        public=spec.public, frozen=is_frozen(cls), timeout=spec.name in timeouts, tags=tags,
    )  # fmt: skip


def _command(cls: type[Any], app: App) -> Message:
    taken = tuple(sorted(name for name, fold in app.folds.items() if cls in _taken(fold)))
    return Message("command", name_of(cls), 1, _fields(cls), taken, place_of(cls))


def _folding(fold: Fold[Any, Any], code: Sequence[Code], app: App) -> Folding:
    kind: Literal["decider", "fold"] = "decider" if isinstance(fold, Decider) else "fold"
    own = [each for each in code if each.part == Node(kind, fold.category)]
    facts = [fact for each in own if each.role not in {"evolve", "initial"} for fact in each.facts]
    untold = any(fact.doing == "cannot tell" for fact in facts) or not all(each.known for each in own)
    emitted = {fact.what for fact in facts if fact.doing == "emits" or (untold and fact.doing == "makes")}
    return Folding(
        kind, fold.category, type_name(_state(fold)), class_name(_state(fold)), fold in app.snapshots,
        _named(classes_of(lambda: fold.event_types)), _named(_taken(fold)),
        tuple(sorted(emitted)), not untold, place_of(fold.decide if isinstance(fold, Decider) else fold.evolve),
    )  # fmt: skip


def _state(part: Fold[Any, Any] | Process[Any, Any]) -> Any:  # noqa: ANN401 - whatever its annotation says
    return part.initial if isinstance(part.initial, type) else hints_of(part.evolve).get("return", Any)


def _named(classes: Iterable[type[Any]]) -> tuple[str, ...]:
    return tuple(sorted(name_of(cls) for cls in classes if cls is not RawEvent))


def _projecting(projection: Projection) -> Projecting:
    kind: Literal["publication", "projection"] = "publication" if isinstance(projection, Publication) else "projection"
    handlers = [*projection.handlers.values(), *projection.effecting.values()]
    place = place_of(handlers[0].call) if handlers and kind == "projection" else Place("", 0, "")
    tables = (*created(projection.schema), *(table.name for table in projection.tables))
    events = projection.event_types
    return Projecting(
        kind,
        projection.name,
        projection.version,
        tuple(dict.fromkeys(tables)),
        _named(events),
        RawEvent in events,
        place,
    )


def _reacting(process: Process[Any, Any] | Saga[Any], code: Sequence[Code]) -> Reacting:
    is_saga = isinstance(process, Saga)
    own = [each for each in code if each.part == Node("saga" if is_saga else "process", process.name)]
    facts = [fact for each in own for fact in each.facts]

    def whats(doing: str) -> tuple[str, ...]:
        return tuple(sorted({fact.what for fact in facts if fact.doing == doing}))

    begins = classes_of(lambda: process.begins_on) if isinstance(process, Saga) else process.starts_on
    place = next(
        (each.place for each in own if each.role in {"react", "code"}), own[0].place if own else Place("", 0, "")
    )
    return Reacting(
        "saga" if is_saga else "process", process.name, process.version,
        _named(classes_of(lambda: process.event_types)), _named(begins),
        tuple(sorted({Sent(fact.detail, fact.what) for fact in facts if fact.doing == "sends"})),
        whats("calls"), whats("sets"), whats("cancels"), whats("falls back"),
        is_saga or any(fact.doing == "ends" for fact in facts),
        all(each.known for each in own) and not any(_is_untold(fact) for fact in facts),
        place,
        () if isinstance(process, Saga) else _state_fields(process),
        _stages(process),
    )  # fmt: skip


def _state_fields(process: Process[Any, Any]) -> tuple[Field, ...]:
    state = _state(process)
    return _fields(state) if isinstance(state, type) and state.__module__ != "builtins" else ()


def _stages(process: Process[Any, Any] | Saga[Any]) -> tuple[Stage, ...]:
    stages = process.stages if isinstance(process, Saga) else ()
    return tuple(Stage(each.name, each.can_be_undone, each.pivot) for stage in stages for each in stage)


def _is_untold(fact: Fact) -> bool:
    return fact.doing == "cannot tell" or (fact.doing == "sends" and not (fact.what and fact.detail))


def _effecting(effect: EffectHandler[Any]) -> Effecting:
    asked = _named(classes_of(lambda: effect.request_types))
    return Effecting(effect.name, asked, _named(_answers(effect)), place_of(effect.function))


def _upcasters(app: App) -> Iterator[Upcasting]:
    steps = [step for cls in app.event_types if cls is not RawEvent for step in spec_of(cls).upcasters]
    for step in sorted(steps, key=lambda each: (each.type, each.version or 0)):
        yield Upcasting(step.type, step.version, step.into, place_of(step.change))


# Edges --------------------------------------------------------------------------


def _edges(model: Model) -> Iterator[Edge]:
    for fold in model.folds:
        node = Node(fold.kind, fold.category)
        yield from (Edge("takes", Node("command", name), node) for name in fold.commands)
        yield from (Edge("emits", node, Node("event", name)) for name in fold.emits)
        yield from (Edge("folds", Node("event", name), node) for name in fold.folds)
    for each in model.projections:
        yield from (Edge("projects", Node("event", name), Node(each.kind, each.name)) for name in each.events)
    for process in model.processes:
        node = Node(process.kind, process.name)
        yield from (Edge("reacts", Node("event", name), node) for name in process.events)
        yield from (
            Edge("sends", node, Node("command", one.command), one.category) for one in process.sends if one.command
        )
        yield from (Edge("calls", node, Node("effect", name)) for name in process.calls)
        yield from (Edge("sets", node, Node("event", name)) for name in process.timers)
        yield from (Edge("falls back", node, Node("event", name)) for name in process.fallbacks)
    for effect in model.effects:
        yield from (Edge("answers", Node("effect", effect.name), Node("event", name)) for name in effect.answers)
    yield from _through(model)


def _through(model: Model) -> Iterator[Edge]:
    """What a message leads to, through the part that takes it."""
    events = {process.name: process.events for process in model.processes}
    for code in model.code:
        for fact in code.facts:
            if code.role == "decide" and fact.doing == "emits":
                taken = fact.when or next(fold.commands for fold in model.folds if fold.category == code.part.name)
                for name in taken:
                    yield Edge("emits", Node("command", name), Node("event", fact.what), code.part.name)
            elif code.part.kind in {"process", "saga"} and fact.what:
                target = _target(fact)
                for name in (fact.when or events[code.part.name]) if target is not None else ():
                    yield Edge(_DOES[fact.doing], Node("event", name), target or Node("event", ""), code.part.name)


_DOES: Final[Mapping[str, EdgeKind]] = {"sends": "sends", "calls": "calls", "sets": "sets", "falls back": "falls back"}


def _target(fact: Fact) -> Node | None:
    kinds: Mapping[str, NodeKind] = {"sends": "command", "calls": "effect", "sets": "event", "falls back": "event"}
    return Node(kinds[fact.doing], fact.what) if fact.doing in kinds else None
