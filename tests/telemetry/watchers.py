"""Stores under watch, by either face, and what was told of them, as values."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, cast

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext

from refold import AsyncStore, Store
from refold.telemetry import instrument
from refold.testing.contract import Place
from refold.testing.contract.awaited import Awaited
from refold.testing.contract.base import Face, Stores


@dataclass(frozen=True)
class Told:
    """A span: its relatives by their names, its error by its kind."""

    name: str
    kind: str
    attributes: Mapping[str, object]
    parent: str | None = None
    links: Sequence[str] = ()
    error: str = ""


def context_of(span: ReadableSpan) -> SpanContext:
    """By what others know a span."""
    context = span.get_span_context()
    assert context is not None
    return context


class Watcher:
    """Hears all that is told to OpenTelemetry."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._figures = InMemoryMetricReader()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meters = MeterProvider([self._figures], shutdown_on_exit=False)

    def instrument(self, store: Any, **attributes: str) -> Any:
        return instrument(
            store, tracer_provider=self.tracers, meter_provider=self.meters, attributes=attributes or None
        )

    @contextmanager
    def request(self, name: str = "request") -> Generator[None]:
        """A span of the application's."""
        with self.tracers.get_tracer("application").start_as_current_span(name):
            yield

    @property
    def finished(self) -> Sequence[ReadableSpan]:
        """All of them as they came."""
        return self._spans.get_finished_spans()

    def forget(self) -> None:
        """The spans so far."""
        self._spans.clear()

    def told(self, *prefixes: str) -> list[Told]:
        """The spans, those of the application left out, whose names begin with one of these."""
        names = {context_of(span).span_id: span.name for span in self.finished}
        return [
            Told(
                span.name, span.kind.name, dict(span.attributes or {}),
                None if span.parent is None else names[span.parent.span_id],
                tuple(names[link.context.span_id] for link in span.links), span.status.description or "",
            )
            for span in self.finished
            if span.instrumentation_scope is not None and span.instrumentation_scope.name == "refold"
            and span.name.startswith(prefixes or "")
        ]  # fmt: skip

    def figures(self) -> dict[str, list[tuple[Mapping[str, object], float]]]:
        """The figures by name: attributes, and the value, or of a histogram how many there were."""
        found: dict[str, list[tuple[Mapping[str, object], float]]] = {}
        data = self._figures.get_metrics_data()
        for metric in [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics] if data else []:
            found[metric.name] = [
                (dict(point.attributes or {}), point.count if isinstance(point, HistogramDataPoint) else point.value)
                for point in cast("Sequence[Any]", metric.data.data_points)
            ]
        return found

    def everything(self) -> str:
        """All that was told, as text."""
        data = self._figures.get_metrics_data()
        return json.dumps([*[span.to_json() for span in self.finished], data.to_json() if data else ""])


class Carrying(ThreadPoolExecutor):
    """Threads that work in the context of who asked them."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        return super().submit(copy_context().run, fn, *args, **options)


@dataclass
class WatchedStores(Stores):
    """Opens stores that are watched."""

    place: Place
    face: Face
    watcher: Watcher = field(default_factory=Watcher)

    def __post_init__(self) -> None:
        super().__init__(self.place, self.face)
        self._threads = Carrying(32, "watched")

    async def _open(self, options: Mapping[str, Any]) -> AsyncStore:
        if self.face == "AsyncStore":
            store = await AsyncStore.open(self.place.url, **options)
            return cast("AsyncStore", self.watcher.instrument(store))
        blocking = Store.open(self.place.url, **options)
        return cast("AsyncStore", Awaited(self.watcher.instrument(blocking), self._threads))
