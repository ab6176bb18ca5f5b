"""States of a stream as JSON: by the fold of an application, or, without one, by merging the data of its events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

import click

from refold.app import App
from refold.cli.apps import application
from refold.cli.nearby import no_such_stream
from refold.codec import as_json
from refold.flows.load import AsOf, Loaded
from refold.fold import Fold
from refold.messages import RawEvent, StreamName
from refold.store import Store


class States:
    """The states of one stream."""

    def __init__(self, store: Store, stream: str, app: str | None) -> None:
        name = StreamName.parse(stream)
        if next(store.read(name, limit=1), None) is None:
            raise no_such_stream(store, stream)
        self._id = name.id
        self._streams = store.bind(_fold(name.category, application(app)))

    def load(self, as_of: AsOf | None, valid_at: datetime | None = None) -> Loaded[Any]:
        """The state as JSON, with the version and position that it stands at."""
        loaded = self._streams.load(self._id, as_of=as_of, valid_at=valid_at)
        return Loaded(as_json(loaded.state), loaded.version, loaded.position)


def _fold(category: str, app: App | None) -> Fold[Any, Any]:
    if app is not None:
        if category in app.folds:
            return app.folds[category]
        known = ", ".join(sorted(app.folds)) or "none"
        note = f"the app has no fold for category {category!r} (it has: {known}), so the data of the events are merged."
        click.echo(f"refold: {note}", err=True)
    return Fold(category, dict, lambda state, event: merged(state, event.data), events=(RawEvent,))


def merged(target: object, patch: object) -> Any:  # noqa: ANN401 - JSON of any shape
    """What a JSON merge patch makes of a value: RFC 7396, section 2. A null removes a key."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(cast("Mapping[str, Any]", target)) if isinstance(target, Mapping) else {}
    for key, value in cast("Mapping[str, Any]", patch).items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result
