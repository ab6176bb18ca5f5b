"""OCEL 2.0 in JSON, read as a stream: each event with the kinds of the objects that it is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final, cast
from uuid import UUID

import msgspec

from refold.eventlogs.flat import POSITION, data_in, opened
from refold.eventlogs.jsonparts import Part, parts
from refold.eventlogs.mapping import stream_name
from refold.eventlogs.names import id_of, instant
from refold.eventlogs.ocelwriting import STREAM, tag_of
from refold.eventlogs.rows import BadRow, Json, LogRow, Row, Table
from refold.eventlogs.spool import Spool, spool

TELLING: Final = frozenset({"ocel:id", "ocel:type", "ocel:time", "ocel:attributes", "ocel:relationships"})


class _Object(msgspec.Struct, frozen=True):
    id: str
    type: str


class _Attribute(msgspec.Struct, frozen=True):
    name: str
    value: Any = None


class _Relationship(msgspec.Struct, frozen=True, rename="camel"):
    object_id: str
    qualifier: str = ""


class _Event(msgspec.Struct, frozen=True):
    id: str
    type: str
    time: str
    attributes: list[_Attribute] = []
    relationships: list[_Relationship] = []


_object = msgspec.json.Decoder(_Object).decode
_event = msgspec.json.Decoder(_Event).decode


def read_ocel(source: BinaryIO) -> Table:
    """The events of a log, as they stand in it. Attributes of objects, and what objects are to each other, are passed over.

    The file is gone through twice: the objects may come after the events.
    """
    return Table(tuple(sorted(TELLING)), _rows(source))


def _rows(source: BinaryIO) -> Iterator[Row]:
    with spool() as objects:
        for part in parts(source):
            if part.key == "objects" and (bad := _noted(objects, part)):
                yield bad
        source.seek(0)
        for part in parts(source):
            if part.key == "events":
                yield _row(objects, part)


def _noted(objects: Spool, part: Part) -> BadRow | None:
    try:
        found = _object(part.text)
    except (msgspec.DecodeError, RecursionError) as error:
        return BadRow(part.line, None, f"it is no object of OCEL 2.0: {error}")
    objects.place_of(found.id, found.type)
    return None


def _row(objects: Spool, part: Part) -> Row:
    try:
        event = _event(part.text)
    except (msgspec.DecodeError, RecursionError) as error:
        return BadRow(part.line, None, f"it is no event of OCEL 2.0: {error}")
    related = list[Json]()
    for each in event.relationships:
        kind = objects.kind_of(each.object_id)
        if kind is None:
            return BadRow(part.line, "relationships", f"there is no object {each.object_id!r}")
        related.append({"id": each.object_id, "kind": kind, "qualifier": each.qualifier})
    attributes: Json = {each.name: each.value for each in event.attributes}
    return LogRow(part.line, {
        "ocel:id": event.id, "ocel:type": event.type, "ocel:time": event.time, "ocel:attributes": attributes,
        "ocel:relationships": related,
    })  # fmt: skip


def fields_of(row: Mapping[str, Any], category: str | None) -> dict[str, Any]:
    """The fields of the record that an event of OCEL is: of ours as it was, of others in the stream of its first object.

    Raises:
        ValueError: it is about nothing, or an attribute of ours is not what it should be.
    """
    attributes = cast("dict[str, Any]", row["ocel:attributes"])
    related = cast("list[dict[str, str]]", row["ocel:relationships"])
    if POSITION in attributes:
        return _ours(row, attributes, related)
    if not related:
        raise ValueError("the event is about no object, so there is no stream for it")
    first = related[0]
    stream = stream_name(first["id"], category=category or first["kind"])
    return {
        "stream": stream,
        "type": row["ocel:type"],
        "id": id_of("ocel", row["ocel:id"]),
        "valid_at": instant("time", row["ocel:time"]),
        "data": attributes,
        "tags": sorted({f"{each['kind']}:{each['id']}" for each in related}),
        "metadata": {"correlation_id": stream},
    }


def _ours(row: Mapping[str, Any], attributes: dict[str, Any], related: list[dict[str, str]]) -> dict[str, Any]:
    fields = opened(attributes)
    tags = [tag for each in related if (tag := tag_of(each["id"], each["qualifier"])) is not None]
    return {
        **fields,
        "stream": next((each["id"] for each in related if each["qualifier"] == STREAM), None),
        "type": row["ocel:type"],
        "id": UUID(row["ocel:id"]),
        "valid_at": row["ocel:time"] if "recorded_at" in fields else None,
        "data": fields.get("data", data_in(attributes, frozenset())),
        "tags": sorted(tags),
    }
