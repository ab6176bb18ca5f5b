"""What the contract of dead letters and of audits is told with: a projection that can fail, and work on it step by step."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from inspect import isawaitable
from types import ModuleType
from typing import Any, Final, TypeVar

import pytest

from refold.aio import AsyncStore
from refold.aio_read_model import AsyncReadModel
from refold.errors import UsageError
from refold.flows.prepare import Runtime
from refold.flows.projections.batch import HandlerFailed
from refold.flows.projections.builds import active_build
from refold.flows.projections.persevering import told
from refold.flows.projections.retrying import retry
from refold.flows.projections.work import Work, partitions, step, take_up
from refold.messages import Recorded
from refold.ports import Backend
from refold.projection import Asking, Projection, Statement, ask, by_stream, sql
from refold.tables import Change, Table
from refold.testing.contract.sample import Deposited, Withdrawn

T = TypeVar("T")


class Poisoned(Exception):
    """What a handler of the contract raises."""


@dataclass(frozen=True)
class History:
    """An account, and what came to it and went from it, in order."""

    account: str
    amounts: str = ""


HISTORIES: Final = Table("histories", History, key="account")
FAILS_IN_SQL: Final = 666
"""At this amount, if it is poisonous, the handler yields a statement that cannot be run."""
_CHANGE: Final = "update histories set amounts = :amounts where account = :account"


def histories(
    *,
    poison: AbstractSet[int] = frozenset(),
    version: int = 1,
    key: Callable[[Recorded[Any]], str] = by_stream,
) -> Projection:
    """A projection whose rows show the order of events; at a poisonous amount it fails."""
    projection = Projection("histories", version=version, tables=(HISTORIES,), key=key)

    @projection.on(Deposited, get=lambda e: HISTORIES[e.stream.id])
    def paid_in(event: Recorded[Deposited], row: History | None) -> Iterator[Change | Statement]:
        amount = event.data.amount
        if amount in poison and amount == FAILS_IN_SQL:
            yield sql("insert into nowhere values (1)")
        elif amount in poison:
            raise Poisoned(f"amount {amount}")
        row = row or History(event.stream.id)
        yield HISTORIES.put(replace(row, amounts=f"{row.amounts} {amount}"))

    return projection


def asking(*, poison: AbstractSet[int] = frozenset()) -> Projection:
    """The same of withdrawals, each of which asks what is there."""
    projection = Projection("histories", tables=(HISTORIES,))

    @projection.on(Withdrawn)
    def paid_out(event: Recorded[Withdrawn]) -> Asking:
        rows = yield ask("select amounts from histories where account = :account", account=event.stream.id)
        if event.data.amount in poison:
            raise Poisoned(f"amount {event.data.amount}")
        if not rows:
            yield HISTORIES.put(History(event.stream.id, f" {event.data.amount}"))
        else:
            yield sql(_CHANGE, account=event.stream.id, amounts=f"{rows[0][0]!s} {event.data.amount}")

    return projection


async def rows_of(store: AsyncStore) -> dict[object, object]:
    """What the read model holds."""
    return dict(await store.query("select account, amounts from histories"))  # type: ignore[arg-type] # pairs, as selected


async def deposit(store: AsyncStore, account: str, *amounts: int) -> None:
    """Append deposits."""
    await store.append(f"account-{account}", [Deposited(amount) for amount in amounts])


# Work on it, step by step ------------------------------------------------------


class Worker:
    """Does with a read model what a runner does, step by step, by whichever face."""

    def __init__(self, model: AsyncReadModel) -> None:
        inner: Any = model
        self._engine: Any = inner._engine
        self.target: Backend = inner._target
        self.runtime: Runtime = inner._runtime
        self.projection = model.projection

    async def run(self, flow: Callable[[Backend], Coroutine[Any, Any, T]]) -> T:
        """What a flow gives that is run as the model's own methods are."""
        running: Any = self._engine.outside(flow)
        result: T = await running if isawaitable(running) else running
        return result

    async def take_up(self, first: int = 0) -> Work:
        """A partition, as it is now."""

        async def taken_up(_: Backend) -> Work | None:
            build = await active_build(self.target, self.runtime.clock, self.projection)
            return await take_up(self.target, self.projection, build, first)

        work = await self.run(taken_up)
        assert work is not None
        return work

    async def step(self, work: Work) -> bool:
        """The next step, in which an event that failed before is parked; whether there was anything left to do."""
        return await self.run(lambda source: _stepped(source, self.target, self.runtime, work))


async def _stepped(source: Backend, target: Backend, runtime: Runtime, work: Work) -> bool:
    try:
        return await step(source, target, runtime, work) is not None
    except HandlerFailed as failed:
        work.doomed[failed.recorded.position] = told(failed, work), 1
    except UsageError:
        work.batch = max(1, work.batch // 2)
    return True


async def taken_in(model: AsyncReadModel) -> None:
    """Do what a runner does, to the end: a key whose event fails is parked, here at its first attempt."""
    worker = Worker(model)
    await worker.take_up()

    async def firsts(_: Backend) -> list[int]:
        build = await active_build(worker.target, worker.runtime.clock, worker.projection)
        return [part.first for part in await partitions(worker.target, build)]

    for first in await worker.run(firsts):
        work = await worker.take_up(first)
        while await worker.step(work):
            pass


def overtake(patch: pytest.MonkeyPatch, module: ModuleType, name: str, model: AsyncReadModel) -> None:
    """Let somebody else retry all that is parked, just before a function of ours is called for the first time."""
    whole: Any = vars(module)[name]
    worker = Worker(model)
    left = [retry]

    async def late(*args: Any) -> Any:
        if left:
            await left.pop()(worker.target, worker.target, worker.runtime, worker.projection, None, None)
        return await whole(*args)

    patch.setattr(module, name, late)
