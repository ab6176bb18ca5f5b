"""G6: all subscribers see one order without holes; nothing appears below a cursor that was handed out.

In a simulated store, where by a seed every commit and every look comes at another moment; and on each backend, with threads,
tasks and another process that write, on PostgreSQL in slow transactions, too. Those who follow the same see the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
from tests.faults.committing import World
from tests.faults.ordering import SOURCES, followed
from tests.guarantees.seeding import named, seeded
from tests.guarantees.telling import tell

from refold.flows import follow

pytestmark = pytest.mark.guarantee("G6")

NewUrl: TypeAlias = Callable[[], str]
BACKENDS = ["sqlite", "postgresql", "plain-jetstream"]


def simulated(monkeypatch: pytest.MonkeyPatch, seeds: int) -> None:
    """So many worlds. Fails if in one of them somebody skipped an event, saw one twice, or saw another order."""
    monkeypatch.setattr(follow, "PAGE", 3)
    first = seeded()
    worlds = {seed: World(seed, queues=True).run() for seed in range(first, first + seeds)}
    events, skipped = sum(seen.events for seen in worlds.values()), sum(seen.skipped for seen in worlds.values())
    tell("G6", "simulated", seeds=seeds, subscribers=len(SOURCES), events=events, skipped=skipped, seed=first)
    assert [seed for seed, seen in worlds.items() if not seen.is_one_order] == []
    assert events > 10 * seeds, "there was nothing to look at"


def test_in_simulated_stores_nobody_skips_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    simulated(monkeypatch, 200)


@pytest.mark.long
def test_in_ten_thousand_simulated_stores_nobody_skips_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    simulated(monkeypatch, 10_000)


def all_see_one_order(url: str, seconds: float) -> None:
    """Fails if one of those who follow missed an event, or saw another order than the log has."""
    seed = seeded()
    found = followed(url, seconds, seed, joining=2 * url.startswith("postgres"))
    tell(
        "G6", named(url), events=found.events, refused=found.refused, unknown=found.unknown, subscribers=len(SOURCES),
        skipped=found.missing, seed=seed,
    )  # fmt: skip
    assert found.wrong == [], f"seed {seed}"
    assert [len(set(each)) for each in found.digests] == [1, 1, 1]
    assert min(found.events, found.refused) > 20, "there was nothing to look at"


@pytest.mark.parametrize("new_url", BACKENDS, indirect=True)
def test_all_who_follow_the_same_see_the_same_whatever_else_goes_on(url: str) -> None:
    all_see_one_order(url, 2)


@pytest.mark.long
@pytest.mark.parametrize("new_url", BACKENDS, indirect=True)
def test_all_who_follow_the_same_see_the_same_for_a_minute(url: str) -> None:
    all_see_one_order(url, 60)
