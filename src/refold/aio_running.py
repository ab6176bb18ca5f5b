"""The awaiting face of a runner: projections kept running as tasks, until they are told to stop."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import Self, TypeAlias

from refold._bridge.awaiting import AwaitingEngine
from refold._bridge.native import NativeAwaitingEngine
from refold._bridge.senders import awaiting_projection
from refold._bridge.tasks import TaskCrew
from refold.duties import Runs, assigned
from refold.errors import RefoldError
from refold.flows.prepare import Runtime
from refold.ports import Backend
from refold.runner import Observe, Tending
from refold.running import runner_name

Engine: TypeAlias = AwaitingEngine | NativeAwaitingEngine


class AsyncRunning:
    """Projections and processes that are kept running. Leaving the block, or `stop`, ends it when what is under way is done."""

    def __init__(
        self, engine: Engine, target: Backend, runtime: Runtime, parts: Sequence[Runs],
        lease: timedelta, observe: Observe | None,
    ) -> None:  # fmt: skip
        self.name = runner_name(runtime)
        self._crew = TaskCrew(engine)
        projections, duties = assigned(engine.view, runtime, self._crew, parts)
        runnable = [*map(awaiting_projection, projections)]
        self._tending = Tending(
            engine.view, target, runtime, runnable, self._crew, name=self.name, lease=lease, observe=observe,
            duties=duties,
        )  # fmt: skip
        self._crew.watch()
        self._crew.start("refold-runner", self._tending.tend)

    @property
    def troubles(self) -> dict[str, RefoldError]:
        """Why a projection is not run by this runner, by its name: another version of it is active, its schema cannot be made."""
        return dict(self._tending.troubles)

    async def stop(self) -> None:
        """Come to an end; what is under way is finished."""
        await self._crew.stop()

    async def join(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - it does not fail, it says
        """Wait until it has come to its end, at most so many seconds, and say whether it has."""
        return await self._crew.join(timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        await self.join()
