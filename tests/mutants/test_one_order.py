"""G6 bites: whoever goes on behind the last position that was seen skips what is still to be committed below it."""

from __future__ import annotations

import secrets

import pytest
from tests.faults.committing import World
from tests.faults.ordering import followed
from tests.postgres.mutants import positions_from_a_sequence

from refold import Store
from refold.flows import follow

SEEDS = 200


@pytest.mark.mutant("position-only-cursor")
def test_where_writers_do_not_queue_nearly_every_simulated_store_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "PAGE", 3)
    first = secrets.randbelow(1 << 32)
    worlds = [World(seed, queues=False).run() for seed in range(first, first + SEEDS)]
    caught = sum(not seen.is_one_order and seen.skipped > 0 for seen in worlds)
    print(f"\nskipped events are found in {caught} of {SEEDS} seeds from {first}")
    assert caught >= 0.95 * SEEDS


@pytest.mark.mutant("position-only-cursor")
@pytest.mark.parametrize("new_url", ["postgresql"], indirect=True)
def test_with_positions_from_a_sequence_those_who_follow_miss_events(url: str) -> None:
    Store.open(url).close()
    positions_from_a_sequence(url)
    for seed in range(5):
        found = followed(url, 2, seed, joining=2)
        if found.missing:
            print(f"\nof {found.events} events {found.missing} are missed")
            assert [len(set(each)) for each in found.digests] != [1, 1, 1]
            return
    pytest.fail("five runs of 2 s found nothing to complain about")
