"""A backend that fails at one call of many, in one way of several, and work that goes on as a runner's does."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from typing import Any, Final, Literal, TypeAlias, TypeVar, cast, get_args

from tests.faults.readmodels import EVENTS, OUTBOX, POISON, PROJECTIONS, Deposited, Withdrawn, contradictions, moves
from tests.faults.rebuilds import contradictions as rebuilt_contradictions
from tests.faults.rebuilds import tally

from refold import OutcomeUnknown, Projection, Store, StoreBusy, StoreError, UsageError
from refold._bridge.stepping import run_sync
from refold.flows.prepare import Runtime
from refold.flows.projections.builds import active_build
from refold.flows.projections.persevering import Persevering
from refold.flows.projections.rebuilding import rebuild
from refold.flows.projections.work import partitions, take_up
from refold.ports import Append, AppendResult, Backend, Capabilities, Outcome, Own, Rows, Selection, Unclaimed
from refold.projection import Statement
from refold.rows import Payload, Row

T = TypeVar("T")
Way: TypeAlias = Literal["busy", "unknown", "usage", "dead"]
WAYS: Final[Sequence[Way]] = get_args(Way)


class Died(BaseException):
    """The process is gone: nothing of what it knew is left."""


class Failing:
    """A backend whose `at`-th call fails. `calls`: how many there were."""

    def __init__(self, backend: Backend, at: int, way: Way, counter: list[int] | None = None) -> None:
        self._backend, self._at = backend, at
        self._way: Way = way
        self._counter = [0] if counter is None else counter

    @property
    def calls(self) -> int:
        """How many there were so far."""
        return self._counter[0]

    @property
    def capabilities(self) -> Capabilities:
        """What the backend gives."""
        return self._backend.capabilities

    async def _call(self, call: Callable[[], Coroutine[Any, Any, T]], *, changes: bool) -> T:
        self._counter[0] += 1
        if self._counter[0] != self._at:
            return await call()
        if self._way in {"unknown", "dead"} and changes:
            await call()
        raise self._error(changes=changes)

    def _error(self, *, changes: bool) -> BaseException:
        match self._way:
            case "busy":
                return StoreBusy("scripted")
            case "usage":
                return UsageError("scripted")
            case "unknown":
                return OutcomeUnknown("scripted") if changes else StoreError("scripted")
            case "dead":
                return Died()

    async def head(self) -> int:
        """As the port says, like all that follows."""
        return await self._call(self._backend.head, changes=False)

    async def read(self, selection: Selection) -> Sequence[Row]:
        return await self._call(lambda: self._backend.read(selection), changes=False)

    async def query(self, statement: Own | Statement) -> Rows:
        return await self._call(lambda: self._backend.query(statement), changes=False)

    async def find(self, ids: Sequence[bytes]) -> Sequence[Row]:
        return await self._call(lambda: self._backend.find(ids), changes=False)

    async def payloads(self, stream: str, after: int, until: int | None) -> Sequence[Payload]:
        return await self._call(lambda: self._backend.payloads(stream, after, until), changes=False)

    async def request(self, key: str) -> Outcome | None:
        return await self._call(lambda: self._backend.request(key), changes=False)

    async def append(self, append: Append) -> AppendResult:
        return await self._call(lambda: self._backend.append(append), changes=True)

    async def work(self, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
        return await self._call(lambda: self._backend.work(steps), changes=True)

    async def within(self, flow: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        def failing(inside: Backend) -> Coroutine[Any, Any, T]:
            way: Way = "busy" if self._way == "unknown" else self._way
            return flow(Failing(inside, self._at, way, self._counter))

        return await self._call(lambda: self._backend.within(failing), changes=True)


class NoWaiting:
    """A pace at which time does not pass."""

    def now(self) -> float:
        return 0.0

    async def pause(self, seconds: float) -> None: ...


def history(store: Store, *, poison: bool = True) -> None:
    """A few accounts, one of which has an event that some cannot apply."""
    store.catch_up(OUTBOX)
    for i in range(14):
        store.append(f"account-{i % 3}", [Withdrawn(i + 1) if i % 4 == 3 else Deposited(i + 1)])
        if i == 6 and poison:
            store.append("account-1", [Deposited(POISON)])


def go_on(backend: Backend, runtime: Runtime, projection: Projection) -> None:
    """What a runner does with one projection, until all is done: what fails is forgotten, and begun again."""
    while True:
        try:
            return run_sync(_all_done(backend, runtime, projection))
        except (StoreError, OutcomeUnknown, UsageError, Unclaimed, Died):
            continue


async def _all_done(backend: Backend, runtime: Runtime, projection: Projection) -> None:
    build = await active_build(backend, runtime.clock, projection)
    for part in await partitions(backend, build):
        work = await take_up(backend, projection, build, part.first)
        assert work is not None
        work.batch = 3
        persevering = Persevering(work)
        while await persevering.step(backend, backend, runtime, NoWaiting(), None) is not None:
            work.batch = min(work.batch, 3)


def with_a_failure(name: str, at: int, way: Way) -> tuple[bool, list[str]]:
    """Whether the work came as far as the failing call, and what is wrong in the end."""
    with Store.open("sqlite:///:memory:", events=EVENTS) as store:
        history(store)
        failing = Failing(store._engine.view, at, way)
        go_on(cast("Backend", failing), store._runtime, PROJECTIONS[name]())
        return failing.calls >= at, contradictions(store, [name])


def first_wrong(attempt: Callable[[int], tuple[bool, list[str]]]) -> tuple[int, list[str]]:
    """The first call whose failure left something wrong, and what; or the last one that there was."""
    for at in count(1):
        came_to_it, wrong = attempt(at)
        if wrong or not came_to_it:
            return at, wrong
    raise AssertionError


def rebuilt_with_a_failure(at: int, way: Way, *, effects: bool) -> tuple[bool, list[str]]:
    """The same of a new version that is built and switched to."""
    with Store.open("sqlite:///:memory:", events=EVENTS) as store:
        history(store, poison=False)
        store.catch_up(tally(1, effects=effects))
        last = tally(2, effects=effects)
        failing = cast("Backend", Failing(store._engine.view, at, way))
        while not any(each.version == 2 and each.role == "active" for each in store.projections()):
            try:
                run_sync(rebuild(failing, failing, store._runtime, NoWaiting(), last, None))
            except (StoreError, OutcomeUnknown, UsageError, Died):
                continue
        store.append("account-1", [Deposited(5)])
        store.catch_up(last)
        store.model(last).drop_retired()
        return cast("Failing", failing).calls >= at, rebuilt_contradictions(store, last, moves(store))
