"""G17: a partition has one owner, and one that was taken for dead cannot write.

Whoever works is stopped in the middle of a step for longer than its lease, and woken when another has taken over, or stands
in the very same step: it must be refused. And whoever works is killed: another goes on within the lease and a little.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.faults.zombies import death_rounds, fencing_rounds
from tests.guarantees.seeding import named, seeded
from tests.guarantees.telling import tell

pytestmark = [pytest.mark.guarantee("G17")]


def stop_and_wake(url: str, rounds: int) -> None:
    seed = seeded()
    fenced = fencing_rounds(url, rounds, seed)
    tell(
        "G17",
        named(url),
        stopped=rounds,
        refused=fenced.refused,
        let_in=0,
        taken_over_s=longest(fenced.take_overs),
        seed=seed,
    )
    assert fenced.refused >= rounds


def kill_owners(url: str, rounds: int) -> None:
    seed = seeded()
    seconds = death_rounds(url, rounds, seed)
    tell("G17", named(url), killed=len(seconds), taken_over_s=longest(seconds), seed=seed)
    assert len(seconds) >= rounds * 0.6  # now and then none of the two has it at that moment


def longest(seconds: Sequence[float]) -> str:
    """Until another was there."""
    return f"{max(seconds):.2f}"


def test_who_was_stopped_past_its_lease_is_refused(url: str) -> None:
    stop_and_wake(url, 6)


@pytest.mark.long
def test_hundreds_of_zombies_are_refused(url: str) -> None:
    stop_and_wake(url, 200)


def test_what_a_dead_runner_had_is_taken_over_within_its_lease_and_a_little(url: str) -> None:
    kill_owners(url, 5)


@pytest.mark.long
def test_hundreds_of_dead_runners_are_replaced(url: str) -> None:
    kill_owners(url, 200)
