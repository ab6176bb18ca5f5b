"""A simulation passes what is right, finds each planted fault, and does the same each time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from random import Random

import pytest
from examples.fulfilment.stock import (
    ReceiveStock,
    ReleaseStock,
    ReserveStock,
    Stock,
    StockReceived,
    StockReserved,
    stock,
)
from hypothesis import given
from hypothesis import strategies as st
from tests.simulation import applications
from tests.simulation.applications import Application
from tests.simulation.planted import PLANTS, Plant, a_charge_without_its_key, a_decider_that_does_not_look

from refold import App, Effect, Process, Recorded, UsageError, finish
from refold.testing import SimulationFailed, simulate
from refold.testing.simulation.customers import Sent
from refold.testing.simulation.findings import FindingKind
from refold.testing.simulation.shrinking import less

SEEDS = 60
"""Each planted fault shows itself within so many."""


def failure(
    application: Application, *, seeds: int = SEEDS, seed: int | None = None, shrink_for: float = 0
) -> SimulationFailed:
    """How its simulation fails."""
    with pytest.raises(SimulationFailed) as caught:
        application.simulated(seeds=seeds, seed=seed, shrink_for=shrink_for)
    return caught.value


def kinds(failed: SimulationFailed) -> list[str]:
    """Which commands are left."""
    return [type(sent[1]).__name__ for sent in failed.commands if isinstance(sent, tuple)]


@pytest.mark.guarantee("G21")
@pytest.mark.parametrize("application", [applications.by_process, applications.by_saga, applications.shop])
def test_what_is_right_is_left_alone(application: Callable[[], Application]) -> None:
    report = application().simulated(seeds=15)

    assert report.seeds == 15
    assert report.faults.keys() >= {
        "die before",
        "die after",
        "unknown and done",
        "be late",
        "let time pass",
        "ask again",
    }


@pytest.mark.parametrize(("plant", "kind", "words"), [(plant, *found) for plant, found in PLANTS.items()])
def test_each_planted_fault_is_found(plant: Plant, kind: FindingKind, words: str) -> None:
    failed = failure(plant())

    assert [each for each in failed.findings if each.kind == kind and words in each.what]


def test_a_seed_does_the_same_each_time() -> None:
    first = failure(a_charge_without_its_key())
    again, once_more = (failure(a_charge_without_its_key(), seed=first.seed) for _ in range(2))

    assert (first.seed, first.unshrunk, str(first)) == (again.seed, again.unshrunk, str(again))
    assert (again.unshrunk, str(again)) == (once_more.unshrunk, str(once_more))


def test_a_seed_does_the_same_in_every_process() -> None:
    program = "from tests.simulation.applications import shop; print(shop().simulated(seed=3).story)"

    def story(hashes: str) -> str:
        env = {**os.environ, "PYTHONHASHSEED": hashes, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(
            [sys.executable, "-c", program], env=env, check=True, capture_output=True, text=True
        ).stdout

    one, other = story("1"), story("2")

    assert one == other
    assert len(one.splitlines()) > 20


def test_a_failing_run_is_shrunk_to_what_matters() -> None:
    whole, failed = failure(a_decider_that_does_not_look()), failure(a_decider_that_does_not_look(), shrink_for=30)

    assert len(whole.commands) > len(failed.commands)
    assert set(kinds(failed)) <= {"ReceiveStock", "PlaceOrder"}
    assert not failed.faults
    assert str(failed).endswith(f"To run it again: simulate(..., seed={failed.seed}).")


def test_the_key_matters_only_if_something_befalls_the_call() -> None:
    failed = failure(a_charge_without_its_key(), shrink_for=30)

    assert kinds(failed) == ["ReceiveStock", "PlaceOrder"]
    assert len(failed.faults) == 1


@given(st.lists(st.integers(), max_size=30), st.sets(st.integers(0, 29), max_size=4))
def test_what_is_left_after_shrinking_is_all_that_matters(whole: list[int], places: set[int]) -> None:
    needed = [whole[place] for place in sorted(places) if place < len(whole)]

    def fails(some: Sequence[int]) -> bool:
        return all(some.count(each) >= needed.count(each) for each in needed)

    assert sorted(less(whole, fails)) == sorted(needed)


# How it is called -----------------------------------------------------------------------------------------------------


def never_negative(stock: Stock) -> bool:
    """There is no less than nothing."""
    return stock.free >= 0


def test_commands_may_come_from_a_hypothesis_strategy() -> None:
    commands = st.lists(
        st.tuples(st.just("stock-cup"), st.builds(ReceiveStock, st.integers(1, 9))), min_size=1, max_size=6
    )

    first, again = (simulate(App(stock), commands=commands, seeds=5, always=[never_negative]) for _ in range(2))

    assert first == again
    assert first.events == first.commands - first.refused > 5


def test_a_refused_command_is_an_answer() -> None:
    report = simulate(App(stock), commands=lambda _: [("stock-cup", ReleaseStock("1"))], seeds=1)

    assert (report.commands, report.refused, report.events) == (1, 0, 0)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ((("cup-1", ReceiveStock(1)),), "nobody decides upon 'cup-1': the app has deciders of stock."),
        ((ReceiveStock(1),), "is no command with its stream"),
    ],
)
def test_a_command_for_nobody_is_told(sent: tuple[Sent, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        simulate(App(stock), commands=lambda _: sent, seeds=1)


def test_an_invariant_says_what_it_is_about() -> None:
    with pytest.raises(UsageError, match="never_negative"):
        simulate(App(stock), commands=lambda _: [], always=[lambda state: True], seeds=1)


def test_time_passes_between_commands() -> None:
    def commands(random: Random) -> Sequence[Sent]:
        return [("stock-cup", ReceiveStock(1)), timedelta(days=1), ("stock-cup", ReceiveStock(1))]

    report = simulate(App(stock), commands=commands, seed=1)

    assert report.events == 2
    assert "1 day, 0:00:00 pass." in report.story


def test_a_version_of_a_process_is_given_only_what_that_version_names() -> None:
    def react(event: Recorded[StockReserved], taken: int) -> Iterator[Effect]:
        assert isinstance(event.data, StockReserved)
        yield finish()

    def count(taken: int, event: object) -> int:
        return taken + 1

    first = Process("counting", int, lambda event, taken: (), count, events=(StockReceived, StockReserved))
    second = Process("counting", int, react, count, version=2, earlier=(first,))
    sent = ("stock-cup", ReceiveStock(1)), ("stock-cup", ReserveStock("1"))

    assert simulate(App(stock, second), commands=lambda _: sent, seeds=3).parked == 0
