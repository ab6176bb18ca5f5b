"""The failures that a process must survive, one by one, and what becomes of each."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.faults.checkout import EVENTS, Approved, OrderPlaced, Ship, checkout, order, parts, postal, stock, watching
from tests.faults.driving import Driven, run
from tests.faults.judging import contradictions, entries, journals, own, processes
from tests.faults.outside import Outside
from tests.faults.planted_sagas import Torn
from tests.faults.scripted import Died
from tests.faults.scripted_sagas import WAYS, Way, whichever_call_fails
from tests.faults.stalled_sagas import stalled_round

from refold import Steps, Store, duties, saga
from refold._bridge.stepping import run_sync
from refold.flows.processes.journal import Compensating, Delivered, Parked, Started
from refold.flows.processes.orchestrating import as_process
from refold.testing import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    """One that is moved."""
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> Iterator[Store]:
    """An empty store."""
    with Store.open("sqlite:///:memory:", events=EVENTS, clock=clock) as store:
        yield store


@pytest.fixture
def outside(tmp_path: Path) -> Outside:
    """A world that fails for those who have it coming."""
    return Outside(str(tmp_path / "outside.db"), 1, 0.0)


def state(store: Store, process: str, id: str) -> object:
    """How an instance is, by the index."""
    text = "select state, reason from {refold}processes where process = :process and instance = :id"
    ((state, reason),) = own(store, text, process=process, id=id)
    return state, reason


@pytest.mark.parametrize("way", WAYS)
def test_before_commit_or_during_commit_it_is_done_again_with_the_same_ids(way: Way) -> None:
    """`gone` and `busy`: before; `dead` and `unknown`: during."""
    calls, wrong = whichever_call_fails("all goes well", way, some=12)
    assert (calls > 8, wrong) == (True, [])


def test_sent_but_not_marked_is_sent_again_and_the_target_drops_the_repeat(
    store: Store, clock: ManualClock, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append("order-plain-1", [order("plain-1")])
    whole: Any = vars(duties)["deliver"]
    deaths = iter(range(3))

    async def deliver(backend: Any, *of: Any) -> Any:
        """The decider's events are committed; then the program ends."""

        class Dying(Torn):
            async def within(self, flow: Callable[[Any], Any]) -> Any:
                return await super().within(lambda inside: flow(_NoMarks(inside, deaths)))

        return await whole(Dying(backend), *of)

    monkeypatch.setattr(duties, "deliver", deliver)
    run(store, clock, *parts(outside), gone=(Died,))
    assert next(deaths, None) is None
    assert contradictions(store, parts(outside), outside) == []


class _NoMarks(Torn):
    """Dies before a message is marked as delivered, for as often as it is to."""

    def __init__(self, backend: Any, deaths: Iterator[int]) -> None:
        super().__init__(backend)
        self._deaths = deaths

    async def append(self, append: Any) -> Any:
        if append.writes and append.writes[0].stream.startswith("$process.") and next(self._deaths, None) is not None:
            raise Died
        return await self._backend.append(append)


