"""App: what an application is made of, in one place, for tools that work on it from outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, TypeVar, cast

from refold.closing import Closing
from refold.errors import UsageError, shortened
from refold.external import EffectHandler
from refold.fold import Decider, Fold
from refold.process import Process
from refold.projection import Projection
from refold.sagas import Saga
from refold.snapshot import Snapshots

T = TypeVar("T")
Part: TypeAlias = (
    Fold[Any, Any] | Closing[Any, Any, Any] | Projection | Process[Any, Any] | Saga[Any] | EffectHandler[Any]
)


class App:
    """The folds, deciders, projections, processes, sagas and effects of one application, for tools: `--app module:attribute`.

    A `Closing` stands for its decider: what processes send to that is taken in the current period. `snapshots`: of which folds
    states are saved, and when: what is also handed to `store.bind`.

    Raises:
        UsageError: two folds claim one category, or two other parts of one kind one name; snapshots are of another fold; or
            something is no part of an app.
    """

    def __init__(self, *parts: Part, snapshots: Mapping[Fold[Any, Any], Snapshots] | None = None) -> None:
        for part in cast("tuple[object, ...]", parts):
            if not isinstance(part, Fold | Closing | Projection | Process | Saga | EffectHandler):
                raise UsageError(
                    f"{shortened(part)} is no part of an app: name folds, deciders, closings, projections, processes, sagas and "
                    "effects."
                )
        self.closings: Mapping[str, Closing[Any, Any, Any]] = by(
            "category", ((p.decider.category, p) for p in parts if isinstance(p, Closing))
        )
        folds = (p.decider if isinstance(p, Closing) else p for p in parts if isinstance(p, Fold | Closing))
        self.folds: Mapping[str, Fold[Any, Any]] = by("category", ((fold.category, fold) for fold in folds))
        self.projections: Mapping[str, Projection] = by(
            "name", ((p.name, p) for p in parts if isinstance(p, Projection))
        )
        self.processes: Mapping[str, Process[Any, Any] | Saga[Any]] = by(
            "name", ((p.name, p) for p in parts if isinstance(p, Process | Saga))
        )
        self.effects: Mapping[str, EffectHandler[Any]] = by(
            "name", ((p.name, p) for p in parts if isinstance(p, EffectHandler))
        )
        self.snapshots: Mapping[Fold[Any, Any], Snapshots] = snapshots or {}
        for fold in self.snapshots:
            if fold not in self.folds.values():
                raise UsageError(
                    f"the app has snapshots of fold {fold.category!r}, which is none of its parts: name it, too."
                )

    @property
    def deciders(self) -> Mapping[str, Decider[Any, Any, Any]]:
        """Those of the folds that decide upon commands for a single stream: where books are closed, the stream must be found."""
        folds: Mapping[str, Any] = self.folds
        found: dict[str, Decider[Any, Any, Any]] = {
            name: fold for name, fold in folds.items() if isinstance(fold, Decider) and name not in self.closings
        }
        return found

    @property
    def event_types(self) -> tuple[type[Any], ...]:
        """The classes of all events that any part knows, each once."""
        parts = (*self.folds.values(), *self.projections.values(), *self.processes.values())
        return tuple(dict.fromkeys(cls for part in parts for cls in part.event_types))


def by(what: str, named: Iterable[tuple[str, T]], whole: str = "the app") -> Mapping[str, T]:
    """Parts by their names.

    Raises:
        UsageError: two of them have one name.
    """
    found: dict[str, T] = {}
    for name, part in named:
        if name in found:
            raise UsageError(
                f"two parts of {whole} have the {what} {name!r}: {found[name]!r} and {part!r}. Rename one."
            )
        found[name] = part
    return found
