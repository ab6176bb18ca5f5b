"""G29: a clock that jumps changes no order.

Each writer has a clock of its own, which jumps by -2 hours, +36 hours or +400 days before each append: positions, versions,
times of recording, what a subscriber sees, and answers to repeats are as if nothing had jumped.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.faults.jumping import jumped
from tests.guarantees.seeding import named, seeded
from tests.guarantees.telling import tell

from refold.backends.sqlite import writing

pytestmark = pytest.mark.guarantee("G29")

BACKENDS = ["sqlite", "postgresql", "plain-jetstream"]


def order_stays(url: str, jumps: int) -> None:
    """Fails if anything is in another order than that in which it was told to be done."""
    seed = seeded()
    found = jumped(url, seed, jumps)
    tell(
        "G29", named(url), jumps=jumps, events=found.events, repeats=found.repeats, years=found.years,
        wrong=len(found.wrong), seed=seed,
    )  # fmt: skip
    assert found.wrong[:3] == [], f"seed {seed}"
    assert found.years > jumps // 30, "the clocks did not jump"


@pytest.mark.parametrize("new_url", BACKENDS, indirect=True)
def test_clocks_that_jump_change_no_order(url: str) -> None:
    order_stays(url, 90)


@pytest.mark.long
@pytest.mark.parametrize("new_url", BACKENDS, indirect=True)
def test_clocks_that_jump_thousands_of_times_change_no_order(url: str) -> None:
    order_stays(url, 10_000)


@pytest.mark.parametrize("new_url", ["sqlite"], indirect=True)
def test_times_that_follow_the_clock_back_are_found(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    latest: Callable[[int, int], int] = lambda now, newest: now  # noqa: E731 - in the place of `max`
    monkeypatch.setattr(writing, "max", latest, raising=False)
    assert "recorded_at goes back" in jumped(url, seeded(), 90).wrong
