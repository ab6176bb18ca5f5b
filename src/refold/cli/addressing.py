"""A command as it is given to the command line: for which stream, by its wire name, with its data as JSON."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from refold.app import App
from refold.cli.apps import app_having
from refold.cli.exits import NotFound
from refold.codec import form_of
from refold.errors import UsageError
from refold.fold import Decider
from refold.messages import StreamName, spec_of
from refold.schema.surplus import surplus


class Addressed(NamedTuple):
    """A command, and who decides upon it for which id."""

    decider: Decider[Any, Any, Any]
    id: str
    command: object


def addressed(named: str | None, stream: str, type: str, data: str) -> Addressed:
    """The command, of the application that is named.

    Raises:
        UsageError: no application is named, or the data do not fit.
        NotFound: the application has no such decider, or that takes no such command.
    """
    to = StreamName.parse(stream)
    decider = _decider(app_having("deciders", named), to.category)
    for cls in decider.command_types:
        if spec_of(cls, "command").name == type:
            return Addressed(decider, to.id, read_as(cls, "command", data))
    names = ", ".join(spec_of(cls, "command").name for cls in decider.command_types)
    raise NotFound(f"the decider of {to.category!r} takes no command {type!r}: it takes {names}.")


def _decider(app: App, category: str) -> Decider[Any, Any, Any]:
    if category in app.closings:
        raise UsageError(
            f"the books of {category!r} are closed now and then, and a command would be for one period: let a program send it, "
            "store.bind(closing).handle(id, command)."
        )
    if category not in app.deciders:
        raise NotFound(f"the app has no decider of {category!r}: it has {', '.join(sorted(app.deciders)) or 'none'}.")
    return app.deciders[category]


def read_as(cls: type[Any], kind: str, data: str) -> object:
    """A command or an event of a class, of its data as JSON.

    Raises:
        UsageError: they do not fit, or have a field that the class has not.
    """
    spec = spec_of(cls, kind)
    try:
        extra = surplus(cls, msgspec.json.decode(data.encode()))
        read = form_of(cls, spec).decode(data.encode()) if extra is None else None
    except Exception as error:  # a user's validator may raise anything
        raise UsageError(f"the data do not fit {spec.name!r}: {error}.") from error
    if extra is not None:
        raise UsageError(f"the data do not fit {spec.name!r}: it has no {extra!r}.")
    return read
