"""Contract: what is personal stands sealed, reads as it was written, and is gone everywhere once its subject is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias
from uuid import UUID, uuid4

import msgspec
import pytest
import pytest_asyncio

from refold.aio import AsyncStore
from refold.errors import CannotUndo, IdReused, InvalidName, UndecodableEvent, UsageError
from refold.flows.append import Receipt
from refold.flows.forgetting import Forgotten, SubjectForgotten
from refold.flows.together import StreamWrite
from refold.fold import Fold
from refold.inverse import undoes
from refold.messages import NewEvent, RawEvent, Recorded, event
from refold.personal import SEALED, Personal
from refold.projection import Projection, Statement, sql
from refold.snapshot import Snapshots
from refold.testing.contract.base import Contract, Place, Stores, listed
from refold.upcasting import JsonObject, upcast


@event("guest.registered", subject="guest")
class Registered:
    guest: str
    name: Personal[str]
    rooms: Personal[tuple[int, ...]] = None


@upcast("guest.registered", 1, to=2)
def with_one_name(old: JsonObject) -> JsonObject:
    """One name in place of two, of which either may be forgotten."""
    return {"guest": old["guest"], "full_name": None if old["name"] is None else old["name"].upper()}


@event("guest.registered", version=2, subject="guest", upcasters=[with_one_name])
class RegisteredLater:
    guest: str
    full_name: Personal[str]


@upcast("guest.registered", 1, to=2)
def labelled(old: JsonObject) -> JsonObject:
    return {"guest": old["guest"], "label": old["name"] or "-"}


@event("guest.registered", version=2, subject="guest", upcasters=[labelled])
class Labelled:
    """What was personal is so no more, as far as the class says."""

    guest: str
    label: str


@event("guest.came")
class Came:
    guest: str


Known: TypeAlias = tuple[tuple[str, str | None], ...]


def _with(known: Known, event: Registered | Came) -> Known:
    return (*known, (event.guest, event.name)) if isinstance(event, Registered) else known


def _labelled(label: str, event: Labelled | Came) -> str:
    return event.label if isinstance(event, Labelled) else label


guests: Final = Fold[Known, Registered | Came]("guests", initial=tuple, evolve=_with)


@undoes(Registered)
def struck_out(event: Registered, _: Known) -> Iterator[Came]:
    """Who was registered only came."""
    yield Came(event.guest)


labels: Final = Fold[str, Labelled | Came]("guests", initial=str, evolve=_labelled)
erasable: Final = Fold[Known, Registered | Came]("guests", initial=tuple, evolve=_with, inverses=(struck_out,))
EVENTS: Final = (Registered, Came, SubjectForgotten)
ANN, BOB = Registered("ann", "Ann Lee", (7, 8)), Registered("bob", "Bob Ray")
GONE = Registered("ann", None)


def _with_keys(place: Place, keys: Path) -> Place:
    return replace(place, url=f"{place.url}{'&' if '?' in place.url else '?'}keys=sqlite:///{keys}")


async def _data(store: AsyncStore) -> list[object]:
    return [recorded.data for recorded in await listed(store.read("guests-1"))]


class Forgetting(Contract):
    """`forget`, and events with fields that are `Personal`."""

    @pytest_asyncio.fixture
    async def keyed(self, stores: Stores, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncStore:
        """A store with keys, in which two guests are known; others see at once what is done with the keys."""
        pytest.importorskip("cryptography", reason="what is personal is sealed by cryptography, which is not installed")
        monkeypatch.setattr("refold.keys.sqlite.REMEMBERED", 0)
        stores.place = _with_keys(place, tmp_path / "keys.db")
        store = await stores.open(events=EVENTS)
        await store.append("guests-1", [ANN, BOB, Came("ann")])
        return store

    async def test_what_is_personal_reads_as_it_was_written(self, keyed: AsyncStore) -> None:
        found = await listed(keyed.read())
        assert [(recorded.data, set(recorded.tags)) for recorded in found] == [
            (ANN, {"guest:ann"}),
            (BOB, {"guest:bob"}),
            (Came("ann"), set()),
        ]

    async def test_what_is_personal_stands_sealed(self, keyed: AsyncStore, stores: Stores, place: Place) -> None:
        _needs_to_be_opened_again(place)
        stores.place = place
        ann, bob, came = [recorded.data for recorded in await listed((await stores.open(events=[RawEvent])).read())]
        assert {name: set(value) for name, value in ann.data.items() if name != "guest"} == {
            "name": {SEALED},
            "rooms": {SEALED},
        }
        assert (ann.data["guest"], bob.data["rooms"], came.data) == ("ann", None, {"guest": "ann"})
        assert "Ann" not in str(ann) and "Bob" not in str(bob)  # noqa: PT018 - one fact

    async def test_a_forgotten_subject_reads_as_none_and_all_else_as_ever(self, keyed: AsyncStore) -> None:
        assert await keyed.forget("guest:ann") == Forgotten("guest:ann", 1, 1, ("guests-1",), 0)
        assert await _data(keyed) == [GONE, BOB, Came("ann")]
        assert await keyed.bind(guests).state("1") == (("ann", None), ("bob", "Bob Ray"))

    async def test_whoever_has_the_store_open_forgets_too(
        self, keyed: AsyncStore, stores: Stores, place: Place
    ) -> None:
        _needs_to_be_opened_again(place)
        other = await stores.open(events=EVENTS)
        assert (await _data(other))[0] == ANN
        await keyed.forget("guest:ann")
        assert (await _data(other))[0] == GONE

    async def test_it_is_told_once_however_often_it_is_done(self, keyed: AsyncStore) -> None:
        await keyed.context(actor="dpo").forget("guest:ann")
        await keyed.forget("guest:ann")
        told = await listed(keyed.read("$forgotten-guest:ann"))
        assert [(one.data, one.metadata.actor, set(one.tags)) for one in told] == [
            (SubjectForgotten("guest:ann"), "dpo", {"guest:ann"})
        ]

    async def test_what_is_written_later_has_a_key_of_its_own(self, keyed: AsyncStore) -> None:
        await keyed.forget("guest:ann")
        again = Registered("ann", "Ann Again")
        await keyed.append("guests-1", [again])
        assert await _data(keyed) == [GONE, BOB, Came("ann"), again]
        assert (await keyed.forget("guest:ann")).keys == 2
        assert await _data(keyed) == [GONE, BOB, Came("ann"), GONE]
        told = await listed(keyed.read("$forgotten-guest:ann"))
        assert len(told) == 2

    async def test_only_looking_changes_nothing(self, keyed: AsyncStore) -> None:
        assert await keyed.forget("guest:ann", only_look=True) == Forgotten("guest:ann", 1, 1, ("guests-1",), 0)
        assert await _data(keyed) == [ANN, BOB, Came("ann")]

    async def test_a_repeated_append_is_known_as_one(self, keyed: AsyncStore) -> None:
        new = NewEvent(Registered("eve", "Eve"), id=uuid4())
        first = await keyed.append("guests-1", [new])
        assert (await keyed.append("guests-1", [new])) == replace_repeated(first)

    @pytest.mark.guarantee("G4")
    async def test_a_repeated_append_is_known_as_one_and_makes_no_key_after_its_subject_was_forgotten(
        self, keyed: AsyncStore
    ) -> None:
        new = NewEvent(ANN, id=UUID(int=7))
        first = await keyed.append("guests-2", [new])
        keys = (await keyed.forget("guest:ann")).keys

        again = await keyed.append("guests-2", [new])
        (together,) = await keyed.append_all([StreamWrite("guests-2", [new])])

        for receipt in (again, together):
            assert (receipt.version, receipt.positions, receipt.ids) == (1, first.positions, first.ids)
            assert receipt.repeated
        with pytest.raises(IdReused):
            await keyed.append("guests-3", [new])
        assert (await keyed.forget("guest:ann", only_look=True)).keys == keys
        assert not (await keyed.append("guests-2", [NewEvent(ANN, id=UUID(int=8))])).repeated

    async def test_a_plan_to_redo_what_was_personal_does_not_bring_it_back(self, keyed: AsyncStore) -> None:
        ann = (await listed(keyed.read()))[0]
        await keyed.undo(await keyed.plan_undo(ann.id, folds=[erasable]))
        plan = await keyed.plan_redo(ann.id, folds=[erasable])
        keys = (await keyed.forget("guest:ann")).keys

        with pytest.raises(CannotUndo, match=r"guests-1@1 .* does not read as it did when this was planned"):
            await keyed.redo(plan)
        assert (await keyed.forget("guest:ann", only_look=True)).keys == keys
        await keyed.redo(await keyed.plan_redo(ann.id, folds=[erasable]))
        assert await _data(keyed) == [GONE, BOB, Came("ann"), Came("ann"), GONE]

    @pytest.mark.guarantee("G4")
    async def test_a_plan_that_was_carried_out_is_known_as_done_and_makes_no_key_after_its_subject_was_forgotten(
        self, keyed: AsyncStore
    ) -> None:
        ann = (await listed(keyed.read()))[0]
        await keyed.undo(await keyed.plan_undo(ann.id, folds=[erasable]))
        plan = await keyed.plan_redo(ann.id, folds=[erasable])
        (first,) = await keyed.redo(plan)
        keys = (await keyed.forget("guest:ann")).keys

        assert await keyed.redo(plan) == (replace_repeated(first),)
        assert (await keyed.forget("guest:ann", only_look=True)).keys == keys
        assert await _data(keyed) == [GONE, BOB, Came("ann"), Came("ann"), GONE]

    async def test_a_cached_state_is_forgotten_with_its_subject(self, keyed: AsyncStore) -> None:
        bound = keyed.bind(guests, cache=10)
        assert await bound.state("1") == (("ann", "Ann Lee"), ("bob", "Bob Ray"))
        await keyed.forget("guest:ann")
        assert await bound.state("1") == (("ann", None), ("bob", "Bob Ray"))

    async def test_snapshots_of_its_streams_are_dropped(self, keyed: AsyncStore, place: Place) -> None:
        if not place.sql:
            pytest.skip(f"{place.url} keeps no snapshots")
        bound = keyed.bind(guests, snapshots=Snapshots(every=1))
        await bound.snapshot("1")
        assert (await keyed.forget("guest:ann")).snapshots == 1
        assert await bound.state("1") == (("ann", None), ("bob", "Bob Ray"))

    async def test_a_state_that_another_process_keeps_is_not_used_or_saved_any_more(
        self, keyed: AsyncStore, stores: Stores, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _needs_to_be_opened_again(place)
        monkeypatch.setattr("refold.keys.sqlite.REMEMBERED", 1_000)  # nor is a key that was there a moment ago
        snapshots = Snapshots(every=1) if place.sql else None
        other = (await stores.open(events=EVENTS)).bind(guests, cache=10, snapshots=snapshots)
        assert await other.state("1") == (("ann", "Ann Lee"), ("bob", "Bob Ray"))
        await keyed.forget("guest:ann")
        await keyed.append("guests-1", [Came("bob")])
        gone = (("ann", None), ("bob", "Bob Ray"))
        assert await other.state("1") == gone
        assert (await other.do("1", _comes)).state == gone
        if place.sql:
            assert {check.verdict for check in await other.check_snapshots("1")} == {"sound"}

    async def test_so_it_is_not_where_what_was_personal_comes_into_a_field_that_is_not(
        self, keyed: AsyncStore, stores: Stores, place: Place
    ) -> None:
        _needs_to_be_opened_again(place)
        await keyed.append("guests-2", [ANN])
        snapshots = Snapshots(every=1) if place.sql else None
        other = (await stores.open(events=[Labelled, Came])).bind(labels, cache=10, snapshots=snapshots)
        assert await other.state("2") == "Ann Lee"
        await keyed.forget("guest:ann")
        assert await other.state("2") == "-"
        await keyed.append("guests-2", [Came("bob")])
        assert (await other.do("2", _comes_again)).state == "-"
        if place.sql:
            assert {check.verdict for check in await other.check_snapshots("2")} == {"sound"}

    async def test_a_command_that_begins_with_a_cached_state_begins_without_what_was_forgotten(
        self, keyed: AsyncStore, stores: Stores, place: Place
    ) -> None:
        _needs_to_be_opened_again(place)
        seen: list[Known] = []

        def look(known: Known) -> Iterator[Came]:
            seen.append(known)
            yield Came("bob")

        snapshots = Snapshots(every=1) if place.sql else None
        other = (await stores.open(events=EVENTS)).bind(guests, cache=10, snapshots=snapshots)
        await other.do("1", look)
        await keyed.forget("guest:ann")
        await other.do("1", look)
        assert seen == [(("ann", "Ann Lee"), ("bob", "Bob Ray")), (("ann", None), ("bob", "Bob Ray"))]
        if place.sql:
            assert [check.verdict for check in await other.check_snapshots("1")] == ["sound"]

    async def test_an_upcaster_is_given_what_is_open_and_none_for_what_is_forgotten(
        self, keyed: AsyncStore, stores: Stores, place: Place
    ) -> None:
        _needs_to_be_opened_again(place)
        later = await stores.open(events=[RegisteredLater, Came])
        assert (await _data(later))[0] == RegisteredLater("ann", "ANN LEE")
        await later.forget("guest:ann")
        assert (await _data(later))[0] == RegisteredLater("ann", None)

    async def test_a_read_model_is_told_whom_to_forget(self, keyed: AsyncStore, place: Place) -> None:
        if not place.sql:
            pytest.skip(f"{place.url} has no SQL for read models")
        names = _names()
        await keyed.catch_up(names)
        await keyed.forget("guest:ann")
        await keyed.catch_up(names)
        assert await keyed.query("select guest, name from guest_names") == [("guest:bob", "Bob Ray")]

    async def test_a_read_model_that_is_kept_inline_forgets_at_once(self, keyed: AsyncStore, place: Place) -> None:
        if not (place.sql and place.together):
            pytest.skip(f"{place.url} keeps no read models inline")
        names = _names()
        await keyed.catch_up(names)
        inline = await keyed.inline(names)
        await inline.append("guests-1", [Registered("eve", "Eve")])
        await inline.forget("guest:eve")
        assert await inline.query("select guest from guest_names order by guest") == [("guest:ann",), ("guest:bob",)]

    async def test_without_keys_nothing_personal_is_written(self, stores: Stores) -> None:
        with pytest.raises(UsageError, match=r"'guest.registered' holds personal data.*keys="):
            await stores.open(events=[Registered])
        store = await stores.open(events=[Came])
        with pytest.raises(UsageError, match="holds personal data"):
            await store.append("guests-1", [ANN])
        assert await store.head() == 0

    async def test_with_other_keys_it_is_not_taken_for_forgotten(
        self, keyed: AsyncStore, stores: Stores, place: Place, tmp_path: Path
    ) -> None:
        _needs_to_be_opened_again(place)
        stores.place = _with_keys(place, tmp_path / "others.db")
        other = await stores.open(events=EVENTS)
        with pytest.raises(UndecodableEvent, match="never destroyed there"):
            await _data(other)

    async def test_whoever_has_no_key_cannot_be_forgotten(self, keyed: AsyncStore) -> None:
        with pytest.raises(UsageError, match="nothing personal about 'guest:eve' was ever written"):
            await keyed.forget("guest:eve")
        with pytest.raises(InvalidName):
            await keyed.forget("guest:\n")


def replace_repeated(receipt: Receipt) -> Receipt:
    """The same, told to one who asks again."""
    return msgspec.structs.replace(receipt, repeated=True)


def _needs_to_be_opened_again(place: Place) -> None:
    if not place.durable:
        pytest.skip(f"{place.url} cannot be opened twice")


def _comes(_: Known) -> Iterator[Came]:
    yield Came("bob")


def _comes_again(_: str) -> Iterator[Came]:
    yield Came("bob")


def _names() -> Projection:
    projection = Projection("guest_names", schema="create table guest_names (guest text primary key, name text)")

    @projection.on(Registered)
    def put(event: Recorded[Registered]) -> Iterator[Statement]:
        yield sql(
            "insert into guest_names (guest, name) values (:guest, :name)",
            guest=f"guest:{event.data.guest}",
            name=event.data.name,
        )

    @projection.on(SubjectForgotten)
    def remove(event: Recorded[SubjectForgotten]) -> Iterator[Statement]:
        yield sql("delete from guest_names where guest = :guest", guest=event.data.subject)

    return projection
