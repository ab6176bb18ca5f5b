"""Undo while others append between its look and its append: it looks again, and appends only if nothing is in the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace
from tests.flows.counting import CountingBackend, Meanwhile, runtime

from refold import CannotUndo, Conflict, Fold, Store, UsageError, undoes
from refold._bridge.stepping import run_sync
from refold.flows.append import append
from refold.flows.transact import ATTEMPTS
from refold.flows.undo import carry_out, plan_of
from refold.messages import Context
from refold.ports import PAGE, Selection, StreamMoved
from refold.query import ANY
from refold.testing.contract.sample import Deposited, Withdrawn
from refold.undoing import Undo


def balance(before: int, event: Deposited | Withdrawn) -> int:
    return before + event.amount if isinstance(event, Deposited) else before - event.amount


@undoes(Deposited)
def taken_out(event: Deposited, _: int) -> Iterator[Withdrawn]:
    yield Withdrawn(event.amount)


accounts: Fold[int, Any] = Fold("account", int, balance, inverses=(taken_out,))


class OpenBackend(CountingBackend):
    """One whose appends stand in no transaction."""

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = replace(self.capabilities, together=False)


def others(stream: str, cause: object = None) -> Meanwhile:
    """Another writer appends this first."""

    async def append_it(backend: CountingBackend) -> None:
        context = Context(causation_id=None if cause is None else str(cause))
        await append(backend, runtime(), stream, [Deposited(1)], expected=ANY, condition=None, context=context)

    return append_it


def deposited() -> tuple[CountingBackend, UUID, Undo]:
    """A store with a deposit, its id, and a plan to undo it."""
    backend = OpenBackend()
    run_sync(others("account-1")(backend))
    id = UUID(bytes=run_sync(backend.read(Selection()))[0].id)
    return backend, id, run_sync(plan_of(backend, runtime(), Undo, [id], None, [accounts]))


def undone(backend: CountingBackend, plan: Undo) -> int:
    """The version that it came to."""
    return run_sync(carry_out(backend, runtime(), Undo, plan, Context()))[0].version


@pytest.mark.guarantee("G5")
def test_what_others_append_elsewhere_meanwhile_does_not_disturb() -> None:
    backend, _, plan = deposited()
    backend.meanwhile = [others("account-2"), others("account-3")]
    assert undone(backend, plan) == 2
    assert backend.meanwhile == []


@pytest.mark.guarantee("G5")
def test_what_the_event_comes_to_cause_meanwhile_is_in_the_way() -> None:
    backend, id, plan = deposited()
    backend.meanwhile = [others("account-2", id)]
    with pytest.raises(CannotUndo, match="it caused account-2@1"):
        undone(backend, plan)
    assert run_sync(backend.head()) == 2


@pytest.mark.parametrize("way", [str, lambda one: one.hex, lambda one: str(one).upper()], ids=["plain", "hex", "upper"])
def test_a_cause_is_found_however_its_id_is_written_and_however_far_it_is(way: Callable[[UUID], str]) -> None:
    backend, id, _ = deposited()
    for number in range(PAGE + 1):
        run_sync(others("account-9", f"{number:036}")(backend))
    run_sync(others("account-2", way(id))(backend))
    plan = run_sync(plan_of(backend, runtime(), Undo, [id], None, [accounts]))
    assert [obstacle.reason for obstacle in plan.obstacles] == [
        "it caused account-2@1 (account.deposited), which stands"
    ]


def test_a_stream_that_moves_meanwhile_is_told_and_nothing_else() -> None:
    backend, _, plan = deposited()
    backend.meanwhile = [others("account-1")]
    with pytest.raises(Conflict) as conflict:
        undone(backend, plan)
    assert [type(failure) for failure in conflict.value.failures] == [StreamMoved]


def test_who_is_always_too_late_gives_up_at_last() -> None:
    backend, _, plan = deposited()
    backend.meanwhile = [others("account-2")] * ATTEMPTS
    with pytest.raises(Conflict, match="matches"):
        undone(backend, plan)
    assert run_sync(backend.head()) == ATTEMPTS + 1


@pytest.mark.guarantee("G4")
def test_a_repeat_gives_the_first_outcome_whatever_was_caused_since() -> None:
    backend, id, plan = deposited()
    assert undone(backend, plan) == 2
    run_sync(others("account-2", id)(backend))
    assert undone(backend, plan) == 2
    assert run_sync(backend.head()) == 3


def test_a_plan_is_for_the_store_that_it_was_made_for() -> None:
    with Store.open("memory://") as store, Store.open("memory://") as other:
        for each in (store, other):
            each.append("account-1", [Deposited(1)])
        (id,) = store.append("account-2", [Deposited(1)]).ids
        other.append("account-2", [Deposited(1)])
        plan = store.plan_undo(id, folds=[accounts])
        with pytest.raises(UsageError, match="not in this store"):
            other.undo(plan)
        assert other.head() == 2
