"""How projections are, as gauges: asked of the store whenever figures are collected."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from opentelemetry.metrics import CallbackOptions, Observation

from refold.aio import AsyncStore
from refold.clock import Clock, as_datetime
from refold.errors import RefoldError, StoreClosed
from refold.figures import FIGURES, Figure
from refold.flows.projections.status import ProjectionStatus
from refold.telemetry.signals import Signals

Asked: TypeAlias = Callable[[], Sequence[ProjectionStatus]]

_log = logging.getLogger("refold.telemetry")

PATIENCE: Final = 5.0
"""Seconds for which an event loop may take its time with an answer."""


class Gauges:
    """One look at the projections serves all figures of a collection."""

    def __init__(self, signals: Signals, clock: Clock, ask: Asked) -> None:
        self._common, self._clock, self._ask = signals.common, clock, ask
        self._served: set[str] = set()
        self._found: Sequence[ProjectionStatus] = ()
        for name, unit, description, figure in FIGURES:
            signals.meter.create_observable_gauge(name, [self._callback(name, figure)], unit, description)

    def _callback(self, name: str, figure: Figure) -> Callable[[CallbackOptions], Iterator[Observation]]:
        def observe(_: CallbackOptions) -> Iterator[Observation]:
            now = as_datetime(self._clock.now())
            for status in self._seen(name):
                yield Observation(figure(status, now), {
                    **self._common, "refold.projection.name": status.name, "refold.projection.version": status.version,
                    "refold.projection.role": status.role,
                })  # fmt: skip

        return observe

    def _seen(self, name: str) -> Sequence[ProjectionStatus]:
        """Looked at anew when a figure is asked for the second time."""
        if name in self._served or not self._served:
            self._served = set()
            self._found = self._asked()
        self._served.add(name)
        return self._found

    def _asked(self) -> Sequence[ProjectionStatus]:
        try:
            return [status for status in self._ask() if status.role != "retired"]
        except StoreClosed:
            return ()
        except (RefoldError, TimeoutError) as error:
            _log.warning("no figures of the projections: %s", error)
            return ()


def asked_from_outside(store: AsyncStore) -> Asked:
    """The projections of a store that belongs to the event loop that runs here, for whichever thread asks."""
    loop = asyncio.get_running_loop()

    def ask() -> Sequence[ProjectionStatus]:
        if loop.is_closed() or _running() is loop:  # nobody there; or it would wait for itself
            return ()
        coroutine = _projections(store)
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError:  # closed since
            coroutine.close()
            return ()
        try:
            return future.result(PATIENCE)
        except TimeoutError:
            future.cancel()
            raise

    return ask


async def _projections(store: AsyncStore) -> Sequence[ProjectionStatus]:
    return await store.projections()


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
