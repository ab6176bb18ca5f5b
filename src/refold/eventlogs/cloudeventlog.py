"""Events as CloudEvents 1.0, one JSON object a line: ours written and known again, those of others read."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO, Final

import msgspec

from refold.clock import as_text
from refold.cloudevents import CloudEvent, Extension
from refold.errors import shortened
from refold.eventlogs.flat import as_json_text
from refold.eventlogs.names import id_of, instant, object_in, stream_of, texts_of
from refold.eventlogs.recorded import EventRecord

TELLING: Final = frozenset({"specversion", "id", "source", "type"})
_CONTEXT: Final = TELLING | {"subject", "time", "datacontenttype", "dataschema", "data", "data_base64"}
_KNOWN: Final = _CONTEXT | {"schemaversion", "correlationid", "causationid", "sequence", "partitionkey"}
_OURS: Final = "streamversion"
"""The attribute that no publication has: by it an export is known. It is 0 where there is no version."""

_encode = msgspec.json.Encoder().encode


def write_cloudevents(records: Iterable[EventRecord], out: BinaryIO, source: str) -> None:
    """One message a line, in the order of their positions, as a publication would send it, and with what else is known."""
    out.writelines(_message(record, source).structured() + b"\n" for record in records)


def _message(record: EventRecord, source: str) -> CloudEvent:
    return CloudEvent(
        as_text(record.id.bytes), source, record.type, _encode(record.data), record.stream, record.recorded_at,
        extensions=_extensions(record),
    )  # fmt: skip


def _extensions(record: EventRecord) -> dict[str, Extension]:
    story = record.metadata
    known: dict[str, Extension | None] = {
        "partitionkey": record.stream,
        "sequence": f"{record.position or 0:020d}",
        _OURS: record.version or 0,
        "schemaversion": record.schema_version,
        "correlationid": story.correlation_id,
        "causationid": story.causation_id,
        "actor": story.actor,
        "validat": None if record.valid_at is None else record.valid_at.isoformat(),
        "tags": as_json_text(record.tags) if record.tags else None,
        "metadata": as_json_text(story.free) if story.free else None,
        "traceparent": story.free.get("traceparent"),
    }
    return {name: value for name, value in known.items() if value is not None}


def fields_of(row: Mapping[str, Any], category: str | None) -> dict[str, Any]:
    """The fields of the record that a message is: its subject is the stream, its source and extensions are metadata.

    Raises:
        ValueError: it is no CloudEvent 1.0, has no subject, or its data are no JSON object.
    """
    if row.get("specversion") != "1.0":
        raise ValueError(f"its specversion is {shortened(row.get('specversion'))}, and not '1.0'")
    if row.get("subject") is None:
        raise ValueError("the message has no subject, so there is no stream for it")
    ours = _OURS in row
    return {
        "stream": row["subject"] if ours else stream_of(row["subject"], category),
        "version": row.get(_OURS) or None,
        "type": row.get("type"),
        "schema_version": row.get("schemaversion", 1),
        "id": id_of("cloudevents", row.get("id")) if ours else _id(row),
        "valid_at": instant("time", row.get("validat" if ours else "time")),
        "data": _data(row),
        "tags": _list(row.get("tags", "[]")) if ours else [],
        "metadata": _story(row, ours=ours),
    }


def _id(row: Mapping[str, Any]) -> object:
    """One source gives no other event the id, two sources may: only a UUID is taken as it is."""
    own = id_of("cloudevents", row.get("id"))
    return own if str(own) == str(row.get("id")).lower() else id_of("cloudevents", row.get("source"), row.get("id"))


def _data(row: Mapping[str, Any]) -> dict[str, Any]:
    packed = row.get("data_base64")
    return object_in("data", base64.b64decode(str(packed), validate=True) if packed is not None else row.get("data"))


def _list(text: object) -> Any:  # noqa: ANN401 - JSON
    return msgspec.json.decode(str(text))


def _story(row: Mapping[str, Any], *, ours: bool) -> dict[str, Any]:
    if ours:
        free = object_in("metadata", row.get("metadata", "{}"))
    else:
        free = texts_of({name: value for name, value in row.items() if name not in _KNOWN} | {"source": row["source"]})
    return {
        "correlation_id": row.get("correlationid") or (None if ours else row["subject"]),
        "causation_id": row.get("causationid"),
        "actor": row.get("actor") if ours else None,
        "free": free,
    }
