"""Ids, streams and texts that follow from what other systems call theirs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast
from uuid import UUID, uuid5

import msgspec

from refold.errors import shortened
from refold.eventlogs.mapping import stream_name
from refold.eventlogs.times import moment

_OTHERS: Final = UUID("6f1c7c1e-0f6f-5d0c-9a53-0f1b6b1a9d37")


def id_of(system: str, *known: object) -> UUID:
    """The id of another system if it is a UUID, or else one that follows from what it calls the event."""
    if len(known) == 1:
        try:
            return UUID(str(known[0]))
        except ValueError:
            pass
    return uuid5(_OTHERS, json.dumps([system, *map(str, known)]))


def stream_of(name: object, category: str | None) -> object:
    """The name as it is, or with a category before it."""
    return name if category is None or not isinstance(name, str) else stream_name(name, category=category)


def object_in(column: str, value: object) -> dict[str, Any]:
    """A JSON object, which may be written as text; nothing is an empty one.

    Raises:
        ValueError: it is something else.
    """
    try:
        found = msgspec.json.decode(value) if isinstance(value, str | bytes) else value
    except msgspec.DecodeError as error:
        raise ValueError(f"{column} is not JSON: {error}") from error
    if found is None:
        return {}
    if isinstance(found, dict):
        return dict(cast("dict[str, Any]", found))
    raise ValueError(f"{column} is {shortened(found)}, and not a JSON object")


def texts_of(free: Mapping[str, Any]) -> dict[str, str]:
    """Metadata as texts: what is none becomes JSON."""
    return {
        key: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for key, value in free.items()
        if value is not None
    }


def instant(column: str, value: object) -> datetime | None:
    """A time: ISO 8601, or milliseconds since 1970 UTC. Without a zone it is UTC.

    Raises:
        ValueError: it is none.
    """
    if value is None or value == "":
        return None
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1_000, UTC)
        return moment(str(value))
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"{column} is {shortened(value)}, and no time such as 2011-10-11T13:45:40+02:00") from error
