"""Killed publishers: whoever goes on, every event is published at least once, under its id, in the order of its key."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.processes import Process
from tests.faults.publishers import Arrived, contradictions, publish_loop
from tests.faults.readmodels import Deposited

from refold import Store
from refold.testing.postgres import PostgresServer


def test_killed_publishers_leave_nothing_unpublished(tmp_path: Path) -> None:
    published = publish_loop(f"sqlite:///{tmp_path}/store.db", tmp_path / "arrivals", 25, seed=1)
    print(published)
    assert published.at_work >= 12


def test_killed_publishers_leave_nothing_unpublished_on_postgresql(tmp_path: Path, postgres: PostgresServer) -> None:
    url = postgres.new_database()
    published = publish_loop(url, tmp_path / "arrivals", 25, seed=1)
    print(f"PostgreSQL: {published}")
    assert published.at_work >= 12
    postgres.drop(url)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_hundreds_of_killed_publishers_leave_nothing_unpublished(tmp_path: Path, seed: int) -> None:
    print(publish_loop(f"sqlite:///{tmp_path}/store.db", tmp_path / "arrivals", 150, seed=100 + seed))


def test_the_comparison_finds_what_is_missing_doubled_in_name_or_out_of_order() -> None:
    with Store.open("memory://") as store:
        store.append("account-1", [Deposited(1), Deposited(2)])
        one, two = (Arrived(str(event.id), "account-1", str(event.position)) for event in store.read())
        assert contradictions(store, [one, two, one]) == ([], 1)
        assert contradictions(store, [one, one, two, one, two]) == ([], 3)
        for found in (
            [one],
            [two, one],
            [one, two, Arrived("x", "account-1", "3")],
            [one, two, Arrived(one.id, one.key, "9")],
        ):
            assert contradictions(store, found)[0] != []


def test_a_publisher_that_moves_the_checkpoint_before_it_sends_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Process, "planted", "sent_last")
    with pytest.raises(AssertionError, match="never came"):
        publish_loop(f"sqlite:///{tmp_path}/store.db", tmp_path / "arrivals", 25, seed=1)
