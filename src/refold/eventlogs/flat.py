"""The data of events in formats whose attributes are scalars: what can be an attribute, and what else must be kept as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final, NamedTuple, TypeAlias

from refold.clock import as_text
from refold.eventlogs.recorded import EventRecord

Scalar: TypeAlias = str | int | float | bool

PREFIX: Final = "refold."
"""Of the attributes that are ours, and not the event's data."""
DATA: Final = f"{PREFIX}data"
POSITION: Final = f"{PREFIX}position"
OWN: Final = ("position", "version", "schema_version", "correlation_id", "causation_id", "actor", "metadata")
"""What of an event `envelope` tells, by the names of those attributes."""
_INT64: Final = 1 << 63
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Flat(NamedTuple):
    """The scalars of an event's data by their keys, what is no scalar as JSON text, and whether they are all that it says."""

    attributes: Mapping[str, Scalar]
    exact: bool


def flattened(data: Mapping[str, Any], taken: frozenset[str]) -> Flat:
    """The data as attributes; keys that are `taken`, or ours, or that XML does not allow, are not among them."""
    found: dict[str, Scalar] = {}
    exact = True
    for key, value in data.items():
        if not key or key in taken or key.startswith(PREFIX) or _NOT_XML.search(key):
            exact = False
        elif is_scalar(value):
            found[key] = value
        else:
            exact = False
            if value is not None:
                found[key] = as_json_text(value)
    return Flat(found, exact)


def is_scalar(value: object) -> bool:
    """Whether every format has it just so: text that XML allows, an integer of 64 bits, a fraction, a truth value."""
    if isinstance(value, str):
        return not _NOT_XML.search(value)
    if isinstance(value, bool):
        return True
    if isinstance(value, int):
        return -_INT64 <= value < _INT64
    return isinstance(value, float) and isfinite(value)


def as_json_text(value: object) -> str:
    """JSON in ASCII, which every format can hold."""
    return json.dumps(value, separators=(",", ":"))


def envelope(record: EventRecord) -> dict[str, Scalar]:
    """What else is known of an event, as attributes that are ours; what is as usual is left out."""
    story, usual = record.metadata, record.id
    known = (
        record.position,
        record.version,
        None if record.schema_version == 1 else record.schema_version,
        None if story.correlation_id == as_text(usual.bytes) else story.correlation_id,
        story.causation_id,
        story.actor,
        as_json_text(story.free) if story.free else None,
    )
    return {f"{PREFIX}{name}": value for name, value in zip(OWN, known, strict=True) if value is not None}


def opened(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record that attributes of ours tell.

    Raises:
        ValueError: one should be JSON, and is not.
    """
    fields = {name.removeprefix(PREFIX): value for name, value in attributes.items() if name.startswith(PREFIX)}
    for name in ("data", "metadata", "tags", "keys"):
        if name in fields:
            fields[name] = _decoded(name, fields[name])
    story = {name: fields.pop(name, None) for name in ("correlation_id", "causation_id", "actor")}
    return {**fields, "metadata": {**story, "free": fields.get("metadata", {})}}


def _decoded(name: str, text: object) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{PREFIX}{name} is not JSON: {error}") from error


def data_in(attributes: Mapping[str, Any], taken: frozenset[str]) -> dict[str, Any]:
    """The attributes that are the event's data, where they are all of it."""
    return {name: value for name, value in attributes.items() if name not in taken and not name.startswith(PREFIX)}
