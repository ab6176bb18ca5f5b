"""Laws of undoing: nothing is lost, nothing else changes, and what must not be undone is not."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from refold import CannotUndo, Metadata, NewEvent, RawEvent, Recorded, Store, UsageError, event, redoes, undoes
from refold.fold import Fold
from refold.testing import spec
from refold.testing import strategies as refold_st
from refold.testing.contract.undoing import (
    FOLDS,
    Cancelled,
    Counted,
    Issued,
    Labelled,
    Placed,
    Received,
    Stock,
    StockEvent,
    put_back,
    send_back,
    stocked,
    stocks,
)
from refold.upcasting import split

ITEMS = st.sampled_from(["nut", "bolt"])
COUNTS = st.integers(1, 3)
STORIES = st.sampled_from(["a", "b"])
HAPPENED: st.SearchStrategy[Received | Issued | Labelled] = refold_st.events(
    Received, Issued, Labelled, item=ITEMS, count=COUNTS
)
Told: TypeAlias = tuple[str, str, StockEvent]


def sensible(history: Sequence[Told]) -> Sequence[Told]:
    """Without what would issue more than is there."""
    stock: dict[str, Stock] = {"1": {}, "2": {}}
    kept: list[Told] = []
    for story, id, happened in history:
        if not isinstance(happened, Issued) or stock[id].get(happened.item, 0) >= happened.count:
            stock[id] = stocked(stock[id], happened)
            kept.append((story, id, happened))
    return kept


TOLD = (
    st.lists(st.tuples(STORIES, st.sampled_from(["1", "2"]), HAPPENED), min_size=1, max_size=8)
    .map(sensible)
    .filter(len)
)


@contextmanager
def told(history: Sequence[Told]) -> Generator[Store]:
    """A store in which stories take turns over two streams of stock, and each is also an order."""
    with Store.open("memory://") as store:
        for story, id, event in history:
            store.append(f"stock-{id}", [NewEvent(event, metadata=Metadata(story))])
            store.append("order-1", [NewEvent(Placed(story), metadata=Metadata(story))])
        yield store


def states(store: Store) -> Mapping[str, object]:
    """Of every stream."""
    folds = {fold.category: store.bind(fold) for fold in FOLDS}
    return {str(name): folds[name.partition("-")[0]].state(name.partition("-")[2]) for name in _streams(store)}


def _streams(store: Store) -> Sequence[str]:
    return [info.stream for info in store.streams()]


def events(store: Store) -> Sequence[Recorded[Any]]:
    for fold in FOLDS:
        store.bind(fold)
    return tuple(store.read())


@given(TOLD, STORIES)
def test_a_story_undone_and_redone_leaves_every_state_as_it_was(history: Sequence[Told], story: str) -> None:
    with told(history) as store:
        before, facts = states(store), events(store)
        undo = store.plan_undo(correlation_id=story, folds=FOLDS)
        assume(undo.is_possible)
        store.undo(undo)
        store.redo(store.plan_redo(correlation_id=story, folds=FOLDS))
        assert states(store) == before
        assert events(store)[: len(facts)] == facts


@given(TOLD, STORIES)
def test_a_story_undone_leaves_what_would_be_there_without_it(history: Sequence[Told], story: str) -> None:
    with told(history) as store, told([each for each in history if each[0] != story]) as without:
        undo = store.plan_undo(correlation_id=story, folds=FOLDS)
        assume(undo.is_possible)
        store.undo(undo)
        empty: dict[str, object] = {stream: {} if stream.startswith("stock") else 0 for stream in _streams(store)}
        assert states(store) == {**empty, **states(without)}


@given(TOLD, st.data())
def test_an_undo_touches_only_the_streams_of_what_it_undoes(history: Sequence[Told], data: st.DataObject) -> None:
    with told(history) as store:
        before = events(store)
        chosen = data.draw(st.lists(st.sampled_from(before), min_size=1, max_size=4))
        undo = store.plan_undo(*(event.id for event in chosen), folds=FOLDS)
        assume(undo.is_possible)
        store.undo(undo)
        appended = events(store)[len(before) :]
        assert {event.stream for event in appended} == {event.stream for event in chosen}
        assert events(store)[: len(before)] == before
        assert {event.metadata.free["$undoes"] for event in appended} == {str(event.id) for event in chosen}


@given(TOLD, st.data())
def test_undo_and_redo_take_turns_however_often_and_a_repeat_appends_nothing(
    history: Sequence[Told], data: st.DataObject
) -> None:
    with told(history) as store:
        one = data.draw(st.sampled_from(events(store)))
        assume(store.plan_undo(one.id, folds=FOLDS).is_possible)
        standing, undone = states(store), None
        for _ in range(3):
            undo = store.plan_undo(one.id, folds=FOLDS)
            store.undo(undo)
            undone = undone or states(store)
            assert (states(store), [r.repeated for r in store.undo(undo)]) == (undone, [True])
            assert not store.plan_undo(one.id, folds=FOLDS).is_possible
            redo = store.plan_redo(one.id, folds=FOLDS)
            store.redo(redo)
            assert (states(store), [r.repeated for r in store.redo(redo)]) == (standing, [True])
            assert not store.plan_redo(one.id, folds=FOLDS).is_possible


@given(TOLD, st.data())
def test_an_undo_is_refused_exactly_where_there_would_be_too_little_or_a_label_on_nothing(
    history: Sequence[Told], data: st.DataObject
) -> None:
    with told(history) as store:
        one = data.draw(st.sampled_from([event for event in events(store) if event.stream.category == "stock"]))
        later = [event.data for event in store.read(one.stream, after=one.version)]
        state = store.bind(stocks).state(one.stream.id)
        must_stay = isinstance(one.data, Received) and (
            Labelled(one.data.item) in later or state.get(one.data.item, 0) < one.data.count
        )
        assert store.plan_undo(one.id, folds=FOLDS).is_possible == (not must_stay)


# The declaration --------------------------------------------------------------


def test_a_specification_speaks_of_inverses() -> None:
    given = spec(stocks)
    given(Received("nut", 3), Issued("nut", 1)).undoing(Issued("nut", 1)).then(Received("nut", 1))
    given(Received("nut", 3), Issued("nut", 1)).undoing(Received("nut", 3)).then_raises(CannotUndo, "only 2 of nut")
    given(Received("nut", 3)).redoing(Issued("nut", 1)).then(Issued("nut", 1))
    given().redoing(Issued("nut", 1)).then_raises(CannotUndo, "only 0 of nut")
    given().redoing(Received("nut", 3)).then(Received("nut", 3))
    with pytest.raises(UsageError, match=r"fold 'stock' declares no inverse of Counted: write @undoes"):
        given(Counted("nut")).undoing(Counted("nut"))


def test_an_event_is_undone_by_one_function() -> None:
    @undoes(Received)
    def other(event: Received, _: Stock) -> Iterator[Issued]:
        yield Issued(event.item, event.count)

    with pytest.raises(UsageError, match="fold 'stock' has two inverses that undo Received"):
        Fold("stock", stocks.initial, stocked, inverses=(send_back, put_back, other))


@pytest.mark.parametrize("declare", [undoes, redoes])
def test_only_an_event_has_an_inverse(declare: Any) -> None:
    with pytest.raises(UsageError, match="is no event"):
        declare(dict)


def test_an_inverse_is_still_a_function() -> None:
    assert send_back(Received("nut", 1), {"nut": 1}) == (Issued("nut", 1),)
    assert FOLDS[1].inverse("undo", Placed) is not None
    assert FOLDS[1].inverse("redo", Placed) is None
    assert FOLDS[1].inverse("undo", Cancelled) is None


def test_an_inverse_that_refuses_without_a_word_is_given_one() -> None:
    assert str(CannotUndo()) == "its inverse does not allow it. Nothing was appended."


# Older shapes -----------------------------------------------------------------


@split("basket.filled", 1, into={"basket.opened": 1, "basket.weighed": 1})
def opened_and_weighed(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "basket.opened", {}
    yield "basket.weighed", {"grams": data["grams"]}


@event("basket.opened", upcasters=(opened_and_weighed,))
class BasketOpened:
    pass


@event("basket.weighed", upcasters=(opened_and_weighed,))
class Weighed:
    grams: int


@event("basket.closed")
class BasketClosed:
    pass


BasketEvent: TypeAlias = BasketOpened | Weighed | BasketClosed


def carried(story: tuple[BasketEvent, ...], event: BasketEvent) -> tuple[BasketEvent, ...]:
    return (*story, event)


@undoes(BasketOpened)
def close(_: BasketOpened, __: object) -> Iterator[BasketEvent]:
    yield BasketClosed()


@undoes(Weighed)
def unweigh(event: Weighed, story: tuple[BasketEvent, ...]) -> Iterator[BasketEvent]:
    assert story[-1] != BasketClosed(), "the last part is undone first"
    yield Weighed(-event.grams)


def test_an_event_that_is_read_as_several_is_undone_part_by_part_from_the_last() -> None:
    baskets = Fold("basket", initial=tuple[BasketEvent, ...], evolve=carried, inverses=(close, unweigh))
    with Store.open("memory://", events=[RawEvent]) as store:
        (id,) = store.append("basket-1", [RawEvent("basket.filled", {"grams": 7})]).ids
        undo = store.plan_undo(id, folds=[baskets])
        assert [step.proposed for step in undo.steps] == [(Weighed(-7), BasketClosed())]
        store.undo(undo)
        store.redo(store.plan_redo(id, folds=[baskets]))
        before, after = (BasketOpened(), Weighed(7)), (Weighed(-7), BasketClosed())
        assert store.bind(baskets).state("1") == (*before, *after, *before)

        story = next(store.read("basket-1", limit=1)).metadata.correlation_id
        again = store.plan_undo(correlation_id=story, folds=[baskets])
        assert [step.proposed for step in again.steps] == [(Weighed(-7),), (BasketClosed(),)]


def filled(store: Store, *tags: str) -> None:
    """A basket that was stored as one event, which is read as two."""
    event = NewEvent(RawEvent("basket.filled", {"grams": 7}), tags=frozenset(tags))
    store.append("basket-1", [event])


def test_every_part_of_an_event_that_is_redone_keeps_its_tags() -> None:
    baskets = Fold("basket", initial=tuple[BasketEvent, ...], evolve=carried, inverses=(close, unweigh))
    with Store.open("memory://", events=[RawEvent]) as store:
        filled(store, "shop:7")
        id = next(store.read("basket-1")).id
        store.undo(store.plan_undo(id, folds=[baskets]))
        redo = store.plan_redo(id, folds=[baskets])
        assert [(step.event.data, [part.data for part in step.rest]) for step in redo.steps] == [
            (BasketOpened(), [Weighed(7)])
        ]
        store.redo(redo)
        again = list(store.read("basket-1"))[-2:]
        assert [(each.data, each.tags) for each in again] == [
            (BasketOpened(), frozenset({"shop:7"})),
            (Weighed(7), frozenset({"shop:7"})),
        ]


@pytest.mark.parametrize(
    "declared", [close, unweigh], ids=["the first part can be undone", "the last part can be undone"]
)
def test_of_an_event_that_is_read_as_several_a_part_without_an_inverse_is_in_the_way_of_all(declared: Any) -> None:
    baskets = Fold("basket", initial=tuple[BasketEvent, ...], evolve=carried, inverses=(declared,))
    without = "Weighed" if declared is close else "BasketOpened"
    with Store.open("memory://", events=[RawEvent]) as store:
        filled(store)
        undo = store.plan_undo(next(store.read("basket-1")).id, folds=[baskets])
        assert not undo.steps
        (obstacle,) = undo.obstacles
        assert f"declares no inverse of it: @undoes({without})" in obstacle.reason
        with pytest.raises(CannotUndo):
            store.undo(undo)
    assert without not in {inverse.event.__name__ for inverse in baskets.inverses}
