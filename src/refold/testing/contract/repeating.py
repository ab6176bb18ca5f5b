"""Contract: repeating an append with the same event ids gives the first outcome and writes nothing twice."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from refold.aio import AsyncStore
from refold.clock import SystemClock, as_uuid
from refold.errors import Conflict, IdReused, InvalidEvent
from refold.messages import NewEvent, event
from refold.query import NO_STREAM, AppendCondition, Query
from refold.testing.contract.base import Contract, Stores, listed, outcomes
from refold.testing.contract.sample import Noted, fact

A, B, C = (UUID(int=i) for i in (1, 2, 3))
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def note(text: str, id: UUID) -> NewEvent[Noted]:
    """A note with an id of its own."""
    return NewEvent(Noted(text), id=id)


@event("note.labelled")
class Labelled:
    """An event with a set."""

    labels: frozenset[int]


def labelled(*labels: int) -> NewEvent[Labelled]:
    """A note with labels, of which 0 and 8 are gone through in the order in which they are given."""
    return NewEvent(Labelled(frozenset(labels)), id=A)


@pytest.mark.guarantee("G4")
class Repeating(Contract):
    """Idempotent appends."""

    async def test_the_same_append_again_gives_the_first_positions_and_writes_nothing(self, store: AsyncStore) -> None:
        first = await store.append("note-1", [note("a", A), note("b", B)])
        await store.append("note-1", [Noted("later")])
        again = await store.append("note-1", [note("a", A), note("b", B)])

        assert (again.version, again.positions, again.ids, again.repeated) == (2, first.positions, (A, B), True)
        assert [e.data.text for e in await listed(store.read())] == ["a", "b", "later"]

    async def test_a_repeat_is_judged_before_what_it_expects(self, store: AsyncStore) -> None:
        condition = AppendCondition(Query.of(types=["note.taken"]))
        first = await store.append("note-1", [note("a", A)], expected=NO_STREAM, condition=condition)
        await store.append("note-1", [Noted("later")])

        again = await store.append("note-1", [note("a", A)], expected=NO_STREAM, condition=condition)

        assert (again.positions, again.repeated) == (first.positions, True)

    @pytest.mark.parametrize("count", [1, 2])
    async def test_a_repeat_of_what_was_made_just_now_is_judged_before_what_it_expects(
        self, stores: Stores, count: int
    ) -> None:
        clock = SystemClock()
        store = await stores.open(clock=clock)
        notes = [note(f"{n}", as_uuid(clock.new_id())) for n in range(count)]
        first = await store.append("note-1", notes, expected=NO_STREAM)
        await store.append("note-1", [Noted("later")])

        again = await store.append("note-1", notes, expected=NO_STREAM)

        assert (again.positions, again.repeated) == (first.positions, True)

    async def test_a_refused_append_uses_up_no_ids(self, store: AsyncStore) -> None:
        await store.append("note-1", [Noted("first")])
        with pytest.raises(Conflict):
            await store.append("note-1", [note("a", A)], expected=0)
        assert not (await store.append("note-1", [note("a", A)], expected=1)).repeated

    @pytest.mark.parametrize(
        ("stream", "events"),
        [
            ("note-1", [note("other", A), note("b", B)]),
            ("note-1", [note("a", A), note("b", C)]),
            ("note-1", [note("a", A), note("b", B), note("c", C)]),
            ("note-2", [note("a", A), note("b", B)]),
            ("note-1", [NewEvent(Noted("a"), id=A, valid_at=WHEN), note("b", B)]),
            ("note-1", [NewEvent(Noted("a"), id=A, tags=frozenset({"t"})), note("b", B)]),
            ("note-1", [fact("note.taken.2", id=A, text="a"), note("b", B)]),
        ],
        ids=["other-data", "one-unknown-id", "one-more", "other-stream", "other-time", "other-tags", "other-type"],
    )
    async def test_known_ids_with_anything_else_are_refused(
        self, store: AsyncStore, stream: str, events: list[NewEvent[object]]
    ) -> None:
        await store.append("note-1", [note("a", A), note("b", B)])
        before = await listed(store.read())
        with pytest.raises(IdReused, match="an id names one event for ever"):
            await store.append(stream, events)
        assert await listed(store.read()) == before

    @pytest.mark.parametrize(
        "stored", [labelled(8, 0), fact("note.labelled", id=A, labels=[8, 0])], ids=["now", "before"]
    )
    async def test_an_event_with_a_set_is_repeated_in_whatever_order_the_set_is_gone_through(
        self, store: AsyncStore, stored: NewEvent[object]
    ) -> None:
        first = await store.append("note-1", [stored])
        again = await store.append("note-1", [labelled(0, 8)])
        assert (again.positions, again.repeated) == (first.positions, True)
        with pytest.raises(IdReused):
            await store.append("note-1", [labelled(0, 8, 1)])

    async def test_one_append_does_not_use_an_id_twice(self, store: AsyncStore) -> None:
        with pytest.raises(InvalidEvent, match=str(A)):
            await store.append("note-1", [note("a", A), note("b", A)])
        assert await store.head() == 0

    async def test_an_id_that_is_no_uuid_is_refused(self, store: AsyncStore) -> None:
        with pytest.raises(InvalidEvent, match="is no UUID"):
            await store.append("note-1", [NewEvent(Noted("a"), id="1")])  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - the mistake under test
        assert await store.head() == 0

    async def test_events_are_found_by_their_ids(self, store: AsyncStore) -> None:
        await store.append("note-1", [note("a", A), note("b", B)])
        assert [e.data.text for e in await store.find(B, C, A)] == ["a", "b"]
        assert await store.find(C) == ()
        assert await store.find() == ()

    async def test_a_repeat_is_known_after_a_restart(self, stores: Stores) -> None:
        store = await stores.open()
        first = await store.append("note-1", [note("a", A)])
        store = await stores.reopen()
        again = await store.append("note-1", [note("a", A)])
        assert (again.positions, again.repeated) == (first.positions, True)
        with pytest.raises(IdReused):
            await store.append("note-1", [note("other", A)])

    async def test_of_two_repeats_at_once_one_writes_and_both_get_its_outcome(self, stores: Stores) -> None:
        crowd = await stores.crowd(8)
        for turn in range(5):
            events = [note("a", UUID(int=100 + turn))]
            receipts = await outcomes(*(store.append("note-1", events) for store in crowd))
            assert sorted(r.repeated for r in receipts) == [False] + [True] * 7
            assert len({(r.version, r.positions) for r in receipts}) == 1
        assert len(await listed(crowd[0].read())) == 5
