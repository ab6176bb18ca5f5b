"""Events as XES (IEEE 1849-2016), a trace for each stream or each story; and those events known again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, BinaryIO, Final, Literal, TypeAlias

from refold.clock import as_text
from refold.eventlogs.flat import DATA, POSITION, PREFIX, Scalar, as_json_text, data_in, envelope, flattened, opened
from refold.eventlogs.recorded import EventRecord
from refold.eventlogs.spool import spool

By: TypeAlias = Literal["stream", "correlation"]

_CASE: Final = "case:concept:name"
_TAKEN: Final = frozenset({_CASE, "concept:name", "time:timestamp", "identity:id"})
_FILLED: Final = frozenset({"lifecycle:transition", "org:resource"})
"""Keys that tools look for: they are given a value where the data have none."""
_OWN: Final = f"{PREFIX}keys"
"""Those of them that are the event's data all the same."""
TELLING: Final = frozenset({_CASE, "identity:id", POSITION})
"""Columns by which a log is known as one of ours."""

_HEAD: Final = b"""<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1849-2016" xes.features="" xmlns="http://www.xes-standard.org/">
<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
<extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
<extension name="Lifecycle" prefix="lifecycle" uri="http://www.xes-standard.org/lifecycle.xesext"/>
<extension name="Organizational" prefix="org" uri="http://www.xes-standard.org/org.xesext"/>
<extension name="Identity" prefix="identity" uri="http://www.xes-standard.org/identity.xesext"/>
<global scope="trace"><string key="concept:name" value="-"/></global>
<global scope="event"><id key="identity:id" value="00000000-0000-0000-0000-000000000000"/>\
<string key="concept:name" value="-"/><date key="time:timestamp" value="1970-01-01T00:00:00+00:00"/>\
<string key="lifecycle:transition" value="complete"/></global>
<classifier name="Activity" keys="concept:name"/>
"""


def write_xes(records: Iterable[EventRecord], out: BinaryIO, by: By) -> None:
    """A log whose traces are in the order in which they began, the events of each in that of their positions."""
    out.write(_HEAD)
    with spool() as kept:
        for number, record in enumerate(records):
            case = record.stream if by == "stream" else record.metadata.correlation_id or as_text(record.id.bytes)
            kept.keep(kept.place_of(case), number, _event(record, by))
        for (case, _), (_, events) in zip(kept.names(), groupby(kept.sorted(), key=itemgetter(0)), strict=True):
            out.write(b"<trace>" + _attribute("string", "concept:name", case) + b"\n")
            out.writelines(event for _, event in events)
            out.write(b"</trace>\n")
    out.write(b"</log>\n")


def _event(record: EventRecord, by: By) -> bytes:
    return b"<event>" + b"".join(_attributes(record, by)) + b"</event>\n"


def _attributes(record: EventRecord, by: By) -> Iterator[bytes]:
    yield _attribute("id", "identity:id", as_text(record.id.bytes))
    yield _attribute("string", "concept:name", record.type)
    yield _date("time:timestamp", record.valid_at or record.recorded_at)
    ours, (data, exact) = envelope(record), flattened(record.data, _TAKEN)
    if own := sorted(_FILLED & data.keys()):
        ours[_OWN] = as_json_text(own)
    if not exact:
        ours[DATA] = as_json_text(record.data)
    if record.tags:
        ours[f"{PREFIX}tags"] = as_json_text(record.tags)
    if by != "stream":
        ours[f"{PREFIX}stream"] = record.stream
    if record.valid_at is not None:
        yield _date(f"{PREFIX}recorded_at", record.recorded_at)
    usual: dict[str, Scalar] = {"lifecycle:transition": "complete"}
    if actor := record.metadata.actor:
        usual["org:resource"] = actor
    for key, value in {**usual, **data, **ours}.items():
        yield _attribute(_kind(value), key, value)


_KINDS: Final[Mapping[type[Scalar], str]] = {bool: "boolean", int: "int", float: "float", str: "string"}


def _date(key: str, moment: datetime | None) -> bytes:
    return b"" if moment is None else _attribute("date", key, moment.astimezone(UTC).isoformat())


def _kind(value: Scalar) -> str:
    return _KINDS[type(value)]


def _attribute(kind: str, key: str, value: Scalar) -> bytes:
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    return f'<{kind} key="{key.translate(_ESCAPES)}" value="{text.translate(_ESCAPES)}"/>'.encode()


_ESCAPES: Final = str.maketrans({
    "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;",
})  # fmt: skip


def fields_of(row: Mapping[str, Any], _: str | None) -> dict[str, Any]:
    """The fields of the record that a row of a log of ours is.

    Raises:
        ValueError: an attribute of ours is not what it should be.
    """
    fields = opened(row)
    data = fields.get("data")
    if data is None:
        data = data_in(row, _TAKEN | _FILLED.difference(fields.get("keys", ())))
    return {
        **fields,
        "stream": fields.get("stream", row.get(_CASE)),
        "type": row.get("concept:name"),
        "id": row.get("identity:id"),
        "valid_at": row.get("time:timestamp") if "recorded_at" in fields else None,
        "data": data,
    }
