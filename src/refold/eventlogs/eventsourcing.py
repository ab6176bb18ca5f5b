"""Events that the library `eventsourcing` stored, in its table `stored_events`, by its JSON transcoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast
from uuid import UUID

from refold.eventlogs.mapping import stream_name
from refold.eventlogs.names import id_of, instant, object_in

TELLING: Final = frozenset({"originator_id", "originator_version", "topic", "state"})
_TYPE, _DATA = "_type_", "_data_"
_TRANSCODED: Final = 2


class Aggregates:
    """Which stream each aggregate has: its category is that of its first event, whatever class the others have."""

    def __init__(self, category: str | None) -> None:
        self._category = category
        self._names: dict[str, str] = {}

    def fields_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of the record that a stored event is. Its type is the name of its class, its topic is kept as metadata.

        Raises:
            ValueError: the state is not JSON, or no object.
        """
        topic, version = str(row["topic"]), int(row["originator_version"])
        state = cast("dict[str, Any]", _plain(object_in("state", row["state"])))
        stream = self._stream(_text(row["originator_id"]), topic)
        return {
            "stream": stream,
            "version": version,
            "type": topic.rpartition(":")[2],
            "schema_version": int(state.pop("class_version", 1)),
            "id": id_of("eventsourcing", _text(row["originator_id"]), version),
            "valid_at": instant("timestamp", state.pop("timestamp", None)),
            "data": state,
            "metadata": {"correlation_id": stream, "free": {"topic": topic}},
        }

    def _stream(self, id: str, topic: str) -> str:
        known = self._names.get(id)
        if known is None:
            known = self._names[id] = stream_name(id, category=self._category or _aggregate(topic))
        return known


def _aggregate(topic: str) -> str:
    """`account` of `bank.domain:Account.Opened`; `aggregate` for an event that stands in no class."""
    outer, dot, _ = topic.rpartition(":")[2].rpartition(".")
    return outer.rpartition(".")[2].lower() if dot else "aggregate"


def _text(id: object) -> str:
    text = str(id)
    try:
        return str(UUID(text))
    except ValueError:
        return text


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Without the types around what JSON has no type for: a time or decimal is its text, a tuple a list."""
    if isinstance(value, list):
        return [_plain(each) for each in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, object]", value)
    if len(fields) == _TRANSCODED and _TYPE in fields and _DATA in fields:
        plain = _plain(fields[_DATA])
        return _text(plain) if fields[_TYPE] == "uuid_hex" else plain
    return {key: _plain(each) for key, each in fields.items()}
