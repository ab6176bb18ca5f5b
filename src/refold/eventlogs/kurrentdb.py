"""Events of KurrentDB, as its clients and its HTTP interface show them: one JSON object each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from refold.eventlogs.names import id_of, instant, object_in, stream_of, texts_of

TELLING: Final = frozenset({"eventId", "eventType", "streamId"})


def fields_of(row: Mapping[str, Any], category: str | None) -> dict[str, Any]:
    """The fields of the record that an event is. `$correlationId` and `$causationId` of its metadata are its story.

    Raises:
        ValueError: data or metadata are no JSON objects, or a time is none.
    """
    metadata = object_in("metadata", row.get("metadata"))
    stream = stream_of(row.get("streamId"), category)
    revision = _first(row, "revision", "eventNumber", "streamRevision")
    return {
        "stream": stream,
        "version": None if revision is None else int(revision) + 1,
        "type": row.get("eventType"),
        "id": id_of("kurrentdb", row.get("eventId")),
        "valid_at": instant("created", _first(row, "created", "updated", "createdEpoch")),
        "data": object_in("data", row.get("data")),
        "metadata": {
            "correlation_id": metadata.pop("$correlationId", None) or stream,
            "causation_id": metadata.pop("$causationId", None),
            "free": texts_of(metadata),
        },
    }


def _first(row: Mapping[str, Any], *names: str) -> Any:  # noqa: ANN401 - JSON
    return next((row[name] for name in names if row.get(name) is not None), None)
