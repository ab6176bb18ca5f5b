"""Contract: an undo is further events, of all streams or none, and is refused where something is in the way."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Mapping
from typing import Any, Final, TypeAlias, assert_never
from uuid import UUID

import pytest

from refold.aio import AsyncStore
from refold.errors import CannotUndo, Conflict, UsageError
from refold.fold import Fold
from refold.inverse import redoes, undoes
from refold.messages import Metadata, NewEvent, Recorded, event
from refold.ports import StreamMoved
from refold.testing.contract.base import Contract, Stores, listed, outcomes
from refold.testing.contract.sample import notes
from refold.undoing import Obstacle, Undo, UndoStep


@event("stock.received", tags=("item",))
class Received:
    item: str
    count: int


@event("stock.issued")
class Issued:
    item: str
    count: int


@event("stock.labelled")
class Labelled:
    item: str


@event("stock.unlabelled")
class Unlabelled:
    item: str


@event("stock.counted")
class Counted:
    item: str


StockEvent: TypeAlias = Received | Issued | Labelled | Unlabelled | Counted
Stock: TypeAlias = Mapping[str, int]


def stocked(stock: Stock, event: StockEvent) -> Stock:
    """How many of each item are there, items that are not there left out."""
    match event:
        case Received(item, count):
            there = stock.get(item, 0) + count
        case Issued(item, count):
            there = stock.get(item, 0) - count
        case Labelled() | Unlabelled() | Counted():
            return stock
        case _:
            assert_never(event)
    return {**{other: count for other, count in stock.items() if other != item}, **({item: there} if there else {})}


def _is_on_it(received: Received, later: object) -> bool:
    return isinstance(later, Labelled) and later.item == received.item


@undoes(Received, needed_by=_is_on_it)
def send_back(event: Received, stock: Stock) -> Iterator[StockEvent]:
    """Only what is there can go back."""
    yield _taken(event.item, event.count, stock)


@undoes(Issued)
def put_back(event: Issued, _: Stock) -> Iterator[StockEvent]:
    """There is room for all."""
    yield Received(event.item, event.count)


@redoes(Issued)
def issue_again(event: Issued, stock: Stock) -> Iterator[StockEvent]:
    """Only what is there can go out."""
    yield _taken(event.item, event.count, stock)


@undoes(Labelled)
def unlabel(event: Labelled, _: Stock) -> Iterator[StockEvent]:
    """A label comes off."""
    yield Unlabelled(event.item)


@undoes(Unlabelled)
def nothing_at_all(_: Unlabelled, __: Stock) -> Iterator[StockEvent]:
    """An inverse that forgets to yield."""
    return iter(())


def _taken(item: str, count: int, stock: Stock) -> Issued:
    if stock.get(item, 0) < count:
        raise CannotUndo(f"only {stock.get(item, 0)} of {item} are there")
    return Issued(item, count)


def _nothing() -> Stock:
    return {}


stocks: Final = Fold(
    "stock", initial=_nothing, evolve=stocked, inverses=(send_back, put_back, issue_again, unlabel, nothing_at_all)
)


@event("order.placed")
class Placed:
    item: str


@event("order.cancelled")
class Cancelled:
    item: str


def ordered(open: int, event: Placed | Cancelled) -> int:
    """How many orders are open."""
    return open + 1 if isinstance(event, Placed) else open - 1


@undoes(Placed)
def cancel(event: Placed, _: int) -> Iterator[Placed | Cancelled]:
    """An order can always be cancelled."""
    yield Cancelled(event.item)


orders: Final = Fold("order", initial=int, evolve=ordered, inverses=(cancel,))
FOLDS: Final = (stocks, orders)


async def _recorded(store: AsyncStore) -> list[Recorded[Any]]:
    store.bind(stocks)
    store.bind(orders)
    return await listed(store.read())


async def _an_order(store: AsyncStore) -> tuple[Recorded[Any], Recorded[Any]]:
    """An order, and what it caused in the stock."""
    await store.append("stock-1", [Received("nut", 9)])
    await store.append("order-1", [Placed("nut")])
    placed = (await _recorded(store))[-1]
    await store.context(cause=placed).append("stock-1", [Issued("nut", 2)])
    return placed, (await _recorded(store))[-1]


async def _an_order_of_two_stories(store: AsyncStore) -> tuple[Recorded[Any], Recorded[Any]]:
    """As `_an_order`, but what it caused is of another story."""
    await store.append("stock-1", [Received("nut", 9)])
    await store.append("order-1", [Placed("nut")])
    placed = (await _recorded(store))[-1]
    await store.context(cause=placed, correlation_id="another").append("stock-1", [Issued("nut", 2)])
    return placed, (await _recorded(store))[-1]


async def _refused(store: AsyncStore, carried_out: Awaitable[object], reason: Obstacle) -> None:
    """Carrying out a plan is refused for that reason, and nothing is appended."""
    before = await _recorded(store)
    with pytest.raises(CannotUndo) as refused:
        await carried_out
    assert refused.value.reasons == (reason,)
    assert await _recorded(store) == before


def _obstacle(event: Recorded[Any], reason: str) -> Obstacle:
    return Obstacle(event.id, _place(event), reason)


def _place(event: Recorded[Any]) -> str:
    return f"{event.stream}@{event.version} ({event.type})"


class Undoing(Contract):
    """`plan_undo`, `undo`, `plan_redo`, `redo`."""

    async def test_an_event_is_undone_by_its_inverse_and_stays(self, store: AsyncStore) -> None:
        await store.append("stock-1", [Received("nut", 9)])
        await store.context(actor="ada").append("stock-1", [Issued("nut", 2)])
        received, issued = await _recorded(store)

        plan = await store.plan_undo(issued.id, folds=FOLDS)
        assert await _recorded(store) == [received, issued], "a plan appends nothing"
        (receipt,) = await store.context(actor="bob", why="a slip").undo(plan)

        assert plan == Undo((UndoStep(issued, (Received("nut", 2),)),), (), {"stock-1": 2})
        *before, undone = await _recorded(store)
        assert before == [received, issued]
        assert (undone.data, undone.version, undone.id) == (Received("nut", 2), 3, receipt.ids[0])
        assert undone.metadata == Metadata(
            issued.metadata.correlation_id, str(issued.id), "bob", None, {"why": "a slip", "$undoes": str(issued.id)}
        )
        assert await store.bind(stocks).state("1") == {"nut": 9}

    async def test_an_undone_event_is_redone_as_it_was(self, store: AsyncStore) -> None:
        await store.append("stock-1", [NewEvent(Received("nut", 9), tags=frozenset({"urgent"}))])
        (received,) = await _recorded(store)
        await store.undo(await store.plan_undo(received.id, folds=FOLDS))

        await store.redo(await store.plan_redo(received.id, folds=FOLDS))

        redone = (await _recorded(store))[-1]
        assert (redone.data, redone.tags) == (received.data, frozenset({"urgent", "item:nut"}))
        assert redone.metadata == Metadata(
            received.metadata.correlation_id, str(received.id), free={"$redoes": str(received.id)}
        )
        assert await store.bind(stocks).state("1") == {"nut": 9}

    async def test_a_story_is_undone_in_all_its_streams_the_last_event_first(self, store: AsyncStore) -> None:
        placed, issued = await _an_order(store)
        story = placed.metadata.correlation_id

        plan = await store.plan_undo(correlation_id=story, folds=FOLDS)
        await store.undo(plan)

        assert plan == Undo(
            (UndoStep(issued, (Received("nut", 2),)), UndoStep(placed, (Cancelled("nut"),))),
            (),
            {"stock-1": 2, "order-1": 1},
        )
        undone = (await _recorded(store))[3:]
        assert [(str(e.stream), e.data) for e in undone] == [
            ("stock-1", Received("nut", 2)),
            ("order-1", Cancelled("nut")),
        ]
        assert len({e.recorded_at for e in undone}) == 1

        await store.redo(await store.plan_redo(correlation_id=story, folds=FOLDS))
        assert [e.data for e in (await _recorded(store))[5:]] == [placed.data, issued.data]

    async def test_what_an_event_caused_elsewhere_is_in_its_way_until_that_is_undone(self, store: AsyncStore) -> None:
        placed, issued = await _an_order(store)

        plan = await store.plan_undo(placed.id, folds=FOLDS)
        assert plan.obstacles == (_obstacle(placed, f"it caused {_place(issued)}, which stands"),)

        await store.undo(await store.plan_undo(issued.id, folds=FOLDS))
        assert (await store.plan_undo(placed.id, folds=FOLDS)).is_possible

        await store.redo(await store.plan_redo(issued.id, folds=FOLDS))
        again = (await _recorded(store))[-1]
        plan = await store.plan_undo(placed.id, folds=FOLDS)
        assert plan.obstacles == (_obstacle(placed, f"it caused {_place(again)}, which stands"),)

    async def test_what_an_event_caused_in_another_story_is_in_its_way_too(self, store: AsyncStore) -> None:
        placed, issued = await _an_order_of_two_stories(store)

        plan = await store.plan_undo(placed.id, folds=FOLDS)
        assert plan.obstacles == (_obstacle(placed, f"it caused {_place(issued)}, which stands"),)
        of_story = await store.plan_undo(correlation_id=placed.metadata.correlation_id, folds=FOLDS)
        assert of_story.obstacles == plan.obstacles

        await store.undo(await store.plan_undo(placed.id, issued.id, folds=FOLDS))
        orphan = await store.plan_redo(correlation_id="another", folds=FOLDS)
        assert orphan.obstacles == (_obstacle(issued, f"{_place(placed)} caused it, and is undone"),)
        await store.redo(await store.plan_redo(issued.id, placed.id, folds=FOLDS))
        assert await store.bind(stocks).state("1") == {"nut": 7}

    @pytest.mark.guarantee("G5")
    async def test_what_an_event_came_to_cause_after_the_plan_is_in_the_way_of_the_undo(
        self, store: AsyncStore
    ) -> None:
        await store.append("order-1", [Placed("nut")])
        (placed,) = await _recorded(store)
        plan = await store.plan_undo(placed.id, folds=FOLDS)
        await store.context(cause=placed, correlation_id="another").append("stock-1", [Received("nut", 2)])
        *_, received = await _recorded(store)
        await _refused(store, store.undo(plan), _obstacle(placed, f"it caused {_place(received)}, which stands"))

    @pytest.mark.guarantee("G5")
    async def test_what_an_undo_came_to_cause_after_the_plan_is_in_the_way_of_the_redo(self, store: AsyncStore) -> None:
        await store.append("order-1", [Placed("nut")])
        (placed,) = await _recorded(store)
        await store.undo(await store.plan_undo(placed.id, folds=FOLDS))
        plan = await store.plan_redo(placed.id, folds=FOLDS)
        cancelled = (await _recorded(store))[-1]
        await store.context(cause=cancelled, correlation_id="another").append("stock-1", [Received("nut", 2)])
        *_, received = await _recorded(store)
        await _refused(
            store, store.redo(plan), _obstacle(placed, f"undoing it caused {_place(received)}, which stands")
        )

    @pytest.mark.guarantee("G4")
    async def test_one_plan_carried_out_by_many_at_once_while_others_append_is_carried_out_once(
        self, stores: Stores
    ) -> None:
        crowd = await stores.crowd(8)
        placed, issued = await _an_order(crowd[0])
        plan = await crowd[0].plan_undo(placed.id, issued.id, folds=FOLDS)

        others = [each.append(f"note-{number}", [Placed("bolt")]) for number, each in enumerate(crowd)]
        undone = (await outcomes(*[each.undo(plan) for each in crowd], *others))[: len(crowd)]

        assert sorted(receipts[0].repeated for receipts in undone) == [False] + [True] * (len(crowd) - 1)
        assert {tuple(receipt.positions for receipt in receipts) for receipts in undone} == {
            tuple(receipt.positions for receipt in undone[0])
        }
        assert await crowd[0].bind(stocks).state("1") == {"nut": 9}

    async def test_a_later_event_that_needs_it_is_in_the_way_unless_it_goes_too(self, store: AsyncStore) -> None:
        await store.append("stock-1", [Labelled("nut"), Received("nut", 9), Labelled("bolt"), Labelled("nut")])
        _, received, _, labelled = await _recorded(store)

        plan = await store.plan_undo(received.id, folds=FOLDS)
        assert plan.obstacles == (_obstacle(received, f"{_place(labelled)} needs it"),)

        both = await store.plan_undo(received.id, labelled.id, folds=FOLDS)
        assert both == Undo(
            (UndoStep(labelled, (Unlabelled("nut"),)), UndoStep(received, (Issued("nut", 9),))), (), {"stock-1": 4}
        )
        await store.undo(both)

        plan_of_redo = await store.plan_redo(labelled.id, folds=FOLDS)
        assert plan_of_redo.obstacles == (_obstacle(labelled, f"it needs {_place(received)}, which is undone"),)
        assert (await store.plan_redo(labelled.id, received.id, folds=FOLDS)).is_possible

    async def test_an_inverse_refuses_by_the_state_that_those_before_it_leave(self, store: AsyncStore) -> None:
        await store.append("stock-1", [Received("nut", 9), Issued("nut", 2)])
        received, issued = await _recorded(store)

        plan = await store.plan_undo(received.id, folds=FOLDS)
        assert plan.obstacles == (_obstacle(received, "only 7 of nut are there"),)
        assert (await store.plan_undo(received.id, issued.id, folds=FOLDS)).is_possible

    async def test_nothing_is_undone_while_something_is_in_the_way(self, store: AsyncStore) -> None:
        story = Metadata("story")
        await store.append("note-1", [NewEvent(Received("nut", 1), metadata=story)])
        await store.append("stock-1", [NewEvent(Counted("nut"), metadata=story)])
        await store.append("order-1", [NewEvent(Placed("nut"), metadata=story)])
        noted, counted, placed = before = await _recorded(store)

        plan = await store.plan_undo(correlation_id="story", folds=FOLDS)
        assert plan == Undo(
            (UndoStep(placed, (Cancelled("nut"),)),),
            (
                _obstacle(counted, "fold 'stock' declares no inverse of it: @undoes(Counted)"),
                _obstacle(noted, "no fold of category 'note' was given"),
            ),
            {"order-1": 1},
        )
        with pytest.raises(CannotUndo) as refused:
            await store.undo(plan)
        assert refused.value.reasons == plan.obstacles
        assert str(refused.value) == "; ".join(map(str, plan.obstacles)) + ". Nothing was appended."
        assert await _recorded(store) == before

    async def test_what_is_undone_is_not_undone_again_unless_it_was_redone(self, store: AsyncStore) -> None:
        await store.append("stock-1", [Received("nut", 9)])
        (received,) = await _recorded(store)
        for round in range(3):
            await store.undo(await store.plan_undo(received.id, folds=FOLDS))
            undoing = (await _recorded(store))[-1]

            again = await store.plan_undo(received.id, folds=FOLDS)
            assert again.obstacles == (_obstacle(received, f"it was undone already, by {_place(undoing)}"),)
            of_story = await store.plan_undo(correlation_id=received.metadata.correlation_id, folds=FOLDS)
            assert [o.reason for o in of_story.obstacles] == ["nothing of it stands"]

            await store.redo(await store.plan_redo(received.id, folds=FOLDS))
            standing = await store.plan_redo(received.id, folds=FOLDS)
            assert standing.obstacles == (_obstacle(received, "it stands, so there is nothing to redo"),)
            assert len(await _recorded(store)) == 1 + 2 * (round + 1)
        assert await store.bind(stocks).state("1") == {"nut": 9}

    async def test_an_undo_is_undone_by_redoing(self, store: AsyncStore) -> None:
        await store.append("stock-1", [Received("nut", 9)])
        (received,) = await _recorded(store)
        await store.undo(await store.plan_undo(received.id, folds=FOLDS))
        undoing = (await _recorded(store))[-1]

        plan = await store.plan_undo(undoing.id, folds=FOLDS)
        assert plan.obstacles == (_obstacle(undoing, f"it undoes {_place(received)}: redo that instead"),)
        assert (await store.plan_redo(undoing.id, folds=FOLDS)).steps == (UndoStep(received, (received.data,)),)

    async def test_redoing_is_refused_where_the_state_or_the_cause_does_not_allow_it(self, store: AsyncStore) -> None:
        placed, issued = await _an_order(store)
        await store.undo(await store.plan_undo(correlation_id=placed.metadata.correlation_id, folds=FOLDS))

        orphan = await store.plan_redo(issued.id, folds=FOLDS)
        assert orphan.obstacles == (_obstacle(issued, f"{_place(placed)} caused it, and is undone"),)

        await store.append("stock-1", [Issued("nut", 8)])
        plan = await store.plan_redo(correlation_id=placed.metadata.correlation_id, folds=FOLDS)
        assert plan.obstacles == (_obstacle(issued, "only 1 of nut are there"),)
        with pytest.raises(CannotUndo, match="only 1 of nut are there"):
            await store.redo(plan)

    async def test_what_an_undo_caused_is_in_the_way_of_the_redo(self, store: AsyncStore) -> None:
        await store.append("stock-1", [Received("nut", 9)])
        (received,) = await _recorded(store)
        await store.undo(await store.plan_undo(received.id, folds=FOLDS))
        await store.context(cause=(await _recorded(store))[-1]).append("order-1", [Placed("nut")])
        placed = (await _recorded(store))[-1]

        plan = await store.plan_redo(received.id, folds=FOLDS)
        assert plan.obstacles == (_obstacle(received, f"undoing it caused {_place(placed)}, which stands"),)

    @pytest.mark.guarantee("G5")
    async def test_a_stream_that_changed_since_the_plan_is_a_conflict_for_all(self, store: AsyncStore) -> None:
        placed, _ = await _an_order(store)
        plan = await store.plan_undo(correlation_id=placed.metadata.correlation_id, folds=FOLDS)
        await store.append("order-1", [Placed("bolt")])
        before = await _recorded(store)

        with pytest.raises(Conflict) as conflict:
            await store.undo(plan)

        (moved,) = conflict.value.failures
        assert isinstance(moved, StreamMoved)
        assert (moved.stream, moved.expected, moved.actual) == ("order-1", 1, 2)
        assert await _recorded(store) == before

    @pytest.mark.guarantee("G4")
    async def test_two_events_of_one_stream_bring_it_to_one_version_however_often_they_are_undone(
        self, store: AsyncStore
    ) -> None:
        await store.append("stock-1", [Received("nut", 5), Received("nut", 6)])
        plan = await store.plan_undo(*[event.id for event in await _recorded(store)], folds=FOLDS)
        first, again = await store.undo(plan), await store.undo(plan)
        assert [[receipt.version for receipt in receipts] for receipts in (first, again)] == [[4, 4], [4, 4]]
        assert [receipt.positions for receipt in again] == [receipt.positions for receipt in first]

    @pytest.mark.guarantee("G4")
    async def test_repeating_it_after_an_unknown_outcome_appends_nothing_twice(self, store: AsyncStore) -> None:
        placed, _ = await _an_order(store)
        plan = await store.plan_undo(correlation_id=placed.metadata.correlation_id, folds=FOLDS)
        first = await store.undo(plan)
        after = await _recorded(store)

        again = await store.undo(plan)

        assert [(r.positions, r.ids, r.repeated) for r in again] == [(r.positions, r.ids, True) for r in first]
        assert await _recorded(store) == after

    @pytest.mark.guarantee("G4")
    async def test_a_repeat_that_undid_several_events_of_a_stream_is_told_what_the_first_was(
        self, store: AsyncStore
    ) -> None:
        await store.append("stock-1", [Received("nut", 1), Received("nut", 2)])
        plan = await store.plan_undo(*(event.id for event in await _recorded(store)), folds=FOLDS)
        first, again = await store.undo(plan), await store.undo(plan)
        assert [receipt.version for receipt in first] == [receipt.version for receipt in again] == [4, 4]

    async def test_of_two_plans_that_meet_in_an_event_one_is_refused(self, store: AsyncStore) -> None:
        placed, issued = await _an_order(store)
        whole = await store.plan_undo(correlation_id=placed.metadata.correlation_id, folds=FOLDS)
        await store.undo(await store.plan_undo(issued.id, folds=FOLDS))
        before = await _recorded(store)

        with pytest.raises(CannotUndo, match="undone meanwhile, by another plan"):
            await store.undo(whole)
        assert await _recorded(store) == before

    async def test_what_led_to_an_undo_is_told(self, store: AsyncStore) -> None:
        await store.append("stock-1", [Received("nut", 9)])
        await store.append("order-1", [Placed("nut")])
        received, placed = await _recorded(store)
        await store.context(cause=placed).undo(await store.plan_undo(received.id, folds=FOLDS))

        undone = (await _recorded(store))[-1].metadata
        assert undone.free == {"$undoes": str(received.id), "$cause": str(placed.id)}
        assert (undone.correlation_id, undone.causation_id) == (received.metadata.correlation_id, str(received.id))

    async def test_what_is_not_there_or_leaves_no_fact_is_in_the_way(self, store: AsyncStore) -> None:
        await store.append("stock-1", [Unlabelled("nut")])
        (unlabelled,) = await _recorded(store)
        strange = UUID(int=7)

        plan = await store.plan_undo(strange, unlabelled.id, folds=FOLDS)
        assert plan.obstacles == (
            Obstacle(None, f"event {strange}", "it is not in this store"),
            _obstacle(unlabelled, "its inverse yields nothing, so no fact would tell that it was undone"),
        )
        gone = await store.plan_redo(correlation_id="gone", folds=FOLDS)
        assert gone.obstacles == (Obstacle(None, "story 'gone'", "there is none"),)

    async def test_it_must_be_said_what_to_undo_by_one_fold_a_category(self, store: AsyncStore) -> None:
        with pytest.raises(UsageError, match="say what to undo"):
            await store.plan_undo(folds=FOLDS)
        with pytest.raises(UsageError, match="say what to redo"):
            await store.plan_redo(UUID(int=1), correlation_id="c", folds=FOLDS)
        other = Fold("note", initial=notes.initial, evolve=notes.evolve)
        with pytest.raises(UsageError, match="two folds of category 'note'"):
            await store.plan_undo(UUID(int=1), folds=(notes, other))
        plan: Any = await store.plan_undo(UUID(int=1), folds=FOLDS)
        with pytest.raises(UsageError, match=r"store.redo\(\) takes what store.plan_redo\(\) gives"):
            await store.redo(plan)
