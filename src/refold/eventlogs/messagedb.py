"""Messages of message-db: rows of its table `messages`, from its database or as JSON objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from refold.eventlogs.names import id_of, instant, object_in, stream_of, texts_of

TELLING: Final = frozenset({"id", "stream_name", "type", "position", "global_position"})


def fields_of(row: Mapping[str, Any], category: str | None) -> dict[str, Any]:
    """The fields of the record that a message is. `correlationStreamName` of its metadata names its story, and stays there.

    Raises:
        ValueError: data or metadata are no JSON objects, or a time is none.
    """
    metadata = object_in("metadata", row.get("metadata"))
    stream = stream_of(row.get("stream_name"), category)
    return {
        "stream": stream,
        "version": int(row["position"]) + 1,
        "type": row.get("type"),
        "id": id_of("message-db", row.get("id")),
        "valid_at": instant("time", row.get("time")),
        "data": object_in("data", row.get("data")),
        "metadata": {
            "correlation_id": metadata.get("correlationStreamName") or stream,
            "free": texts_of(metadata),
        },
    }
