"""G15: an event has its effect in the database of a projection exactly once.

Runners of five projections, one of each kind, are killed while others write; their power is cut; each single call of the
store fails in each way. Whatever happened, in the end read models and outbox are the log, folded once more in plain Python.
"""

from __future__ import annotations

import time
from random import Random

import pytest
from tests.faults.killing import LEASE, begin, kill_loop, run, settle, write
from tests.faults.power import disk
from tests.faults.processes import Process, until
from tests.faults.readmodels import EVENTS, PROJECTIONS, contradictions, moves
from tests.faults.scripted import WAYS, Way, first_wrong, with_a_failure
from tests.guarantees.conftest import NewUrl
from tests.guarantees.seeding import named, seeded
from tests.guarantees.telling import tell

from refold import Store

pytestmark = [pytest.mark.guarantee("G15")]
AT_ONCE = 200
"""So many are killed on one store; then on another one."""


def kill(new_url: NewUrl, kills: int) -> None:
    seed, rounds = seeded(), [min(AT_ONCE, kills - done) for done in range(0, kills, AT_ONCE)]
    urls = [new_url() for _ in rounds]
    killed = [kill_loop(url, count, seed + n) for n, (url, count) in enumerate(zip(urls, rounds, strict=True))]
    at_work, events = sum(each.at_work for each in killed), sum(each.events for each in killed)
    tell("G15", named(urls[0]), kills=kills, at_work=at_work, events=events, wrong=0, seed=seed)
    assert at_work >= kills / 2


@pytest.mark.parametrize(
    ("new_url", "kills"), [("sqlite", 14), ("postgresql", 8), ("jetstream", 4)], indirect=["new_url"]
)
def test_killed_runners_leave_the_fold_of_the_log(new_url: NewUrl, kills: int) -> None:
    kill(new_url, kills)


@pytest.mark.long
@pytest.mark.parametrize("new_url", ["sqlite", "postgresql", "jetstream"], indirect=True)
def test_a_thousand_killed_runners_leave_the_fold_of_the_log(new_url: NewUrl) -> None:
    kill(new_url, 1_000)


def cut_power(cuts: int) -> None:
    seed, names = seeded(), [*PROJECTIONS]
    random = Random(seed)  # noqa: S311 - the same each time for a seed
    with disk() as own:
        url = f"sqlite:///{own.place}/store.db"
        with Store.open(url, events=EVENTS) as store:
            begin(store, names)
        for number in range(cuts):
            with (
                Process(write, url=url, seed=seed + number, pause=0.002),
                Process(run, url=url, names=names, lease=LEASE) as runner,
            ):
                until("the runner works", lambda: runner.has_told("working"))
                time.sleep(random.uniform(0, 0.1))  # the moment of the cut is what is random here
                own.cut()
            own.restore()
        with Store.open(url, events=EVENTS) as store:
            settle(store, url, names)
            wrong, events = contradictions(store, names), len(moves(store))
    tell("G15", "sqlite", power_cuts=cuts, events=events, wrong=len(wrong), seed=seed)
    assert (wrong, events > cuts) == ([], True)


def test_runners_whose_power_is_cut_leave_the_fold_of_the_log_on_sqlite() -> None:
    cut_power(3)


@pytest.mark.long
def test_runners_whose_power_is_cut_often_leave_the_fold_of_the_log_on_sqlite() -> None:
    cut_power(300)


@pytest.mark.parametrize("way", WAYS)
def test_whichever_call_fails_the_end_is_the_same_on_sqlite(way: Way) -> None:
    found = {name: first_wrong(lambda at: with_a_failure(name, at, way)) for name in PROJECTIONS}  # noqa: B023 - called at once
    tell("G15", "sqlite", each_of_calls=sum(calls - 1 for calls, _ in found.values()), fails=way, wrong=0)
    assert {name: wrong for name, (_, wrong) in found.items() if wrong} == {}
    assert min(calls for calls, _ in found.values()) > 15
