"""G11: tenants cannot tell that others exist.

The same random program runs in a tenant that is alone, and in one among others that write between its steps under the same
names: in the store around it, beside it, and within it. Whatever it is told must be equal.
"""

from __future__ import annotations

import inspect

import pytest
from hypothesis import HealthCheck, Phase, example, given, seed, settings
from tests.faults.neighbours import EVERYTHING, VERBS, Program, compare, programs
from tests.guarantees.conftest import NewUrl
from tests.guarantees.seeding import named, seeded
from tests.guarantees.telling import tell

from refold import Store
from refold.testing import ManualClock
from refold.testing.contract.sample import EVENTS

pytestmark = [pytest.mark.guarantee("G11")]

EACH = 250
"""Pairs of programs in one store, since each leaves some tenants behind."""


SHORT = [("memory", 80), ("sqlite", 12), ("postgresql", 2), ("plain-jetstream", 2)]
LONG = [("memory", 5_000), ("sqlite", 5_000), ("postgresql", 1_000), ("plain-jetstream", 250)]


def compared(new_url: NewUrl, pairs: int) -> None:
    """So many pairs of programs; the first of each store is every verb three times."""
    chosen, url, ran = seeded(), new_url(), 0
    for first in range(0, pairs, EACH):
        with Store.open(url if first == 0 else new_url(), events=EVENTS, clock=ManualClock()) as store:
            ran += compared_in(store, min(EACH, pairs - first), chosen + first)
    tell("G11", named(url), programs=ran, verbs=len(VERBS), differences=0, seed=chosen)


def compared_in(store: Store, pairs: int, number: int) -> int:
    """How many pairs were compared in one store."""
    ran = 0

    @seed(number)
    @settings(
        max_examples=pairs - 1,
        database=None,
        phases=[Phase.explicit, Phase.generate],  # to make one smaller it would have to run on in the same store
        suppress_health_check=[HealthCheck.too_slow],
    )
    @example(mine=EVERYTHING, others=EVERYTHING)
    @given(mine=programs, others=programs)
    def pair(mine: Program, others: Program) -> None:
        nonlocal ran
        ran += 1
        compare(store, mine, others)

    pair()
    return ran


@pytest.mark.parametrize(("new_url", "pairs"), SHORT, indirect=["new_url"])
def test_what_a_tenant_is_told_is_the_same_with_and_without_others(new_url: NewUrl, pairs: int) -> None:
    compared(new_url, pairs)


@pytest.mark.long
@pytest.mark.parametrize(("new_url", "pairs"), LONG, indirect=["new_url"])
def test_what_a_tenant_is_told_is_the_same_in_many_programs(new_url: NewUrl, pairs: int) -> None:
    compared(new_url, pairs)


@pytest.mark.parametrize("new_url", ["memory", "sqlite", "postgresql", "plain-jetstream"], indirect=True)
def test_tenants_that_share_a_store_are_found(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison bites: a store whose tenants are all the store itself does not pass it."""
    monkeypatch.setattr(Store, "tenant", lambda self, name: self)
    with Store.open(url, events=EVENTS, clock=ManualClock()) as store, pytest.raises(AssertionError):
        compare(store, EVERYTHING, EVERYTHING)


def test_no_verb_of_a_store_is_left_out() -> None:
    named = {name for name, _ in inspect.getmembers(Store) if not name.startswith("_")}
    elsewhere = {
        "open",
        "close",
        "bind",
        "join",
        "limits",
        "forget",
    }  # bind: handle, do, state
    of_these = {
        "process",
        "run",
        "runners",
        "received",
        "schedule",
        "unschedule",
        "schedules",
        "plan_redo",
        "undo",
        "redo",
        "copy_to",
        "check_copy",
    }  # made of reads, appends and steps
    assert named - elsewhere - of_these <= VERBS.keys()