def test_an_effect_that_was_not_recorded_is_asked_for_again_with_the_same_key(
    store: Store, clock: ManualClock, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append("order-plain-1", [order("plain-1")])
    charge, deaths = outside.charge, iter(range(3))

    def charging(order: str, key: str) -> str:
        paid = charge(order, key)
        if next(deaths, None) is not None:
            raise Died
        return paid

    monkeypatch.setattr(outside, "charge", charging)
    run(store, clock, *parts(outside), gone=(Died,))
    assert outside.called("charge", "plain-1") == {"times": 4, "keys": 1}
    assert contradictions(store, parts(outside), outside) == []


def test_when_retries_are_used_up_what_was_done_is_undone_this_step_included(
    store: Store, clock: ManualClock, outside: Outside
) -> None:
    store.append("order-dumb-1", [order("dumb-1")])
    run(store, clock, checkout(outside), stock)
    assert entries(store, checkout(outside), "dumb-1", Compensating) == [
        Compensating(["charge", "reserve"], "step 'charge' failed: OSError: charge did not answer")
    ]
    assert outside.happened_to("dumb-1") == ["charge", "refund"]
    assert contradictions(store, (checkout(outside), stock), outside) == []


def test_what_cannot_be_undone_is_parked_and_listed_until_an_operator_retries_or_skips_it(
    store: Store, clock: ManualClock, outside: Outside
) -> None:
    for id in ("mean-1", "mean-2"):
        store.append(f"order-{id}", [order(id)])
    run(store, clock, checkout(outside), stock)
    instances = store.process(checkout(outside))
    why = "undo to checkout is parked after 5 attempts: OSError: refund did not answer"
    assert [(each.id, each.stuck) for each in instances.list(stuck=True)] == [("mean-1", why), ("mean-2", why)]
    healed = Outside(outside.place, 1, 0.0, healed=True)
    instances.retry("mean-1", "the bank works again")
    instances.skip("mean-2", "paid back in cash")
    run(store, clock, checkout(healed), stock)
    assert [(each.id, each.state, each.stuck) for each in instances.list()] == [
        ("mean-1", "compensated", ""), ("mean-2", "compensated", ""),
    ]  # fmt: skip
    assert len(entries(store, checkout(outside), "mean-1", Parked)) == 1


@pytest.mark.parametrize("id", ["plain-1", "dumb-1"], ids=["when it is done", "when it is undone"])
def test_who_stalls_past_its_lease_is_refused(id: str, tmp_path: Path) -> None:
    assert stalled_round(f"sqlite:///{tmp_path}/store.db", id) == (["stopped", "refused"], [])


def test_two_starts_with_one_id_make_one_instance(store: Store, clock: ManualClock, outside: Outside) -> None:
    for _ in range(2):
        store.append("order-plain-1", [order("plain-1")])
    run(store, clock, *parts(outside))
    for process in processes(parts(outside)):
        assert len(entries(store, process, "plain-1", Started)) == 1
    assert outside.happened_to("plain-1") == ["charge", "label", "deliver"]


def test_an_event_before_its_start_is_ignored_or_parked_as_declared(
    store: Store, clock: ManualClock, outside: Outside
) -> None:
    ignoring = watching(postal(outside))
    parking = replace(ignoring, name="strict", otherwise="park", react=ignoring.react, events=ignoring.event_types)
    store.bind(stock).handle("plain-1", Ship("plain-1"))
    run(store, clock, ignoring, parking)
    letters = store.process(parking).list(stuck=True)
    assert [(each.id, each.state) for each in store.process(ignoring).list()] == []
    assert [(each.id, each.state) for each in letters] == [("plain-1", "unbegun")]
    assert "has no instance 'plain-1' yet, and 'stock.shipped' begins none: only order.placed does" in letters[0].stuck


def test_code_that_comes_no_longer_to_a_recorded_step_is_parked_with_the_difference(
    store: Store, clock: ManualClock, outside: Outside
) -> None:
    @saga("checkout", version=2, hears=[Approved])
    async def newer(s: Steps, order: OrderPlaced) -> None:
        await s.step("label", outside.label, s.id, s.key("label"))

    store.append("order-ask-2", [order("ask-2")])
    driven = Driven(store._engine.view, store._runtime, (checkout(outside), stock))
    while not entries(store, checkout(outside), "ask-2", Delivered)[1:] if _begun(store, outside) else True:
        run_sync(driven.round())
    run(store, clock, newer, stock)
    ((found),) = store.process(newer).list(stuck=True)
    assert "comes to its end without step 'charge', which this instance has taken (it comes to 'label')" in found.stuck
    run_retried = store.process(checkout(outside)).retry("ask-2", "the old code again")
    assert run_retried.parked == 0
    run(store, clock, checkout(outside), stock)
    assert state(store, "checkout", "ask-2") == ("compensated", "step 'approved' failed: it did not come in time")
    assert contradictions(store, (checkout(outside), stock), outside) == []


def _begun(store: Store, outside: Outside) -> bool:
    return "ask-2" in journals(store, as_process(checkout(outside)))


def test_restored_from_a_backup_it_asks_again_with_the_keys_of_before(tmp_path: Path, outside: Outside) -> None:
    """What was done after the backup is done again under the same keys, so that those outside can drop the repeat."""
    clock = ManualClock()
    with opened(tmp_path / "store.db", clock) as store:
        for id in ("plain-1", "torn-1"):
            store.append(f"order-{id}", [order(id)])
    shutil.copy(tmp_path / "store.db", tmp_path / "backup.db")
    ends: list[object] = []
    for place in ("store.db", "backup.db"):
        with opened(tmp_path / place, clock) as store:
            run(store, clock, checkout(outside), stock)
            ends.append([(each.id, each.state) for each in store.process(checkout(outside)).list()])
            assert contradictions(store, (checkout(outside), stock), outside) == []
    assert ends == [[("plain-1", "finished"), ("torn-1", "compensated")]] * 2
    assert outside.called("charge", "plain-1") == {"times": 2, "keys": 1}
    assert outside.happened_to("torn-1") == ["charge", "unlabel", "refund"]


@contextmanager
def opened(place: Path, clock: ManualClock) -> Generator[Store]:
    """A store in a file."""
    with Store.open(f"sqlite:///{place}", events=EVENTS, clock=clock) as store:
        yield store
