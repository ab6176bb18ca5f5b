"""Effects of events that one build parked and the other did not, when the one takes the other's place."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.faults.killing import is_caught_up
from tests.faults.processes import until
from tests.faults.readmodels import EVENTS, OUTBOX, POISON, Deposited

from refold import Projection, ProjectionStatus, Recorded, Statement, Store, sql

QUICK = timedelta(seconds=0.4)


def fussy(version: int, *, is_fussy: bool) -> Projection:
    """One version of it fails for an amount, another does not."""
    projection = Projection("fussy", version=version, schema="create table fussy (position integer not null)")

    @projection.on(Deposited)
    def note(event: Recorded[Deposited]) -> Iterator[Statement]:
        if is_fussy and event.data.amount == POISON:
            raise ValueError(POISON)
        yield sql("insert into fussy values (:position)", position=event.position)

    @projection.effect(Deposited)
    def send(event: Recorded[Deposited]) -> Iterator[Statement]:
        yield sql("insert into outbox values (:position, :version)", position=event.position, version=version)

    return projection


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Three events, the second of which some fail for."""
    with Store.open(f"sqlite:///{tmp_path}/store.db", events=EVENTS) as store:
        store.catch_up(OUTBOX)
        for number, amount in enumerate((1, POISON, 3)):
            store.append(f"account-{number}", [Deposited(amount)])
        yield store


def run_to_the_end(store: Store, projection: Projection) -> None:
    """Let a runner bring it as far as it gets, in its version."""
    with store.run(projection, lease=QUICK):
        until("it is there", lambda: is_caught_up(store, [projection.name]) and version(store) == projection.version)


def version(store: Store) -> int:
    """What people read."""
    return next((each.version for each in store.projections() if (each.name, each.role) == ("fussy", "active")), 0)


def newest(store: Store) -> ProjectionStatus:
    """The newest build of it."""
    return [each for each in store.projections() if each.name == "fussy"][-1]


def sent(store: Store) -> list[int]:
    """The positions whose effects happened, each as often as they did."""
    return [int(str(position)) for (position,) in store.query("select position from outbox order by position")]


@pytest.mark.guarantee("G15")
def test_while_something_is_parked_whose_effects_did_not_happen_the_old_version_stays(store: Store) -> None:
    run_to_the_end(store, fussy(1, is_fussy=True))
    assert sent(store) == [1, 3]
    with store.run(fussy(2, is_fussy=False), lease=QUICK):
        until("it is told", lambda: newest(store).state == "failed")
        assert "1 events parked" in newest(store).reason
        store.append("account-2", [Deposited(4)])
        until("the old version goes on", lambda: store.catch_up(fussy(1, is_fussy=True)))
        assert sent(store) == [1, 3, 4]
        assert store.model(fussy(1, is_fussy=False)).retry() == 1
        store.model(fussy(2, is_fussy=False)).resume()
        until("the new version is active", lambda: version(store) == 2)
    assert store.query("select position from fussy order by position") == [(1,), (2,), (3,), (4,)]
    assert sent(store) == [1, 2, 3, 4]


@pytest.mark.guarantee("G15")
def test_what_the_new_version_parked_causes_no_effects_again_when_it_is_retried(store: Store) -> None:
    run_to_the_end(store, fussy(1, is_fussy=False))
    run_to_the_end(store, fussy(2, is_fussy=True))
    assert sent(store) == [1, 2, 3]
    assert store.model(fussy(2, is_fussy=False)).retry() == 1
    store.append("account-1", [Deposited(4)])
    store.catch_up(fussy(2, is_fussy=False))
    assert sent(store) == [1, 2, 3, 4]
