"""Events as OCEL 2.0 in JSON: what they are about as objects, from their streams and from tags such as `course:c1`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import BinaryIO, Final

import msgspec

from refold.clock import as_text
from refold.eventlogs.flat import DATA, PREFIX, Scalar, as_json_text, envelope, flattened
from refold.eventlogs.recorded import EventRecord
from refold.eventlogs.spool import Packing, Spool, spool

STREAM, TAG, LABEL = "stream", "tag", "label"
"""Qualifiers: the object is where the event happened; what a tag `kind:id` names; a tag of another form."""
RECORDED: Final = f"{PREFIX}recorded_at"
KEYS: Final = 1_000
"""How many attributes a type has at most; what has more is a map, and is kept as JSON alone."""
_LABELS: Final = "tag-"
_KINDS: Final = {bool: "boolean", int: "integer", float: "float", str: "string"}

_encode = msgspec.json.Encoder().encode
_packing: Final = Packing(EventRecord)
_Types = dict[str, dict[str, str]]


def write_ocel(records: Iterable[EventRecord], out: BinaryIO) -> None:
    """A log with its events in the order of their positions, one a line, after the types and objects that it speaks of."""
    types: _Types = {}
    with spool() as kept:
        for number, record in enumerate(records):
            kept.keep(0, number, _packing.pack(record))
            _note_objects(kept, record)
            _note_type(types, record)
        kinds = sorted({kind for _, kind in kept.names()})
        _write_array(out, b'{"objectTypes": [', ({"name": kind, "attributes": []} for kind in kinds))
        _write_array(out, b'],\n"eventTypes": [', (_type(name, types[name]) for name in sorted(types)))
        _write_array(out, b'],\n"objects": [', _objects(kept))
        _write_array(out, b'],\n"events": [', (_event(_packing.unpack(each), types) for _, each in kept.sorted()))
        out.write(b"]}\n")


def _write_array(out: BinaryIO, head: bytes, elements: Iterable[object]) -> None:
    out.write(head)
    out.writelines((b",\n" if number else b"\n") + _encode(element) for number, element in enumerate(elements))


def _note_objects(kept: Spool, record: EventRecord) -> None:
    for object, _ in _related(record):
        kept.place_of(object, object.partition("-")[0])


def _objects(kept: Spool) -> Iterator[object]:
    for id, kind in kept.names():
        yield {"id": id, "type": kind, "attributes": []}


def _related(record: EventRecord) -> Iterator[tuple[str, str]]:
    """The objects of an event and their qualifiers; its stream last, which counts where a reader keeps one of a pair."""
    for tag in record.tags:
        kind, colon, id = tag.partition(":")
        yield (f"{kind}-{id}", TAG) if colon and kind and id and "-" not in kind else (_LABELS + tag, LABEL)
    yield record.stream, STREAM


def tag_of(object: str, qualifier: str) -> str | None:
    """The tag that a relationship was; None, if it was none."""
    if qualifier == LABEL:
        return object.removeprefix(_LABELS)
    return object.replace("-", ":", 1) if qualifier == TAG else None


def _note_type(types: _Types, record: EventRecord) -> None:
    kinds = types.setdefault(record.type, {})
    for key, value in _told(record).items():
        kind, known = _KINDS[type(value)], kinds.get(key)
        if known is None and (len(kinds) < KEYS or key.startswith(PREFIX)):
            kinds[key] = kind
        elif known is not None and known != kind:
            kinds[key] = "float" if {known, kind} == {"integer", "float"} else "string"
    for key in (DATA, RECORDED):
        kinds.setdefault(key, "string" if key == DATA else "time")


def _told(record: EventRecord) -> Mapping[str, Scalar]:
    return {**flattened(record.data, frozenset()).attributes, **envelope(record)}


def _type(name: str, kinds: Mapping[str, str]) -> object:
    return {"name": name, "attributes": [{"name": key, "type": kind} for key, kind in kinds.items()]}


def _event(record: EventRecord, types: _Types) -> object:
    kinds, moment = types[record.type], record.valid_at or record.recorded_at
    exact = flattened(record.data, frozenset()).exact
    attributes = list[Mapping[str, object]]()
    for key, value in _told(record).items():
        fitted = _fitted(kinds.get(key), value)
        exact &= key.startswith(PREFIX) or fitted is value
        if fitted is not None:
            attributes.append({"name": key, "value": fitted})
    if not exact:
        attributes.append({"name": DATA, "value": as_json_text(record.data)})
    if record.valid_at is not None:
        attributes.append({"name": RECORDED, "value": _time(record.recorded_at)})
    return {
        "id": as_text(record.id.bytes),
        "type": record.type,
        "time": _time(moment),
        "attributes": attributes,
        "relationships": [{"objectId": object, "qualifier": qualifier} for object, qualifier in _related(record)],
    }


def _fitted(kind: str | None, value: Scalar) -> Scalar | None:
    """The value as its attribute has it: as text, where values of several kinds stand under one key."""
    if kind == "string" and not isinstance(value, str):
        return as_json_text(value)
    return None if kind is None else value


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
