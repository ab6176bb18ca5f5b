"""The blocking face of a runner: projections kept running on threads, until they are told to stop."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import Self, TypeAlias
from uuid import UUID

from refold._bridge.blocking import BlockingEngine
from refold._bridge.crews import ThreadCrew
from refold._bridge.native import NativeBlockingEngine
from refold._bridge.senders import blocking_projection
from refold.duties import Runs, assigned
from refold.errors import RefoldError
from refold.flows.prepare import Runtime
from refold.ports import Backend
from refold.runner import Observe, Tending

Engine: TypeAlias = BlockingEngine | NativeBlockingEngine


def runner_name(runtime: Runtime) -> str:
    """A name that no other runner has, by which an operator finds the process."""
    return f"{socket.gethostname()}:{os.getpid()}:{UUID(bytes=runtime.clock.new_id())}"


class Running:
    """Projections and processes that are kept running. Leaving the block, or `stop`, ends it when what is under way is done."""

    def __init__(
        self, engine: Engine, target: Backend, runtime: Runtime, parts: Sequence[Runs],
        lease: timedelta, observe: Observe | None,
    ) -> None:  # fmt: skip
        self.name = runner_name(runtime)
        self._crew = ThreadCrew(engine)
        projections, duties = assigned(engine.view, runtime, self._crew, parts)
        runnable = [*map(blocking_projection, projections)]
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

    def stop(self) -> None:
        """Come to an end; what is under way is finished."""
        self._crew.stop()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until it has come to its end, at most so many seconds, and say whether it has."""
        return self._crew.join(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.join()
