"""The engines of a store, each call of which is watched."""

from __future__ import annotations

from typing import TypeAlias, TypeVar

from refold._bridge.awaiting import AwaitingEngine
from refold._bridge.blocking import BlockingEngine
from refold._bridge.native import NativeAwaitingEngine, NativeBlockingEngine
from refold._bridge.stepping import Flow
from refold.ports import Backend, Capabilities
from refold.telemetry.signals import Signals
from refold.telemetry.watching import Call, Deciding

T = TypeVar("T")

Blocking: TypeAlias = BlockingEngine | NativeBlockingEngine
Awaiting: TypeAlias = AwaitingEngine | NativeAwaitingEngine


class InstrumentedEngine:
    """The engine under an instrumented `Store`. `view` is not watched: a runner is told of step by step."""

    def __init__(self, engine: Blocking, signals: Signals) -> None:
        self._engine, self.signals = engine, signals

    @property
    def capabilities(self) -> Capabilities:
        return self._engine.capabilities

    @property
    def view(self) -> Backend:
        return self._engine.view

    def tenant(self, name: str) -> InstrumentedEngine:
        return InstrumentedEngine(self._engine.tenant(name), self.signals.of_tenant(name))

    def joined(self, connection: object) -> InstrumentedEngine:
        return InstrumentedEngine(self._engine.joined(connection), self.signals)

    def wait(self, after: int, seconds: float) -> int:
        return self._engine.wait(after, seconds)

    def inside(self, flow: Flow[T], kind: str, name: str) -> T:
        with Deciding(self.signals, kind, name) as call:
            return self._engine.inside(call.over(flow), kind, name)

    def outside(self, flow: Flow[T]) -> T:
        with Call(self.signals) as call:
            return self._engine.outside(call.over(flow))

    def close(self) -> None:
        self._engine.close()


class AsyncInstrumentedEngine:
    """The engine under an instrumented `AsyncStore`."""

    def __init__(self, engine: Awaiting, signals: Signals) -> None:
        self._engine, self.signals = engine, signals

    @property
    def capabilities(self) -> Capabilities:
        return self._engine.capabilities

    @property
    def view(self) -> Backend:
        return self._engine.view

    async def tenant(self, name: str) -> AsyncInstrumentedEngine:
        return AsyncInstrumentedEngine(await self._engine.tenant(name), self.signals.of_tenant(name))

    def joined(self, connection: object) -> AsyncInstrumentedEngine:
        return AsyncInstrumentedEngine(self._engine.joined(connection), self.signals)

    async def wait(self, after: int, seconds: float) -> int:
        return await self._engine.wait(after, seconds)

    async def inside(self, flow: Flow[T], kind: str, name: str) -> T:
        with Deciding(self.signals, kind, name) as call:
            return await self._engine.inside(call.over(flow), kind, name)

    async def outside(self, flow: Flow[T]) -> T:
        with Call(self.signals) as call:
            return await self._engine.outside(call.over(flow))

    async def close(self) -> None:
        await self._engine.close()
