"""What is told to OpenTelemetry: a tracer, instruments, and the names of what they say.

Names are those of the semantic conventions for messaging and for databases, where these have one; else they begin with
`refold.`. What is inside an event, and the text of an error, which may quote it, is never told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Final

from refold._version import __version__
from refold.errors import MissingExtra

try:
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider, get_meter
    from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, TracerProvider, get_tracer
except ImportError as error:
    raise MissingExtra("opentelemetry-api", "telemetry") from error

Attributes = Mapping[str, str | int | bool]

SYSTEM: Final = {"messaging.system": "refold"}
TEMPLATE: Final = "messaging.destination.template"
COUNT: Final = "messaging.batch.message_count"
ERROR: Final = "error.type"

_BUCKETS: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025,
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
)  # fmt: skip
"""Seconds: those of the conventions, and finer ones, since an append to a file is done before their first."""


class Signals:
    """What one store's spans and figures are told to; `common` attributes are on all of them."""

    def __init__(self, tracers: TracerProvider | None, meters: MeterProvider | None, common: Attributes) -> None:
        self._tracer = get_tracer("refold", __version__, tracers)
        self.meter = meter = get_meter("refold", __version__, meters)
        self.common = dict(common)
        self.durations = meter.create_histogram(
            "messaging.client.operation.duration", "s", "How long appends and decisions took, waiting for their commit included.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )  # fmt: skip
        self.sent = meter.create_counter(
            "messaging.client.sent.messages", "{message}", "Events that were to be appended."
        )
        self.conflicts = meter.create_counter(
            "refold.append.conflicts", "{conflict}", "Appends that did not find what they expected."
        )
        self.processing = meter.create_histogram(
            "messaging.process.duration", "s", "How long the steps of projections took.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )  # fmt: skip
        self.consumed = meter.create_counter(
            "messaging.client.consumed.messages", "{message}", "Events that were applied."
        )
        self.parked = meter.create_counter("refold.projection.parked", "{message}", "Events that were put aside.")

    def of_tenant(self, name: str) -> Signals:
        """The same, of a tenant."""
        same = copy(self)
        same.common = {**self.common, "refold.tenant": name}
        return same

    def start(
        self, name: str, kind: SpanKind, attributes: Attributes, *, context: Context, links: Sequence[Link] = (),
        started: int | None = None,
    ) -> Span:  # fmt: skip
        """A span that has begun now, or at `started`, in nanoseconds since 1970."""
        return self._tracer.start_span(name, context, kind, {**self.common, **attributes}, links, start_time=started)


def error_type(error: BaseException) -> str:
    """The name of an error's class."""
    cls = type(error)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def fail(span: Span, kind: str) -> None:
    """Say that what the span tells of failed, and with which kind of error."""
    span.set_attribute(ERROR, kind)
    span.set_status(Status(StatusCode.ERROR, kind))


def category_of(streams: Sequence[str]) -> str:
    """The category that all these streams share, or nothing."""
    categories = {stream.partition("-")[0] for stream in streams}
    return categories.pop() if len(categories) == 1 else ""
