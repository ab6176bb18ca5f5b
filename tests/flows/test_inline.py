"""A read model that is kept inline and built anew: whatever comes between, each append that was acknowledged is in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from refold import Projection, Recorded, Statement, Store, event, sql
from refold.flows.projections import rebuilding
from refold.ports import Own


@event("counted")
class Counted:
    number: int


numbers = Projection("numbers", schema="create table numbers (number integer not null)")


@numbers.on(Counted)
def note(event: Recorded[Counted]) -> Iterator[Statement]:
    yield sql("insert into numbers values (:number)", number=event.data.number)


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open("sqlite:///:memory:", events=[Counted]) as store:
        yield store.inline(numbers)


def listed(store: Store) -> list[object]:
    return [number for (number,) in store.query("select number from numbers")]


def before_each_try(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    """Do it just before a build that has come to the end tries to take the place of the active one."""
    whole = rebuilding.try_switch

    async def try_switch(*args: Any) -> bool:
        do()
        return await whole(*args)

    monkeypatch.setattr(rebuilding, "try_switch", try_switch)


@pytest.mark.guarantee("G20")
def test_a_build_takes_its_place_although_somebody_appends_before_each_try(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append("count-1", [Counted(1)])
    before_each_try(monkeypatch, lambda: store.append("count-1", [Counted(2)]))
    store.model(numbers).rebuild()
    assert listed(store) == [1, 2]
    assert [(each.build, each.role, each.lag) for each in store.projections()] == [(1, "retired", 0), (2, "active", 0)]


@pytest.mark.guarantee("G20")
def test_an_append_brings_along_what_stands_still_for_a_build(store: Store) -> None:
    store.append("count-1", [Counted(1)])
    stop = Own("update {refold}partitions set stop_at = position, fence = fence + 1 returning position", {}, must=True)
    assert store._engine.outside(lambda b: b.work([stop])) == [[(1,)]]
    store.append("count-1", [Counted(2)])
    assert listed(store) == [1, 2]


def test_a_build_that_cannot_take_the_last_event_is_not_shown(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    picky = Projection("numbers", version=2, schema=numbers.schema)

    @picky.on(Counted)
    def refuse(event: Recorded[Counted]) -> Iterator[Statement]:
        if event.data.number == 2:
            raise ValueError("two")
        yield sql("insert into numbers values (:number)", number=event.data.number)

    store.append("count-1", [Counted(1)])
    before_each_try(monkeypatch, lambda: store.append("count-1", [Counted(2)]))
    with pytest.raises(ValueError, match="two"):
        store.model(picky).rebuild()
    assert listed(store) == [1, 2]
