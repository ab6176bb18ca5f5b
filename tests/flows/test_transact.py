"""Commands against a stream on which others write: decided again on what they wrote, without a second load."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from msgspec.structs import replace
from tests.flows import known
from tests.flows.counting import CountingBackend, Meanwhile, runtime

from refold import Conflict, Decider, NewEvent, RawEvent, SnapshotMismatch, Snapshots, UndecodableEvent
from refold._bridge.stepping import run_sync
from refold.flows.append import append
from refold.flows.prepare import Runtime
from refold.flows.shortcuts import Standing
from refold.flows.transact import ATTEMPTS, Handled, handle, kind_of, request_of
from refold.limits import Limits
from refold.messages import Context, Position
from refold.ports import PAGE, Request, StreamMoved
from refold.query import ANY
from refold.testing.contract.sample import Deposit, Deposited, Overdrawn, Withdraw, Withdrawn, accounts


def others(*events: object) -> Meanwhile:
    """Another writer appends these first."""

    async def append_them(backend: CountingBackend) -> None:
        for first in range(0, len(events), 500):
            batch = events[first : first + 500]
            await append(backend, runtime(), "account-1", batch, expected=ANY, condition=None, context=Context())

    return append_them


def opened(balance: int, *meanwhile: Meanwhile) -> CountingBackend:
    """A store with an account in it, and what others do before each of our appends."""
    backend = CountingBackend()
    run_sync(others(Deposited(balance))(backend))
    backend.meanwhile = list(meanwhile)
    backend.calls.clear()
    return backend


def handled(
    backend: CountingBackend, command: Deposit | Withdraw, key: str | None = None
) -> Handled[int, Deposited | Withdrawn]:
    return run_sync(handle(backend, runtime(), accounts, "1", command, Context(), key))


def test_a_command_costs_one_load_and_one_append() -> None:
    backend = CountingBackend()
    handled(backend, Deposit(1))
    assert backend.calls == {"payloads": 1, "append": 1, "find": 1}


@pytest.mark.guarantee("G5")
def test_a_conflict_is_decided_again_on_the_new_state_without_a_second_load() -> None:
    backend = opened(10, others(Withdrawn(3), Deposited(5)), others(Withdrawn(1)))
    done = handled(backend, Withdraw(2))
    assert (done.state, done.version, done.events) == (9, 5, (Withdrawn(2),))
    assert backend.calls["payloads"] == 1


def test_a_state_may_be_none_and_is_decided_and_folded_upon_as_such() -> None:
    def evolve(balance: int | None, event: Deposited | Withdrawn) -> int | None:
        return None if isinstance(event, Withdrawn) else (balance or 0) + event.amount

    def decide(command: Deposit | Withdraw, balance: int | None) -> list[Deposited | Withdrawn]:
        return [Withdrawn(balance or 0)] if isinstance(command, Withdraw) else [Deposited(command.amount)]

    backend, decider = CountingBackend(), Decider("account", lambda: 100, evolve, decide)
    states = [
        run_sync(handle(backend, runtime(), decider, "1", command, Context())).state
        for command in (Deposit(1), Withdraw(0), Deposit(2))
    ]
    assert states == [101, None, 2]


def test_what_the_new_state_does_not_allow_is_refused() -> None:
    backend = opened(10, others(Withdrawn(9)))
    with pytest.raises(Overdrawn):
        handled(backend, Withdraw(2))


@pytest.mark.guarantee("G5")
def test_a_tail_of_more_than_a_page_is_loaded_to_its_end() -> None:
    backend = CountingBackend(others(*(Deposited(1) for _ in range(PAGE + 2))))
    done = handled(backend, Deposit(7))
    assert (done.state, done.version) == (PAGE + 2 + 7, PAGE + 3)
    assert backend.calls["append"] == 3 + 2, "those of the others, the one that was too late, and the one after it"


@pytest.mark.parametrize("size", [PAGE - 1, PAGE, PAGE + 1])
def test_a_tail_of_about_a_page_is_not_cut_short(size: int) -> None:
    backend = CountingBackend(others(*(Deposited(1) for _ in range(size))))
    assert handled(backend, Deposit(7)).state == size + 7


def test_a_hundred_lost_attempts_are_a_conflict() -> None:
    seen: list[int] = []
    backend = CountingBackend(*(others(Deposited(1)) for _ in range(ATTEMPTS)))

    def decide(command: Deposit | Withdraw, balance: int) -> list[Deposited | Withdrawn]:
        seen.append(balance)
        return [Deposited(100)]

    with pytest.raises(Conflict, match="another writer appended first") as lost:
        run_sync(
            handle(
                backend, runtime(), type(accounts)("account", int, accounts.evolve, decide), "1", Deposit(1), Context()
            )
        )
    assert seen == list(range(ATTEMPTS))
    assert [(type(each), each.actual) for each in lost.value.failures] == [(StreamMoved, ATTEMPTS)]


def test_a_tail_that_cannot_be_read_is_told_with_its_place() -> None:
    backend = opened(10, others(NewEvent(RawEvent("account.deposited", {"amount": "much"}))))
    with pytest.raises(UndecodableEvent) as told:
        handled(backend, Deposit(1))
    assert (told.value.stream, told.value.version, told.value.position) == ("account-1", 2, 2)


def test_one_more_attempt_would_have_done() -> None:
    backend = CountingBackend(*(others(Deposited(1)) for _ in range(ATTEMPTS - 1)))
    assert handled(backend, Deposit(100)).state == ATTEMPTS - 1 + 100


@pytest.mark.guarantee("G4")
def test_a_repeated_command_does_not_decide_again() -> None:
    backend = CountingBackend()
    first = handled(backend, Deposit(1), "k")
    backend.calls.clear()
    again = handled(backend, Deposit(1), "k")
    assert (again.state, again.events, again.position, again.repeated) == (1, first.events, first.position, True)
    assert backend.calls["append"] == 0


@pytest.mark.guarantee("G4")
@pytest.mark.parametrize("size", [PAGE - 1, PAGE, PAGE + 1, 2 * PAGE])
def test_a_repeated_command_whose_events_fill_pages_gives_all_of_them(size: int) -> None:
    backend, wide = opened(10), replace(runtime(), limits=Limits(batch_events=2 * PAGE))

    def split(command: Deposit, balance: int) -> list[Deposited | Withdrawn]:
        return [Deposited(1)] * size

    decider = Decider("account", int, accounts.evolve, split)
    first, again = (run_sync(handle(backend, wide, decider, "1", Deposit(1), Context(), "k")) for _ in range(2))
    assert (first.state, first.version, len(first.events), first.repeated) == (10 + size, 1 + size, size, False)
    assert again == replace(first, repeated=True)


@pytest.mark.guarantee("G4")
def test_one_who_asks_the_same_at_the_same_time_gets_the_first_outcome() -> None:
    async def same(backend: CountingBackend) -> None:
        await handle(backend, runtime(), accounts, "1", Deposit(5), Context(), "k")

    backend = CountingBackend(same)
    late = handled(backend, Deposit(5), "k")
    assert (late.state, late.version, late.events, late.repeated) == (5, 1, (Deposited(5),), True)


@pytest.mark.guarantee("G4")
def test_that_nothing_changed_is_decided_again_on_what_others_wrote_and_remembered_as_it_was_told() -> None:
    seen: list[int] = []

    def only_once(command: Deposit | Withdraw, balance: int) -> list[Deposited | Withdrawn]:
        seen.append(balance)
        return [] if balance else [Deposited(1)]

    decider = type(accounts)("account", int, accounts.evolve, only_once)
    backend = opened(10, others(Deposited(5)))
    first, again = (run_sync(handle(backend, runtime(), decider, "1", Deposit(1), Context(), "k")) for _ in range(2))
    assert (first.state, first.version, first.events, first.repeated) == (15, 2, (), False)
    assert (again.state, again.version, again.events, again.repeated) == (15, 2, (), True)
    assert seen == [10, 15]


def test_what_a_key_stands_for_is_written_the_same_for_ever() -> None:
    asked = request_of("k", Deposit(1), "account-1")
    assert asked == Request("k", "command account.deposit on account-1 (data d29051b9761a161e)", "account-1")


def test_all_runs_of_one_decision_are_of_one_kind() -> None:
    class Deciding:
        pass

    here = f"{__name__}.test_all_runs_of_one_decision_are_of_one_kind.<locals>"
    named = partial(handled)
    assert (kind_of(others), kind_of(Deciding), kind_of(Deciding())) == (
        f"{__name__}.others",
        f"{here}.Deciding",
        f"{here}.Deciding",
    )
    assert kind_of(named) == "functools.partial"


# With a state that is known in this process ------------------------------------------------------------------------------


def knowing(standing: Standing[int], policy: Snapshots | None = None, *, verifying: bool = False) -> Runtime:
    return known.knowing(accounts, "account-1", standing, policy, verifying=verifying)


def withdrawn(backend: CountingBackend, runtime: Runtime, amount: int = 2) -> Handled[int, Deposited | Withdrawn]:
    backend.calls.clear()
    return run_sync(handle(backend, runtime, accounts, "1", Withdraw(amount), Context()))


def test_a_command_on_a_state_that_is_known_costs_one_append_alone() -> None:
    backend = opened(10)
    done = withdrawn(backend, knowing(Standing(10, 1, Position(1), 1)))
    assert done == Handled(8, 2, (Withdrawn(2),), Position(2), began=1)
    assert backend.calls == {"append": 1, "find": 1}


def test_what_is_known_of_another_stream_or_fold_is_not_taken() -> None:
    backend, knows = opened(10), knowing(Standing(99, 1, Position(1), 1))
    other = run_sync(handle(backend, knows, accounts, "2", Deposit(1), Context()))
    fold = Decider("account", lambda: 0, accounts.evolve, accounts.decide)
    same = run_sync(handle(backend, knows, fold, "1", Deposit(1), Context()))
    assert (other.state, same.state) == (1, 11)


def test_what_a_state_that_is_known_does_not_allow_is_decided_again_on_the_one_that_is() -> None:
    backend = opened(10)
    run_sync(others(Deposited(5))(backend))
    done = withdrawn(backend, knowing(Standing(10, 1, Position(1), 0)), 12)
    assert (done.state, done.version) == (3, 3)


def test_a_state_that_the_stream_does_not_have_any_more_is_loaded_anew() -> None:
    done = withdrawn(opened(10), knowing(Standing(99, 7, Position(7), 3)))
    assert done == Handled(8, 2, (Withdrawn(2),), Position(2))


def test_a_store_that_verifies_takes_no_state_unseen() -> None:
    wrong = Standing(99, 1, Position(1), 1)
    assert withdrawn(opened(10), knowing(wrong)).state == 97
    with pytest.raises(SnapshotMismatch):
        withdrawn(opened(10), knowing(wrong, verifying=True))


def test_what_a_load_took_is_told_where_slow_ones_are_to_be_saved() -> None:
    slow, old = Snapshots(slower_than=timedelta(seconds=1)), Standing(10, 1, Position(1), 1)
    backend = opened(10)
    run_sync(others(Deposited(5))(backend))
    done = withdrawn(backend, knowing(old, slow), 12)
    assert (done.began, done.cost) == (1, 5)
    assert withdrawn(opened(10), knowing(Standing(10, 1, Position(1), 1), slow)).cost == 0
