"""Instrument: the same store, whose calls, and whose read models, OpenTelemetry is told of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, cast, overload

from refold.aio import AsyncStore
from refold.aio_running import AsyncRunning
from refold.duties import Runs
from refold.errors import UsageError
from refold.runner import Observe
from refold.running import Running
from refold.store import Store
from refold.telemetry.signals import Signals

from refold.telemetry.engines import (  # isort: skip - the room of the signals says what is missing if it is
    AsyncInstrumentedEngine,
    Awaiting,
    Blocking,
    InstrumentedEngine,
)
from refold.telemetry.gauges import Gauges, asked_from_outside  # isort: skip
from refold.telemetry.steps import observed  # isort: skip

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider


@overload
def instrument(
    store: Store,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    attributes: Mapping[str, str] | None = None,
) -> Store: ...
@overload
def instrument(
    store: AsyncStore,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    attributes: Mapping[str, str] | None = None,
) -> AsyncStore: ...
def instrument(
    store: Store | AsyncStore,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    attributes: Mapping[str, str] | None = None,
) -> Store | AsyncStore:
    """The same store, which tells OpenTelemetry what it does; what is made of it (`context`, `tenant`, `bind`, ...) does, too.

    Spans: each append, decision and page read, and with `run` each step of a projection, linked to the spans that its events
    come from. These are known by `traceparent` among the free metadata, which an append within a recorded span puts there.
    Figures: appends, steps, and how far behind each projection is. Without providers, the global ones are used. `attributes`
    are put on everything, to tell several stores of one process from each other. An `AsyncStore` is instrumented in its loop.

    Raises:
        UsageError: it is instrumented already.
        MissingExtra: opentelemetry-api is not installed.
    """
    if isinstance(store, InstrumentedStore | AsyncInstrumentedStore):
        raise UsageError("this store is instrumented already: each call would be told of twice.")
    signals = Signals(tracer_provider, meter_provider, attributes or {})
    return (
        InstrumentedStore.of(store, signals) if isinstance(store, Store) else AsyncInstrumentedStore.of(store, signals)
    )


class InstrumentedStore(Store):
    """A `Store` whose runners are observed."""

    @classmethod
    def of(cls, store: Store, signals: Signals) -> Self:
        """What `store` is, under watch."""
        engine, runtime, context = store._engine, store._runtime, store._context  # noqa: SLF001 - of the same family
        if engine.capabilities.sql:
            Gauges(signals, runtime.clock, store.projections)
        return cls(cast("Blocking", InstrumentedEngine(engine, signals)), runtime, context)  # it does all that these do

    def run(self, *parts: Runs, observe: Observe | None = None, **options: Any) -> Running:  # noqa: ANN401 - as they are
        engine = cast("InstrumentedEngine", self._engine)
        return super().run(*parts, observe=observed(engine.signals, observe), **options)


class AsyncInstrumentedStore(AsyncStore):
    """An `AsyncStore` whose runners are observed."""

    @classmethod
    def of(cls, store: AsyncStore, signals: Signals) -> Self:
        """What `store` is, under watch."""
        engine, runtime, context = store._engine, store._runtime, store._context  # noqa: SLF001 - of the same family
        if engine.capabilities.sql:
            Gauges(signals, runtime.clock, asked_from_outside(store))
        return cls(cast("Awaiting", AsyncInstrumentedEngine(engine, signals)), runtime, context)

    def run(self, *parts: Runs, observe: Observe | None = None, **options: Any) -> AsyncRunning:  # noqa: ANN401
        engine = cast("AsyncInstrumentedEngine", self._engine)
        return super().run(*parts, observe=observed(engine.signals, observe), **options)
