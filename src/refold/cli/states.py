"""States of a stream as JSON: by the fold of an application, or, without one, by merging the data of its events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from refold.app import App
from refold.cli.nearby import no_such_stream
from refold.cli.saying import say
from refold.flows.load import AsOf, Loaded
from refold.flows.whatif import Edits, WhatIf
from refold.fold import Fold
from refold.forms import merging
from refold.messages import Recorded, StreamName
from refold.patching import presentable
from refold.snapshot import Snapshots
from refold.store import Store


class States:
    """The states of one stream; `trusting` the saved ones, if the application saves some: loads begin there."""

    def __init__(self, store: Store, stream: str, app: App | None, *, trusting: bool = False) -> None:
        name = StreamName.parse(stream)
        if next(store.read(name, limit=1), None) is None:
            raise no_such_stream(store, stream)
        self.stream, self._id = stream, name.id
        self.fold = _fold(name.category, app)
        self._streams = store.bind(self.fold, snapshots=_saved(app, self.fold) if trusting else None)

    def load(self, as_of: AsOf | None, valid_at: datetime | None = None) -> Loaded[Any]:
        """The state as JSON, with the version and position that it stands at.

        Raises:
            UsageError: it has no form in JSON.
        """
        loaded = self.folded(as_of, valid_at)
        return replace(loaded, state=presentable(loaded.state))

    def folded(self, as_of: AsOf | None, valid_at: datetime | None = None) -> Loaded[Any]:
        """The same, as the fold has it."""
        return self._streams.load(self._id, as_of=as_of, valid_at=valid_at)

    def versions(self, until: int) -> Iterator[tuple[int, Sequence[Recorded[Any]], object]]:
        """Each version with its events, of which an upcaster may make several or none, and the state after it."""
        steps, state = self._streams.history(self._id, until=until), self.fold.initial()
        step = next(steps, None)
        for version in range(1, until + 1):
            events = list[Recorded[Any]]()
            while step is not None and step.event.version == version:
                events, state, step = [*events, step.event], step.state, next(steps, None)
            yield version, events, state

    def whatif(self, edits: Edits[Any], as_of: AsOf | None, limit: int) -> WhatIf[Any, Any]:
        """What would be if the history were otherwise."""
        return self._streams.whatif(
            self._id, drop=edits.drop, replace=edits.replace, insert=edits.insert, as_of=as_of, limit=limit
        )


def _fold(category: str, app: App | None) -> Fold[Any, Any]:
    if app is not None:
        if category in app.folds:
            return app.folds[category]
        known = ", ".join(sorted(app.folds)) or "none"
        note = f"the app has no fold for category {category!r} (it has: {known}), so the data of the events are merged."
        say(f"refold: {note}", err=True)
    return merging(category)


def _saved(app: App | None, fold: Fold[Any, Any]) -> Snapshots | None:
    """What the application has saved of a fold, to be read; nothing is saved here."""
    policy = None if app is None else app.snapshots.get(fold)
    return None if policy is None else Snapshots(version=policy.version)
