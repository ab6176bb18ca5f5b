"""States of a stream as JSON: by the fold of an application, or, without one, by merging the data of its events."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import click

from refold.app import App
from refold.cli.nearby import no_such_stream
from refold.codec import as_json
from refold.errors import UsageError
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
        self._streams = store.bind(_fold(name.category, _application(app)))

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


def _application(named: str | None) -> App | None:
    """The app that `--app`, REFOLD_APP or pyproject.toml names; the working directory is on the path."""
    name = named or _configured()
    if name is None:
        return None
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise UsageError(f"--app {name!r}: write MODULE:NAME, as in --app shop:app.")
    app = getattr(_imported(name, module), attribute, None)
    if not isinstance(app, App):
        what = "there is no such name in it" if app is None else f"it is {type(app).__name__}, not refold.App"
        raise UsageError(f"--app {name!r}: {what}. Write {attribute} = App(...) in {module}.")
    return app


def _imported(name: str, module: str) -> object:
    if os.getcwd() not in sys.path:  # noqa: PTH109 - a text, as sys.path has them
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        return import_module(module)
    except Exception as error:  # whatever the module does when it is imported
        raise UsageError(
            f"--app {name!r}: module {module!r} cannot be imported: {type(error).__name__}: {error}."
        ) from error


def _configured() -> str | None:
    path = Path("pyproject.toml")
    if not path.is_file():
        return None
    try:
        settings: Any = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"pyproject.toml cannot be read for [tool.refold]: {error}.") from error
    app = settings.get("tool", {}).get("refold", {}).get("app")
    return None if app is None else str(app)
