"""What appends ask the server: the calls of its functions, and their values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from refold.backends.postgres.arrays import numbers, texts
from refold.ports import Append, StreamCheck
from refold.query import AppendCondition, Expected, ExpectedVersion
from refold.repeats import tags_json

_LARGEST: Final = (1 << 63) - 1
_EVENTS: Final = "uuid[]", "text[]", "integer[]", "text[]", "text[]", "bigint[]", "text[]", "text[]", "text[]", "text[]"
GENERAL: Final = ("json", "text[]", *_EVENTS)
ONE: Final = (
    "bigint",
    "text",
    "text",
    "uuid",
    "text",
    "integer",
    "json",
    "json",
    "bigint",
    "text",
    "text",
    "text",
    "json",
)
SIMPLE: Final = ("bigint", "text[]", "text[]", "integer[]", "integer[]", *_EVENTS)


def expectations(append: Append) -> list[tuple[str, ExpectedVersion]]:
    """All that is expected of streams, first of those that are written; answers name them by their places."""
    checks = [(check.stream, check.expected) for check in append.checks if isinstance(check, StreamCheck)]
    return [*((write.stream, write.expected) for write in append.writes), *checks]


def conditions(append: Append) -> list[AppendCondition]:
    """Those on queries; answers name them by their places."""
    return [check for check in append.checks if isinstance(check, AppendCondition)]


def call(schema: str, function: str, types: Sequence[str]) -> str:
    """The text of a call."""
    arguments = ", ".join(f"%s::{type}" for type in types)
    return f'select * from "{schema}".{function}({arguments})'  # noqa: S608 - checked names


def is_simple(append: Append) -> bool:
    """Whether it writes one stream, and nothing else is checked."""
    return len(append.writes) == 1 and not append.checks and append.request is None


def is_one(append: Append) -> bool:
    """Whether it is one event for one stream."""
    return is_simple(append) and len(append.writes[0].rows) == 1


def ids_of(append: Append) -> list[bytes]:
    """The ids of its events."""
    return [new.id for write in append.writes for new in write.rows]


def one_values(append: Append) -> list[Any]:
    """Of `append_one`."""
    (write,) = append.writes
    (new,) = write.rows
    return [
        append.now,
        write.stream,
        _expected(write.expected),
        new.id.hex(),
        new.type,
        new.schema_version,
        new.data.decode(),
        tags_json(new),
        new.valid_at,
        new.correlation_id,
        new.causation_id,
        new.actor,
        new.metadata.decode(),
    ]


def simple_values(appends: Sequence[Append], counts: Sequence[int]) -> list[Any]:
    """Of `append_simple`."""
    writes = [append.writes[0] for append in appends]
    return [
        max(append.now for append in appends),
        texts([write.stream for write in writes]),
        texts([_expected(write.expected) for write in writes]),
        numbers(counts),
        numbers([index for index, count in enumerate(counts, 1) for _ in range(count)]),
        *_event_values(appends),
    ]


def general_values(appends: Sequence[Append]) -> list[Any]:
    """Of `append`."""
    streams = [write.stream for append in appends for write in append.writes for _ in write.rows]
    return [msgspec.json.encode(list(_asks(appends))).decode(), texts(streams), *_event_values(appends)]


def _event_values(appends: Sequence[Append]) -> list[str]:
    rows = [new for append in appends for write in append.writes for new in write.rows]
    return [
        texts([new.id.hex() for new in rows]),
        texts([new.type for new in rows]),
        numbers([new.schema_version for new in rows]),
        texts([new.data.decode() for new in rows]),
        texts([tags_json(new) for new in rows]),
        numbers([new.valid_at for new in rows]),
        texts([new.correlation_id for new in rows]),
        texts([new.causation_id for new in rows]),
        texts([new.actor for new in rows]),
        texts([new.metadata.decode() for new in rows]),
    ]


def _asks(appends: Sequence[Append]) -> Iterator[dict[str, Any]]:
    first = 1
    for append in appends:
        writes: list[Any] = []
        for write in append.writes:
            writes.append((write.stream, _expected(write.expected), first, first + len(write.rows) - 1))
            first += len(write.rows)
        request = append.request
        yield {
            "now": append.now,
            "writes": writes,
            "streams": [(stream, _expected(expected)) for stream, expected in expectations(append)],
            "queries": [(_bigint(condition.after), _items(condition)) for condition in conditions(append)],
            "request": None if request is None else (request.key, request.asked, request.stream),
        }


def _expected(expected: ExpectedVersion) -> str:
    return expected.value if isinstance(expected, Expected) else str(_bigint(expected))


def _bigint(number: int) -> int:
    """The number, or where it is beyond all that can be stored, the last that is not."""
    return max(-_LARGEST, min(int(number), _LARGEST))


def _items(condition: AppendCondition) -> list[dict[str, list[str]]]:
    return [{"types": sorted(item.types), "tags": sorted(item.tags)} for item in condition.query.items]
