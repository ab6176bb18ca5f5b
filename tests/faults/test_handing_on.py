"""Commands of one transaction hand their states on: the stream is loaded once, and no decision stands on what is not so."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from refold import ANY, Decider, NewEvent, event
from refold._bridge.stepping import run_sync
from refold._bridge.writer import Job, Writer
from refold.clock import SystemClock
from refold.codec import Codec
from refold.flows.append import append
from refold.flows.prepare import Runtime
from refold.flows.transact import Handled, handle
from refold.messages import Context
from refold.opening import open_blocking
from refold.ports import Backend, Grouping
from refold.testing.contract.sample import EVENTS, Deposit, Deposited, Overdrawn, Withdraw, accounts

pytestmark = pytest.mark.guarantee("G5")

Flow = Callable[[Backend], Coroutine[Any, Any, Any]]
NOBODY = Context()


class Failed(Exception):
    """What a flow of these tests ends with."""


@pytest.fixture(params=["sqlite:///{}/store.db", "sqlite:///:memory:", "memory://"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Grouping]:
    found = open_blocking(request.param.format(tmp_path))
    assert isinstance(found, Grouping)
    yield found
    run_sync(found.close())


@pytest.fixture
def loads(backend: Grouping, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The streams that were asked for, each time."""
    asked, payloads = list[str](), backend.payloads

    def noted(stream: str, after: int, until: int | None) -> Any:
        asked.append(stream)
        return payloads(stream, after, until)

    monkeypatch.setattr(backend, "payloads", noted)
    return asked


RUNTIME = Runtime(Codec(EVENTS), SystemClock())


def commands(*commands: Deposit | Withdraw, runtime: Runtime = RUNTIME) -> list[Flow]:
    """Each for the same account."""

    def handled(command: Deposit | Withdraw) -> Flow:
        return lambda inside: handle(inside, runtime, accounts, "1", command, NOBODY)

    return [handled(command) for command in commands]


def deposits(amount: int) -> Flow:
    """An append without a command, to the same account."""

    async def flow(inside: Backend) -> None:
        fact = NewEvent(Deposited(amount))
        await append(inside, RUNTIME, "account-1", [fact], expected=ANY, condition=None, context=NOBODY)

    return flow


def in_one_transaction(backend: Grouping, *flows: Flow) -> list[Any]:
    """The result of each, or the error."""
    writer = Writer(backend, lambda _: None)
    jobs: list[Job[Any]] = [Job(flow, "") for flow in flows]
    for job in jobs:
        writer.submit(job)
    writer.run_waiting()
    return [job.error or job.result for job in jobs]


def states(told: Sequence[Any]) -> list[object]:
    return [one.state if isinstance(one, Handled) else type(one) for one in told]


def amounts(backend: Grouping) -> list[tuple[int, bytes]]:
    return [(version, data) for version, _, _, _, data in run_sync(backend.payloads("account-1", 0, None))]


def test_a_stream_is_loaded_once_for_all_that_ask_for_it(backend: Grouping, loads: list[str]) -> None:
    told = in_one_transaction(backend, *commands(Deposit(5), Withdraw(2), Deposit(1), Withdraw(4)))
    assert (states(told), loads) == ([5, 3, 4, 0], ["account-1"])


def test_each_transaction_looks_for_itself(backend: Grouping, loads: list[str]) -> None:
    for _ in range(3):
        in_one_transaction(backend, *commands(Deposit(1)))
    assert loads == ["account-1"] * 3


def test_what_something_else_appended_meanwhile_is_decided_upon(backend: Grouping) -> None:
    before, after = commands(Deposit(1)), commands(Withdraw(101), Withdraw(1))
    told = in_one_transaction(backend, *before, deposits(100), *after)
    assert (states([told[0], *told[2:]]), len(amounts(backend))) == ([1, 0, Overdrawn], 3)


def test_a_refusal_stands_on_what_the_stream_holds(backend: Grouping) -> None:
    told = in_one_transaction(backend, *commands(Deposit(1)), deposits(100), *commands(Withdraw(50)))
    assert states([told[-1]]) == [51]


def test_what_was_undone_is_handed_on_to_nobody(backend: Grouping) -> None:
    """The command that failed afterwards left version 2; another event is that now, and nobody may take it for the first."""

    async def fails_afterwards(inside: Backend) -> None:
        await handle(inside, RUNTIME, accounts, "1", Deposit(1_000), NOBODY)
        raise Failed

    told = in_one_transaction(
        backend, *commands(Deposit(1)), fails_afterwards, deposits(1), *commands(Withdraw(500), Withdraw(2))
    )
    assert states([*told[:2], *told[3:]]) == [1, Failed, Overdrawn, 0]
    assert [version for version, _ in amounts(backend)] == [1, 2, 3]


@event("line.noted-down")
class NotedDown:
    """A line of a list."""

    line: str


def test_a_state_that_can_be_changed_in_place_is_not_handed_on(backend: Grouping, loads: list[str]) -> None:
    def noted(state: list[str], event: NotedDown) -> list[str]:
        return [*state, event.line]

    def note(command: Deposit, state: list[str]) -> Iterator[NotedDown]:
        yield NotedDown(str(len(state)))

    lists = Decider("list", list[str], noted, note, events=(NotedDown,))
    flow = lambda inside: handle(inside, RUNTIME, lists, "1", Deposit(1), NOBODY)  # noqa: E731 - one more of these
    assert states(in_one_transaction(backend, flow, flow)) == [["0"], ["0", "1"]]
    assert loads == ["list-1"] * 2


def test_a_store_that_verifies_loads_each_state(backend: Grouping, loads: list[str]) -> None:
    verifying = Runtime(Codec(EVENTS), SystemClock(), verifying=True)
    assert states(in_one_transaction(backend, *commands(Deposit(1), Deposit(1), runtime=verifying))) == [1, 2]
    assert loads.count("account-1") >= 2
