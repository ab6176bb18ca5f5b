"""The span of an append, or of a decision and the append that it led to; the events carry its trace context on."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec.structs import replace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from refold.ports import AlreadyAsked, Append, Appended, AppendResult, Conflicted
from refold.rows import NewRow
from refold.telemetry.signals import COUNT, ERROR, SYSTEM, TEMPLATE, Attributes, Signals, category_of, error_type, fail

Operation: TypeAlias = Literal["append", "decide"]

_W3C: Final = TraceContextTextMapPropagator()
_FREE: Final = msgspec.json.Decoder(dict[str, str])


class Producing:
    """One span, from the call until its outcome is known, with all attempts in between."""

    def __init__(
        self,
        signals: Signals,
        operation: Operation,
        streams: Sequence[str],
        parent: Context,
        more: Attributes | None = None,
    ) -> None:
        self._signals, self._operation = signals, operation
        self._template = category_of(streams)
        self._events = self._conflicts = 0
        self._began = perf_counter()
        self.span = signals.start(
            self._name, SpanKind.PRODUCER, {**self._base, **_destination(streams), **(more or {})}, context=parent
        )
        self.context = set_span_in_context(self.span, parent)

    @property
    def _name(self) -> str:
        return f"{self._operation} {self._template}".rstrip()

    @property
    def _base(self) -> Attributes:
        kind: Attributes = {"messaging.operation.name": self._operation, "messaging.operation.type": "send"}
        return {**SYSTEM, **kind, **({TEMPLATE: self._template} if self._template else {})}

    def marked(self, append: Append) -> Append:
        """The append, whose events say in their metadata what span they come from, if it is recorded anywhere."""
        streams = [write.stream for write in append.writes]
        self._events = sum(len(write.rows) for write in append.writes)
        if not self._template and streams:  # a decision within tags: only now it is known where to
            self._template = category_of(streams)
            self.span.update_name(self._name)
            self.span.set_attributes({**self._base, **_destination(streams)})
        if not self.span.is_recording():
            return append
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, self.context)
        known: dict[bytes, bytes] = {}  # most often all events of an append have the same metadata
        writes = tuple(
            replace(write, rows=tuple(_carrying(row, carrier, known) for row in write.rows)) for write in append.writes
        )
        self._name_command(append)
        return replace(append, writes=writes)

    def _name_command(self, append: Append) -> None:
        for write in append.writes[:1]:
            if (name := _FREE.decode(write.rows[0].metadata).get("$command")) is not None:
                self.span.set_attribute("refold.command", name)

    def came(self, result: AppendResult) -> None:
        """What came of an attempt."""
        match result:
            case Appended(positions, versions, repeated):
                self._tell(repeated, versions[0] if len(versions) == 1 else None, positions[-1] if positions else None)
            case AlreadyAsked(outcome):
                self._events = 0
                self._tell(True, outcome.version, outcome.last_position or None)  # noqa: FBT003 - it was asked before
            case Conflicted():
                self._conflicts += 1
                self._signals.conflicts.add(1, {**self._signals.common, **self._base})

    def _tell(self, repeated: bool, version: int | None, position: int | None) -> None:  # noqa: FBT001 - as it came
        found = {"refold.version": version, "refold.position": position, "refold.repeated": repeated or None}
        self.span.set_attributes({name: value for name, value in found.items() if value is not None})

    def end(self, error: BaseException | None) -> None:
        """The outcome is known: it went well, or the caller is given this error."""
        self.span.set_attribute(COUNT, self._events)
        if self._conflicts:
            self.span.set_attribute("refold.conflicts", self._conflicts)
        attributes = {**self._signals.common, **self._base}
        if error is not None:
            attributes[ERROR] = error_type(error)
            fail(self.span, error_type(error))
        self.span.end()
        self._signals.durations.record(perf_counter() - self._began, attributes, self.context)
        if self._events:
            self._signals.sent.add(self._events, attributes, self.context)


def _destination(streams: Sequence[str]) -> Attributes:
    return {"messaging.destination.name": streams[0]} if len(streams) == 1 else {}


def _carrying(row: NewRow, carrier: dict[str, str], known: dict[bytes, bytes]) -> NewRow:
    """The row with the trace context in its metadata, unless it brought one of its own."""
    metadata = known.get(row.metadata)
    if metadata is None:
        free = _FREE.decode(row.metadata)
        metadata = row.metadata if "traceparent" in free else msgspec.json.encode({**free, **carrier})
        known[row.metadata] = metadata
    return replace(row, metadata=metadata)
