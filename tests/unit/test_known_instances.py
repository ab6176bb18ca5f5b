"""A worker remembers the instances that it had in hand, and never believes more of them than their journals say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from refold import Process, Projection, Recorded, Send, Store, event
from refold._bridge.stepping import run_sync
from refold.flows.processes import known
from refold.flows.processes.consuming import consumer
from refold.flows.processes.instance import loaded
from refold.flows.projections.batch import HandlerFailed


@event("thing.counted")
class Counted:
    number: int


@pytest.fixture
def store() -> Iterator[Store]:
    """An empty store."""
    with Store.open("sqlite:///:memory:", events=[Counted]) as store:
        yield store


def react(e: Recorded[Counted], seen: list[int]) -> Iterator[Send]:
    """Fail once for the number 13."""
    if e.data.number == 13 and not failing.pop("once", False):
        failing["once"] = True
        raise ValueError(e.data.number)
    yield from ()


def evolve(seen: list[int], event: Counted) -> list[int]:
    """Change the state in place, so that an input that is taken in twice would be seen."""
    seen.append(event.number)
    return seen


failing: dict[str, bool] = {}
counting = Process("counting", list[int], react, evolve)


def worker(store: Store) -> Projection:
    """What one worker works with: it remembers."""
    return consumer(store._runtime, counting)


def kept_by(worker: Projection) -> Any:
    """What it remembers."""
    together: Any = worker.together
    return together._known._kept


def state(store: Store) -> list[int]:
    """The instance's state, folded from its journal alone."""
    return run_sync(loaded(store._engine.view, store._runtime, counting, "1")).state  # type: ignore[no-any-return]


def count(store: Store, *numbers: int) -> None:
    """These happen."""
    store.append("thing-1", [Counted(number) for number in numbers])


def test_a_worker_does_not_fold_again_what_it_had_in_hand(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = worker(store)
    count(store, 1)
    store.catch_up(mine)
    monkeypatch.setattr(known, "loaded", None)  # it would fail to
    count(store, 2, 3)
    assert store.catch_up(mine) == 2
    assert state(store) == [1, 2, 3]


def test_what_another_worker_did_meanwhile_is_seen(store: Store) -> None:
    mine, another = worker(store), worker(store)
    for number, one in enumerate([mine, another, another, mine, another, mine]):
        count(store, number)
        store.catch_up(one)
    kept = kept_by(mine)["1"][0]
    assert kept.state == state(store) == [0, 1, 2, 3, 4, 5]


def test_what_a_failed_step_had_in_hand_is_forgotten(store: Store) -> None:
    mine = worker(store)
    count(store, 1)
    store.catch_up(mine)
    count(store, 2, 13, 3)
    with pytest.raises(ValueError, match="13"):
        store.catch_up(mine)
    assert state(store) == [1]
    store.catch_up(mine)
    kept = kept_by(mine)["1"][0]
    assert kept.state == state(store) == [1, 2, 13, 3]


@pytest.mark.parametrize("then", [(), (9,)], ids=["nothing else came", "something else came in its place"])
def test_what_was_rolled_back_after_it_was_in_hand_is_forgotten(store: Store, then: tuple[int, ...]) -> None:
    mine = worker(store)
    count(store, 1)
    store.catch_up(mine)
    count(store, 2)
    events = list(store.read(stream="thing-1", after=1))
    assert mine.together is not None

    async def fails(inside: object) -> None:
        assert mine.together is not None
        await mine.together(inside, events, True)  # noqa: FBT003 - a port
        raise HandlerFailed(events[0], ValueError())

    with pytest.raises(HandlerFailed):
        store._engine.outside(lambda b: b.within(fails))
    for number in then:
        store.process(counting).signal("1", Counted(number))
    store.catch_up(mine)
    kept = kept_by(mine)["1"][0]
    assert kept.state == state(store) == [1, 2, *then]


def test_only_so_many_are_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "ROOM", 3)
    mine = worker(store)
    for number in range(9):
        store.append(f"thing-{number}", [Counted(number)])
    store.catch_up(mine)
    assert sorted(kept_by(mine)) == ["6", "7", "8"]
