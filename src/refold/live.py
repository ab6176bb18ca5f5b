"""The blocking face of what is folded when it is read: read models in this process, and states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from threading import Lock
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeAlias, TypeVar

from refold._bridge.blocking import BlockingEngine, blocking_engine
from refold._bridge.native import NativeBlockingEngine
from refold.columns import SqlValue
from refold.flows.live import Horizon, State, fold
from refold.flows.prepare import Runtime
from refold.flows.projections.live import Live
from refold.fold import Fold, Scoped
from refold.messages import Position
from refold.opening import open_blocking
from refold.ports import Backend
from refold.projection import Projection, Statement
from refold.tables import Table

S = TypeVar("S")
R = TypeVar("R")
Engine: TypeAlias = BlockingEngine | NativeBlockingEngine

SCRATCH: Final = "sqlite:///:memory:"


class LiveModel:
    """The read model of a projection, in this process: each read folds first what is new. Nothing is written to the store.

    Rows of `Table`s are kept as values. A projection with SQL of its own, and `query`, take a scratch database: SQLite in
    memory, let go by `close` or at the end of a `with` block. Effects are not caused. A handler that fails ends the read
    with its error, and the next read begins at the same event.
    """

    def __init__(
        self, engine: Engine, runtime: Runtime, projection: Projection, as_of: datetime | Position | None
    ) -> None:
        runtime.codec.decoders(projection.event_types)
        self._engine, self._runtime = engine, runtime
        self._live = Live(projection, as_of, self._opened)
        self._scratch: Engine | None = None
        self._turn = Lock()

    async def _opened(self) -> Backend:
        self._scratch = blocking_engine(open_blocking(SCRATCH))
        return self._scratch.view

    @property
    def position(self) -> Position:
        """Up to where everything was folded by the last read."""
        return Position(self._live.position)

    def rows(self, table: Table[R]) -> Mapping[object, R]:
        """All rows of a table as they are now, by their keys: the value of the key's field, or a tuple if it has several.

        Raises:
            UsageError: it is no table of the projection, or the projection's SQL cannot be run by SQLite.
        """
        with self._turn:
            return self._engine.outside(lambda b: self._live.rows(b, self._runtime, table))

    def query(self, text: str, /, **params: SqlValue) -> Sequence[tuple[SqlValue, ...]]:
        """Read with SQL, as SQLite takes it, its parameters written `:name`.

        Raises:
            UsageError: it cannot be run, would write, or the projection's SQL cannot be run by SQLite.
        """
        with self._turn:
            return self._engine.outside(lambda b: self._live.query(b, self._runtime, Statement(text, params)))

    def close(self) -> None:
        """Let go of the scratch database, if there is one."""
        if self._scratch is not None:
            self._scratch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LiveState(Generic[S]):
    """The state of a fold after every event of its types, with its tags if it has any: each read folds first what is new."""

    def __init__(
        self,
        engine: Engine,
        runtime: Runtime,
        subject: Fold[S, Any] | Scoped[S, Any],
        as_of: datetime | Position | None,
    ) -> None:
        self._engine, self._runtime = engine, runtime
        self._kept, self._horizon = State(subject), Horizon(as_of)
        runtime.codec.decoders(self._kept.event_types)
        self._turn = Lock()

    @property
    def position(self) -> Position:
        """Up to where everything was folded by the last read."""
        return Position(self._kept.position)

    def state(self) -> S:
        """The state as it is now."""

        async def brought_up(source: Backend) -> S:
            await fold(source, self._runtime, self._kept, await self._horizon.of(source))
            return self._kept.value

        with self._turn:
            return self._engine.outside(brought_up)
