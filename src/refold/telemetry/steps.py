"""The steps of projections: a span each, linked to the spans that produced its events."""

from __future__ import annotations

from collections.abc import Iterable
from time import time_ns
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from refold.runner import Observe, StepSeen
from refold.telemetry.signals import COUNT, ERROR, SYSTEM, Attributes, Signals, fail

PARKED: Final = "parked"
"""The kind of error of a step that put events aside."""
_W3C: Final = TraceContextTextMapPropagator()


def observed(signals: Signals, also: Observe | None) -> Observe:
    """What a runner tells its steps to: the signals, and whoever else wants to know."""

    def observe(step: StepSeen) -> None:
        _tell(signals, step)
        if also is not None:
            also(step)

    return observe


def _tell(signals: Signals, step: StepSeen) -> None:
    if not (step.applied or step.parked or step.error):
        return  # nothing there that matters to it
    common: Attributes = {
        **SYSTEM,
        "messaging.operation.name": "process",
        "messaging.consumer.group.name": step.projection,
    }
    error = step.error or (PARKED if step.parked else "")
    span = signals.start(
        f"process {step.projection}", SpanKind.CONSUMER,
        {
            **common, "messaging.operation.type": "process", "messaging.destination.partition.id": str(step.first_slot),
            COUNT: step.applied, "refold.projection.build": step.build, "refold.position": step.position,
        },
        context=Context(), links=list(_links(step.traces)), started=time_ns() - round(step.seconds * 1e9),
    )  # fmt: skip
    if step.parked:
        span.set_attribute("refold.parked", step.parked)
    if error:
        fail(span, error)
    span.end()
    attributes: Attributes = {**signals.common, **common}
    failed: Attributes = {**attributes, ERROR: error} if error else attributes
    signals.processing.record(step.seconds, failed)
    signals.consumed.add(step.applied, attributes)
    signals.parked.add(step.parked, attributes)


def _links(traces: Iterable[str]) -> Iterable[Link]:
    for trace in traces:
        context = get_current_span(_W3C.extract({"traceparent": trace}, Context())).get_span_context()
        if context.is_valid:  # what stands under that key may be anything
            yield Link(context)
