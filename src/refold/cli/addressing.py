"""A command as it is given to the command line: for which stream, by its wire name, with its data as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from refold.cli.apps import app_having
from refold.cli.exits import NotFound
from refold.codec import form_of
from refold.errors import UsageError
from refold.fold import Decider, Fold
from refold.messages import StreamName, spec_of


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
    decider = _decider(app_having("deciders", named).folds, to.category)
    for cls in decider.command_types:
        if spec_of(cls, "command").name == type:
            return Addressed(decider, to.id, _read(cls, type, data))
    names = ", ".join(spec_of(cls, "command").name for cls in decider.command_types)
    raise NotFound(f"the decider of {to.category!r} takes no command {type!r}: it takes {names}.")


def _decider(folds: Mapping[str, Fold[Any, Any]], category: str) -> Decider[Any, Any, Any]:
    deciders: dict[str, Decider[Any, Any, Any]] = {
        name: fold for name, fold in folds.items() if isinstance(fold, Decider)
    }
    if category not in deciders:
        raise NotFound(f"the app has no decider of {category!r}: it has {', '.join(sorted(deciders)) or 'none'}.")
    return deciders[category]


def _read(cls: type[Any], name: str, data: str) -> object:
    try:
        return form_of(cls, spec_of(cls, "command")).decode(data.encode())
    except Exception as error:  # a user's validator may raise anything
        raise UsageError(f"the data do not fit {name!r}: {error}.") from error
