"""The classes of an application, by the names under which they come over the wire: events, commands, folds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec

from refold.app import App
from refold.codec import form_of
from refold.errors import RefoldError, shortened
from refold.fold import Decider, Fold
from refold.forms import merging
from refold.http.problems import Declined
from refold.http.shapes import EventIn
from refold.messages import RawEvent, spec_of
from refold.schema.present import present
from refold.schema.shapes import Schema, schema_of
from refold.schema.surplus import closed, surplus


class Classes:
    """What an application knows of names; without one, every event is as it comes."""

    def __init__(self, app: App | None) -> None:
        self.app = app if app is not None else App()
        known = present(self.app)
        self.events: Mapping[str, type[Any]] = known.events
        self.commands: Mapping[str, type[Any]] = {
            name: cls for name, cls in known.commands.items() if self.deciders_of(cls)
        }

    @cached_property
    def schemas(self) -> Mapping[str, Schema]:
        """The schema of each command, which takes no other keys than it names."""
        return {name: closed(schema_of(cls)) for name, cls in self.commands.items()}

    def event(self, given: EventIn, category: str) -> object:
        """The data of an event: of their class, if the application has one of that name; else as they are.

        Raises:
            Declined: 422, they do not fit the class, or are of another schema version; or the fold of this category does not
                know such events, so that it could not read its stream any more.
        """
        self._check_is_read(given.type, category)
        cls = self.events.get(given.type)
        if cls is None:
            return RawEvent(given.type, given.data, given.schema_version)
        version = spec_of(cls).version
        if given.schema_version != version:
            raise Declined(
                422,
                "does-not-fit",
                f"event {given.type!r} is written with schema version {version} here, not {given.schema_version}: say so by "
                "schema_version, in a CloudEvent by schemaversion, and give the data of that version.",
            )
        return self._read(cls, "event", given.data)

    def _check_is_read(self, type: str, category: str) -> None:
        fold = self.app.folds.get(category)
        if fold is None or RawEvent in fold.event_types:
            return
        known = sorted(spec_of(cls).name for cls in fold.event_types)
        if type not in known:
            raise Declined(
                422, "does-not-fit", f"streams of {category!r} have no {shortened(type)}: they have {', '.join(known)}."
            )

    def command(self, name: str, data: object) -> object:
        """A command of its class.

        Raises:
            Declined: 404, the application has none of this name; 422, the data do not fit.
        """
        if name not in self.commands:
            known = ", ".join(sorted(self.commands)) or "none"
            raise Declined(404, "no-such-command", f"there is no command {name!r}: there are {known}.")
        return self._read(self.commands[name], "command", data)

    def _read(self, cls: type[Any], kind: str, data: object) -> object:
        spec = spec_of(cls, kind)
        if (extra := surplus(cls, data)) is not None:
            raise Declined(422, "does-not-fit", f"{kind} {spec.name!r} has no {extra!r}.")
        try:
            return form_of(cls, spec).decode(msgspec.json.encode(data))
        except Exception as error:  # whatever a validator of the application's raises
            raise Declined(422, "does-not-fit", f"{kind} {spec.name!r} does not fit: {error}.") from error

    def deciders_of(self, cls: type[Any]) -> Mapping[str, Decider[Any, Any, Any]]:
        """The deciders that take a command, by their categories."""
        return {name: each for name, each in self.app.deciders.items() if cls in _taken(each)}

    def fold(self, category: str) -> Fold[Any, Any]:
        """The fold of a category; of one that the application has not, its events merged."""
        return self.app.folds.get(category) or merging(category)


def _taken(decider: Decider[Any, Any, Any]) -> tuple[type[Any], ...]:
    try:
        return decider.command_types
    except RefoldError:  # a lambda: what it takes cannot be seen
        return ()
