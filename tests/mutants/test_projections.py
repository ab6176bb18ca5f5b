"""Faults in what runs projections, publications and followers, planted: the check of each promise finds its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.killing import kill_loop
from tests.faults.planted import PLANTS
from tests.faults.poisoning import poisoned
from tests.faults.processes import Process
from tests.faults.publishers import publish_loop
from tests.faults.scripted import WAYS, first_wrong, rebuilt_with_a_failure, with_a_failure
from tests.faults.slowness import grown
from tests.faults.zombies import fencing_rounds

from refold.testing.postgres import PostgresServer

NEVER = 10**9
MIB = 1 << 20
NAMES = ("totals", "cards", "mails", "buckets")


@pytest.fixture
def url(tmp_path: Path) -> str:
    """An empty store, which need not wait for the disk."""
    return f"sqlite:///{tmp_path}/store.db?durability=best-effort"


def is_found(plant: str, name: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    assert with_a_failure(name, NEVER, "busy") == (False, [])
    PLANTS[plant](monkeypatch.setattr)
    return any(first_wrong(lambda at: with_a_failure(name, at, way))[1] for way in WAYS)  # noqa: B023 - called at once


@pytest.mark.mutant("checkpoint-then-dispatch")
@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_that_is_moved_first_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_found("checkpoint_first", name, monkeypatch)


@pytest.mark.mutant("dispatch-then-checkpoint")
@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_that_is_moved_last_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_found("checkpoint_last", name, monkeypatch)


@pytest.mark.mutant("dispatch-then-checkpoint")
def test_a_checkpoint_that_is_moved_last_is_found_by_killing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Process, "planted", "checkpoint_last")
    for attempt in range(5):
        try:
            kill_loop(f"sqlite:///{tmp_path}/{attempt}.db", 15, seed=attempt, names=["totals", "mails"])
        except AssertionError as error:
            print(f"found in attempt {attempt + 1}: {str(error)[:300]}")
            return
    pytest.fail("five runs of 15 kills found nothing to complain about")


@pytest.mark.mutant("sent-after-the-checkpoint")
def test_a_publisher_that_moves_the_checkpoint_before_it_sends_is_found(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Process, "planted", "sent_last")
    with pytest.raises(AssertionError, match="never came"):
        publish_loop(url, tmp_path / "arrivals", 25, seed=1)


@pytest.mark.mutant("no-fence")
@pytest.mark.parametrize("plant", ["no_fence", "no_fence_and_no_position"])
@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_a_zombie_that_is_let_in_is_found(
    plant: str, backend: str, url: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(Process, "planted", plant)
    if backend == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.new_database()
        request.addfinalizer(lambda: server.drop(url))
    with pytest.raises(AssertionError, match="the zombie was let in"):
        fencing_rounds(url, 2, seed=1)


@pytest.mark.mutant("parked-key-forgotten")
def test_a_runner_that_forgets_what_it_has_parked_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTS["what_is_parked_is_forgotten"](monkeypatch.setattr)

    def often() -> None:
        for seed in range(5):  # whoever takes the partition over in between knows it again
            poisoned(f"sqlite:///{tmp_path}/{seed}.db?durability=best-effort", 1_000, seed)

    with pytest.raises(AssertionError, match="of k7 came"):
        often()


@pytest.mark.mutant("all-made-ready")
def test_a_server_that_makes_all_ready_for_a_slow_client_is_found(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Process, "planted", "all_made_ready")
    assert grown(url, 5_000, 12_000)["server"] > 32 * MIB


@pytest.mark.mutant("switch-in-two-parts")
def test_a_switch_in_two_parts_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTS["a_switch_in_two_parts"](monkeypatch.setattr)
    with pytest.raises(
        ValueError, match="too many values"
    ):  # the read model shows the old version under the new one's role
        first_wrong(lambda at: rebuilt_with_a_failure(at, "busy", effects=False))
