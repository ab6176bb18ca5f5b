"""A read model that is kept inline and built anew: whatever comes between, each append that was acknowledged is in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from msgspec import Struct

from refold import Process, Projection, Recorded, Statement, Store, StoreError, Table, event, sql
from refold.flows.processes.journal import Started
from refold.flows.projections import catching_up, inline, rebuilding, standing
from refold.flows.projections.batch import Batch
from refold.flows.projections.work import Stepped, step
from refold.ports import Backend, Own
from refold.process import Effect
from refold.tables import Change


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
def test_a_build_takes_its_place_although_somebody_appends_before_each_step(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbered = count(2)

    async def overtaken(*args: Any, **options: Any) -> Stepped | None:
        if (number := next(numbered)) < 1_000:
            store.append("count-1", [Counted(number)])
        return await step(*args, **options)

    store.append("count-1", [Counted(1)])
    monkeypatch.setattr(catching_up, "step", overtaken)
    store.model(numbers).rebuild()
    assert listed(store) == list(range(1, next(numbered)))
    assert len(listed(store)) < 10


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


def test_an_append_looks_anew_if_a_read_model_was_told_to_stand_still_meanwhile(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append("count-1", [Counted(1)])
    stop = Own("update {refold}partitions set stop_at = position, fence = fence + 1 returning position", {}, must=True)
    let_go, tries = standing.let_go, list[int]()

    async def too_early(inside: Backend, *rest: Any) -> None:
        tries.append(len(tries))
        await let_go(inside, *rest)
        if len(tries) == 1:
            await inside.work([stop])

    monkeypatch.setattr(inline, "let_go", too_early)
    store._engine.outside(lambda b: b.work([stop]))
    store.append("count-1", [Counted(2)])
    assert (listed(store), tries) == ([1, 2], [0, 1])


class Total(Struct, frozen=True):
    stream: str
    total: int


def test_what_rows_are_looked_up_for_has_claimed_its_partition_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a switch, which waits for the tables, and the append, which waits for the partition, wait for each other."""
    rows = Table("totals", Total, key="stream")
    totals, positions, look_up = Projection("totals", tables=[rows]), list[object](), Batch.look_up

    @totals.on(Counted, get=lambda e: rows[str(e.stream)])
    def add(event: Recorded[Counted], row: Total | None) -> Iterator[Change]:
        yield rows.put(Total(str(event.stream), (row.total if row else 0) + event.data.number))

    async def looking(batch: Batch, target: Backend, events: Any) -> None:
        positions.extend(await target.query(Own("select position from {refold}partitions", {})))
        await look_up(batch, target, events)

    with Store.open("sqlite:///:memory:", events=[Counted]) as plain:
        store = plain.inline(totals)
        monkeypatch.setattr(Batch, "look_up", looking)
        for number in (1, 2):
            store.append("count-1", [Counted(number)])
        assert (store.query("select total from totals"), positions) == ([(3,)], [(1,), (2,)])


# Processes ---------------------------------------------------------------------------


def nothing(recorded: Recorded[Counted], state: int) -> Iterator[Effect]:
    """Nothing follows."""
    return iter(())


def counting() -> Process[Any, int]:
    """It begins an instance for each stream, and does nothing."""
    return Process("counting", int, nothing, lambda state, _: state + 1, events=(Counted,))


def test_an_input_is_parked_whose_entries_a_read_model_refuses_and_the_others_are_taken_in(store: Store) -> None:
    begun = Projection("begun", schema="create table begun (instance text)")

    @begun.on(Started)
    def begin(event: Recorded[Started]) -> Iterator[Statement]:
        if event.stream.id == "2":
            raise ValueError("two")
        yield sql("insert into begun values (:instance)", instance=event.stream.id)

    kept = store.inline(begun)
    for id in ("1", "2", "3"):
        kept.append(f"count-{id}", [Counted(1)])
    instances = kept.process(counting())
    instances.catch_up()
    assert kept.query("select instance from begun") == [("1",), ("3",)]
    (letter,) = store.model(Projection("$process.counting")).dead_letters()
    assert (letter.key, "a read model that is kept inline refused it: ValueError: two" in letter.error) == ("2", True)


def test_inputs_wait_for_a_read_model_that_is_paused(store: Store) -> None:
    instances = store.process(counting())
    store.append("count-1", [Counted(1)])
    store.model(numbers).pause("looked at")
    with pytest.raises(StoreError, match="looked at"):
        instances.catch_up()
    store.model(numbers).resume()
    assert instances.catch_up().inputs == 1


def test_a_build_that_was_not_begun_does_not_take_the_place_of_one_that_is_behind_all_events() -> None:
    with Store.open("sqlite:///:memory:", events=[Counted]) as store:
        store.append("count-1", [Counted(1)])
        store.catch_up(numbers)
        store.append("count-1", [Counted(2), Counted(3)])
        runtime = store._runtime
        build = store._engine.outside(lambda b: rebuilding.begin_rebuild(b, runtime, numbers))
        assert store._engine.outside(lambda b: rebuilding.try_switch(b, b, runtime, numbers, build)) is False
        store.model(numbers).rebuild()
        assert listed(store) == [1, 2, 3]
