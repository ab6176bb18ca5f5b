"""Contract: what is known about an event beside its data comes back as it was, and time never goes backwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import RFC_4122

import pytest

from refold.aio import AsyncStore
from refold.errors import InvalidEvent, InvalidName, StoreCorrupt, UsageError
from refold.messages import Metadata, NewEvent, StreamName
from refold.ports import NO_TIME, Damage
from refold.testing.clock import ManualClock
from refold.testing.contract.base import Contract, Stores, listed
from refold.testing.contract.sample import Deposit, Noted, Withdraw, accounts

WHEN = datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


class Envelope(Contract):
    """`Recorded` and its metadata."""

    async def test_an_appended_event_begins_its_own_story(self, store: AsyncStore) -> None:
        await store.context(actor="ada", channel="web").append("note-1", [Noted("a"), Noted("b")])
        first, second = await listed(store.read())
        told = Metadata(str(first.id), None, "ada", None, {"channel": "web"})
        assert (first.metadata, second.metadata) == (told, told)
        assert (first.stream, first.type, first.schema_version) == (StreamName("note", "1"), "note.taken", 1)

    async def test_ids_are_version_7_uuids_and_rise(self, store: AsyncStore) -> None:
        ids = (await store.append("note-1", [Noted(str(i)) for i in range(100)])).ids
        assert {(id.version, id.variant) for id in ids} == {(7, RFC_4122)}
        assert list(ids) == sorted(set(ids))

    async def test_a_command_is_the_cause_of_its_events_and_begins_their_story(self, store: AsyncStore) -> None:
        account = store.context(actor="ada", channel="web").bind(accounts)
        await account.handle("1", Deposit(1))
        await account.handle("1", Withdraw(1))
        first, second = [e.metadata for e in await listed(store.read())]

        assert first == Metadata(
            first.correlation_id, first.correlation_id, "ada", None, {"channel": "web", "$command": "account.deposit"}
        )
        assert second.free["$command"] == "account.withdraw"
        assert first.correlation_id != second.correlation_id

    async def test_what_follows_from_an_event_goes_on_with_its_story_in_its_name(self, store: AsyncStore) -> None:
        await store.context(actor="ada").append("note-1", [Noted("a")])
        (cause,) = await listed(store.read())

        await store.context(cause=cause).append("note-2", [Noted("b")])
        await store.context(cause=cause, actor="bob").bind(accounts).handle("1", Deposit(1))

        _, appended, handled = [e.metadata for e in await listed(store.read())]
        story = cause.metadata.correlation_id
        assert appended == Metadata(story, str(cause.id), "ada")
        assert (handled.correlation_id, handled.actor) == (story, "bob")
        assert handled.free == {"$command": "account.deposit", "$cause": str(cause.id)}
        assert len(await listed(store.read(correlation_id=story))) == 3

    async def test_a_story_that_began_elsewhere_is_named_and_goes_on(self, store: AsyncStore) -> None:
        await store.append("note-1", [Noted("a")])
        (cause,) = await listed(store.read())

        await store.context(correlation_id="request 7").append("note-2", [Noted("b"), Noted("c")])
        await store.context(correlation_id="request 7").bind(accounts).handle("1", Deposit(1))
        await store.context(correlation_id="request 7", cause=cause).append("note-3", [Noted("d")])

        told = [e.metadata for e in await listed(store.read(correlation_id="request 7"))]
        assert [each.correlation_id for each in told] == ["request 7"] * 4
        assert [each.causation_id for each in (told[0], told[1], told[3])] == [None, None, str(cause.id)]
        with pytest.raises(InvalidName):
            await store.context(correlation_id="\n").append("note-4", [Noted("e")])

    async def test_an_event_adds_free_keys_of_its_own(self, store: AsyncStore) -> None:
        event = NewEvent(Noted("a"), metadata={"line": "17", "channel": "file"})
        await store.context(channel="web", run="1").append("note-1", [event, Noted("b")])
        first, second = await listed(store.read())
        assert first.metadata.free == {"channel": "file", "run": "1", "line": "17"}
        assert second.metadata.free == {"channel": "web", "run": "1"}

    async def test_keys_of_metadata_that_are_refolds_own_are_refused(self, store: AsyncStore) -> None:
        told = r"^metadata key '\$undoes': keys that begin with '\$' are Refold's own\."
        own: dict[str, Any] = {"$undoes": "an event"}
        with pytest.raises(UsageError, match=told):
            store.context(**own)
        with pytest.raises(UsageError, match=told):
            await store.append("note-1", [NewEvent(Noted("a"), metadata=own)])
        assert await listed(store.read()) == []

    async def test_an_event_from_elsewhere_keeps_its_story_cause_and_actor(self, store: AsyncStore) -> None:
        metadata = Metadata("story", "cause", "eve", None, {"from": "there"})
        await store.context(actor="importer").append("note-1", [NewEvent(Noted("a"), metadata=metadata)])
        (event,) = await listed(store.read())
        assert event.metadata == metadata

    @pytest.mark.guarantee("G13")
    @pytest.mark.parametrize("text", ["", " ", "ä", "🦊", "\n\t", '"\\/', "\u2028", "null", "x" * 10_000])
    async def test_free_keys_hold_any_text(self, store: AsyncStore, text: str) -> None:
        await store.append("note-1", [NewEvent(Noted(text), metadata={"k": text, text: "v"})])
        (event,) = await listed(store.read())
        assert (event.data, event.metadata.free) == (Noted(text), {"k": text, text: "v"})

    @pytest.mark.parametrize("free", [{"k": 1}, {"k": None}, {1: "v"}, {"k": "\ud800"}, {"k": ["v"]}])
    async def test_other_metadata_is_refused(self, store: AsyncStore, free: Any) -> None:
        with pytest.raises(InvalidEvent, match="keys and values are text"):
            await store.append("note-1", [NewEvent(Noted("a"), metadata=free)])
        assert await store.head() == 0

    @pytest.mark.parametrize("actor", ["\ud800", "a\x00b", "", 7, "a" * 201])
    async def test_an_actor_is_printable_text(self, store: AsyncStore, actor: Any) -> None:
        with pytest.raises((InvalidName, InvalidEvent)):
            await store.context(actor=actor).append("note-1", [Noted("a")])
        assert await store.head() == 0

    async def test_when_it_was_true_in_the_world_comes_back_in_utc(self, store: AsyncStore) -> None:
        there = WHEN.astimezone(timezone(timedelta(hours=5, minutes=30)))
        await store.append("note-1", [NewEvent(Noted("a"), valid_at=there), Noted("b")])
        first, second = await listed(store.read())
        assert (first.metadata.valid_at, first.valid_at, first.valid_at.tzinfo) == (WHEN, WHEN, UTC)
        assert (second.metadata.valid_at, second.valid_at) == (None, second.recorded_at)

    @pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
    async def test_the_ends_of_time_are_times(self, store: AsyncStore, moment: datetime) -> None:
        await store.append("note-1", [NewEvent(Noted("a"), valid_at=moment)])
        assert [e.valid_at for e in await listed(store.read())] == [moment]

    @pytest.mark.guarantee("G13")
    @pytest.mark.parametrize(
        "moment",
        [
            datetime(1, 1, 1, tzinfo=timezone(timedelta(minutes=1))),
            datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))),
        ],
        ids=["before", "after"],
    )
    async def test_a_time_that_utc_has_not_is_refused(self, store: AsyncStore, moment: datetime) -> None:
        with pytest.raises(UsageError, match="in UTC before the year 1 or after 9999"):
            await store.append("note-1", [Noted("fine"), NewEvent(Noted("a"), valid_at=moment)])
        with pytest.raises(UsageError, match="in UTC before the year 1 or after 9999"):
            await store.context(valid_at=moment).append("note-1", [Noted("a")])
        assert await store.head() == 0

    async def test_a_time_that_utc_has_not_is_found_where_it_stands_already(
        self, store: AsyncStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("refold.flows.prepare.FIRST", -(1 << 62))
        moment = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
        appended = await store.append("note-1", [NewEvent(Noted("a"), valid_at=moment)])
        with pytest.raises(StoreCorrupt, match="beside its data stands what was never written"):
            await listed(store.read())
        found = [damage async for _, damages in store.verify() for damage in damages]
        assert found == [Damage(int(appended.position), NO_TIME)]

    async def test_a_time_without_a_time_zone_is_refused(self, store: AsyncStore) -> None:
        with pytest.raises(UsageError, match="time zone"):
            await store.append("note-1", [Noted("fine"), NewEvent(Noted("a"), valid_at=WHEN.replace(tzinfo=None))])
        assert await store.head() == 0

    @pytest.mark.guarantee("G29")
    async def test_recorded_at_never_goes_backwards_though_the_clock_does(self, stores: Stores) -> None:
        clock = ManualClock()
        store = await stores.open(clock=clock)
        account = store.bind(accounts)
        shown = [clock.time]
        for by in (1, -7_200, 129_600, -129_600, 0, 5, 34_560_000, -1):
            await account.handle("1", Deposit(1))
            shown.append(clock.move(timedelta(seconds=by)))
        await store.append("note-1", [Noted("last")])

        times = [e.recorded_at for e in await listed(store.read())]
        assert times == [max(shown[: i + 1]) for i in range(len(shown))]
        assert times[0].tzinfo is UTC

    @pytest.mark.guarantee("G29")
    async def test_recorded_at_does_not_go_backwards_over_a_restart(self, stores: Stores) -> None:
        clock = ManualClock()
        store = await stores.open(clock=clock)
        await store.append("note-1", [Noted("a")])
        latest = clock.time
        clock.move(timedelta(days=-1))
        store = await stores.reopen(clock=clock)
        await store.append("note-1", [Noted("b")])
        assert [e.recorded_at for e in await listed(store.read())] == [latest, latest]

    async def test_everything_is_there_after_a_restart(self, stores: Stores) -> None:
        store = await stores.open()
        await store.context(actor="ada", k="v").append(
            "note-1", [NewEvent(Noted("a"), valid_at=WHEN, tags=frozenset("t"))]
        )
        await store.bind(accounts).handle("1", Deposit(3))
        before = (await listed(store.read()), await store.stats(), [s async for s in store.streams()])

        store = await stores.reopen()

        assert (await listed(store.read()), await store.stats(), [s async for s in store.streams()]) == before
        assert await store.bind(accounts).state("1") == 3
