"""The lock: every shape that events were ever written in, and the text of the file that keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from refold.errors import UsageError
from refold.schema.canonical import fingerprint
from refold.schema.shapes import Schema

FORMAT: Final = 1
LOCK_FILE: Final = "events.lock.json"


class Shape(Struct, frozen=True, omit_defaults=True):
    """One version of an event, or a command, as it is locked: its canonical schema, and where its tags come from.

    `tags`: the fields that they are, or the fingerprint of the function; and so is `subject`, whom it is about.
    """

    fingerprint: str
    schema: Schema
    tags: str | tuple[str, ...] = ()
    public: bool = False
    subject: str | None = None


class Lock(Struct, frozen=True):
    """What a lock file holds.

    `events` by type and version, `commands` by name. `upcasters` are fingerprints by what each upcasts, `order.placed@1`;
    `states` are those of the fold's states, by category; `tombstones` are the fingerprints of what was retired, by type and
    version: such a name is never free again.
    """

    events: Mapping[str, Mapping[int, Shape]] = {}
    commands: Mapping[str, Shape] = {}
    upcasters: Mapping[str, str] = {}
    states: Mapping[str, str] = {}
    tombstones: Mapping[str, Mapping[int, str]] = {}


class _File(Lock, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: int


def to_text(lock: Lock) -> str:
    """The file's text: sorted, a line for each thing that may change, so that its diffs can be read and merged."""
    parts: dict[str, Any] = {"format": FORMAT, **msgspec.to_builtins(lock, str_keys=False)}
    in_order = {name: _in_order(part) for name, part in parts.items()}
    return json.dumps(in_order, indent=2, ensure_ascii=False) + "\n"


def _in_order(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _in_order(part) for key, part in sorted(cast("dict[Any, object]", value).items())}
    if isinstance(value, list | tuple):
        return [_in_order(part) for part in cast("list[object]", value)]
    return value


def of_text(text: str | bytes, name: str) -> Lock:
    """The lock that a file's text is.

    Raises:
        UsageError: it is no lock file, of a newer format, or was changed by hand.
    """
    try:
        file = msgspec.json.decode(text, type=_File)
    except msgspec.MsgspecError as error:
        hint = " It has the marks of a merge conflict: keep both sides' entries." if "<<<<<<<" in str(text) else ""
        raise UsageError(f"{name} is no lock file ({error}).{hint}") from error
    if file.format != FORMAT:
        raise UsageError(f"{name} has format {file.format}, this Refold knows {FORMAT}: use the Refold that wrote it.")
    for what, shape in _shapes(file):
        if shape.fingerprint != fingerprint(shape.schema):
            raise UsageError(
                f"{name}: the schema of {what} does not have the fingerprint beside it. It was changed by hand, or merged "
                "badly: bring back its last good state."
            )
    return Lock(file.events, file.commands, file.upcasters, file.states, file.tombstones)


def _shapes(lock: Lock) -> list[tuple[str, Shape]]:
    events = [(named(type, v), shape) for type, versions in lock.events.items() for v, shape in versions.items()]
    return [*events, *lock.commands.items()]


def named(type: str, version: int) -> str:
    """A version of a type, as `order.placed@2`."""
    return f"{type}@{version}"


def of_name(text: str) -> tuple[str, int | None]:
    """The type, and the version if one is named, that `order.placed@2` tells."""
    type, at, version = text.rpartition("@")
    return (type, int(version)) if at and version.isdecimal() else (text, None)
