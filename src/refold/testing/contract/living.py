"""Contract: what is folded when it is read is the stored read model, now and as of every position and time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from refold.aio import AsyncStore
from refold.errors import StoreClosed, UsageError
from refold.fold import Fold
from refold.messages import Position, RawEvent, Recorded
from refold.projection import Asking, Projection, Statement, ask, sql
from refold.tables import Change, Table
from refold.testing.clock import ManualClock
from refold.testing.contract.base import Contract, Place, Stores, listed
from refold.testing.contract.sample import Deposited, Noted, Withdrawn, accounts, fact, notes

INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True)
class Balance:
    """What is in an account, after how many moves; one that was emptied is not there."""

    account: str
    balance: int
    moves: int


BALANCES: Final = Table("balances", Balance, key="account")


def balances(seen: list[int] | None = None, *, broken: list[int] | None = None) -> Projection:
    """A read model of tables: a put, a patch or a delete for each event; `seen` notes each, and `broken` makes some fail."""
    projection = Projection("balances", tables=[BALANCES])

    def look(event: Recorded[Any]) -> None:
        if event.position in (broken or ()):
            raise LookupError(event.position)
        if seen is not None:
            seen.append(event.position)

    @projection.on(Deposited, get=lambda e: BALANCES[e.stream.id])
    def deposited(event: Recorded[Deposited], row: Balance | None) -> Iterator[Change]:
        look(event)
        before = row or Balance(event.stream.id, 0, 0)
        yield BALANCES.put(Balance(before.account, before.balance + event.data.amount, before.moves + 1))

    @projection.on(Withdrawn, get=lambda e: BALANCES[e.stream.id])
    def withdrawn(event: Recorded[Withdrawn], row: Balance | None) -> Iterator[Change]:
        look(event)
        assert row is not None
        if row.balance == event.data.amount:
            yield BALANCES.delete(row.account)
        yield BALANCES.patch(row.account, balance=row.balance - event.data.amount)
        yield BALANCES.patch(row.account, moves=row.moves + 1)

    return projection


def sums(name: str = "sums") -> Projection:
    """A read model of SQL: every deposit with the sum of all up to it, for which it asks."""
    projection = Projection(name, schema=f"create table {name} (position integer primary key, total integer not null)")

    @projection.on(Deposited)
    def deposited(event: Recorded[Deposited]) -> Asking:
        ((before,),) = yield ask(f"select coalesce(max(total), 0) from {name}")  # noqa: S608 - a name of ours
        assert isinstance(before, int)
        put = f"insert into {name} values (:position, :total)"  # noqa: S608 - a name of ours
        yield sql(put, position=event.position, total=before + event.data.amount)

    return projection


async def happened(store: AsyncStore, clock: ManualClock | None = None) -> list[Recorded[Any]]:
    """Deposits, withdrawals, and things that no handler knows, in three accounts."""
    for i in range(1, 25):
        stream = f"account-{i % 3}"
        await store.append(stream, [Deposited(i), Withdrawn(i if i % 4 else 1), fact("other.thing", n=i)])
        if clock is not None:
            clock.move(timedelta(hours=i % 2))
    return await listed(store.read())


def rows_after(events: list[Recorded[Any]]) -> Mapping[object, Balance]:
    """What the table of balances holds after events, told once more."""
    found: dict[object, Balance] = {}
    for event in events:
        id = event.stream.id
        row = found.get(id, Balance(id, 0, 0))
        match event.data:
            case Deposited(amount):
                found[id] = Balance(id, row.balance + amount, row.moves + 1)
            case Withdrawn(amount) if amount == row.balance:
                del found[id]
            case Withdrawn(amount):
                found[id] = Balance(id, row.balance - amount, row.moves + 1)
            case _:
                pass
    return found


class Living(Contract):
    """`live`."""

    async def test_a_read_shows_what_was_appended_before_it(self, store: AsyncStore) -> None:
        live = store.live(balances())
        assert (await live.rows(BALANCES), live.position) == ({}, 0)
        await store.append("account-1", [Deposited(5)])
        receipt = await store.append("account-2", [Deposited(7), Withdrawn(3)])
        shown = await live.rows(BALANCES)
        assert (shown, live.position) == ({"1": Balance("1", 5, 1), "2": Balance("2", 4, 2)}, receipt.position)

    async def test_each_event_is_folded_once(self, store: AsyncStore) -> None:
        seen: list[int] = []
        expected: list[int] = []
        live = store.live(balances(seen))
        for i in range(1, 6):
            expected.append((await store.append("account-1", [Deposited(i), Noted("passed over")])).positions[0])
            await live.rows(BALANCES)
            await live.rows(BALANCES)
        assert seen == expected
        assert live.position == await store.head()

    async def test_as_of_every_position_it_is_the_read_model_that_was(self, store: AsyncStore, place: Place) -> None:
        events: list[Recorded[Any]] = []
        stored: list[Mapping[object, Balance]] = [{}]
        for i in range(1, 13):
            await store.append(f"account-{i % 3}", [Deposited(i), Withdrawn(i if i % 4 else 1)][: 1 + i % 2])
            events = await listed(store.read())
            while len(stored) <= len(events):
                stored.append(rows_after(events[: len(stored)]))
            if place.sql:
                await store.catch_up(balances())
                found = await store.query("select account, balance, moves from balances")
                assert {account: Balance(account, balance, moves) for account, balance, moves in found} == stored[-1]  # type: ignore[arg-type] # as the columns are
        for position, expected in zip((0, *(event.position for event in events)), stored, strict=True):
            live = store.live(balances(), as_of=Position(position))
            assert (await live.rows(BALANCES), live.position) == (expected, position)

    async def test_as_of_every_time_it_holds_what_was_recorded_until_then(self, stores: Stores) -> None:
        clock = ManualClock()
        store = await stores.open(clock=clock)
        events = await happened(store, clock)
        for moment in sorted({event.recorded_at for event in events}):
            for then in (moment - INSTANT, moment):
                known = [event for event in events if event.recorded_at <= then]
                live = store.live(balances(), as_of=then)
                assert (await live.rows(BALANCES), live.position) == (
                    rows_after(known), known[-1].position if known else 0,
                )  # fmt: skip

    async def test_as_of_a_position_it_stays_as_it_was_also_if_the_store_was_not_there_yet(
        self, store: AsyncStore
    ) -> None:
        receipt = await store.append("account-1", [Deposited(5)])
        moments = receipt.position, Position(receipt.position + 1)
        values = [store.live(balances(), as_of=moment) for moment in moments]
        databases = [store.live(sums(), as_of=moment) for moment in moments]
        for _ in range(2):
            assert [await live.rows(BALANCES) for live in values] == [{"1": Balance("1", 5, 1)}] * 2
            assert [await live.query("select max(total) from sums") for live in databases] == [[(5,)]] * 2
            assert {live.position for live in (*values, *databases)} == {receipt.position}
            await store.append("account-1", [Deposited(5)])
        for live in databases:
            await live.close()

    async def test_sql_is_run_in_a_scratch_database_that_answers_and_can_be_queried(self, store: AsyncStore) -> None:
        one, two, three = (await store.append("account-1", [Deposited(5), Withdrawn(1), Deposited(7)])).positions
        now, then = store.live(sums()), store.live(sums(), as_of=Position(two))
        assert await now.query("select position, total from sums order by position") == [(one, 5), (three, 12)]
        head = (await store.append("account-1", [Deposited(1)])).position
        assert await now.query("select max(total) from sums where position > :after", after=one) == [(13,)]
        assert await then.query("select position, total from sums") == [(one, 5)]
        assert (now.position, then.position) == (head, two)
        for live in (now, then):
            await live.close()

    async def test_more_than_a_batch_is_folded_to_the_end(self, store: AsyncStore) -> None:
        for _ in range(3):
            await store.append("account-1", [Deposited(1) for _ in range(700)])
        values, database = store.live(balances()), store.live(sums())
        assert await values.rows(BALANCES) == {"1": Balance("1", 2_100, 2_100)}
        assert await database.query("select count(*), max(total) from sums") == [(2_100, 2_100)]
        await database.close()

    async def test_tables_can_be_queried_and_give_the_same_rows_then(self, store: AsyncStore) -> None:
        events = await happened(store)
        live = store.live(balances())
        rows = await live.rows(BALANCES)
        found = await live.query("select account, balance, moves from balances order by account")
        assert found == sorted((row.account, row.balance, row.moves) for row in rows.values())
        assert await live.rows(BALANCES) == rows == rows_after(events)
        await live.close()

    async def test_a_query_of_a_live_model_only_reads(self, store: AsyncStore) -> None:
        live = store.live(sums())
        with pytest.raises(UsageError, match="may only read"):
            await live.query("delete from sums")
        await live.close()

    async def test_effects_are_not_caused(self, store: AsyncStore) -> None:
        caused: list[int] = []
        projection = sums()

        @projection.effect(Deposited)
        def effect(event: Recorded[Deposited]) -> Iterator[Statement]:
            caused.append(event.position)
            yield sql("insert into sums values (-1, -1)")

        head = (await store.append("account-1", [Deposited(5)])).position
        live = store.live(projection)
        assert (await live.query("select * from sums"), caused) == ([(head, 5)], [])
        await live.close()

    async def test_nothing_is_left_in_the_store(self, store: AsyncStore, place: Place) -> None:
        await happened(store)
        head, live = await store.head(), store.live(sums())
        await live.query("select * from sums")
        await live.close()
        assert await store.head() == head
        if place.sql:
            assert await store.projections() == []
            with pytest.raises(UsageError):
                await store.query("select * from sums")

    async def test_a_handler_that_fails_ends_the_read_and_the_next_goes_on_there(self, store: AsyncStore) -> None:
        seen: list[int] = []
        broken: list[int] = []
        live = store.live(balances(seen, broken=broken))
        positions = (await store.append("account-1", [Deposited(1), Deposited(2), Deposited(3)])).positions
        broken.append(positions[1])
        for _ in range(2):
            with pytest.raises(LookupError) as caught:
                await live.rows(BALANCES)
            where = f"on 'account.deposited' at position {positions[1]} (stream account-1)"
            assert where in caught.value.__notes__[0]
        broken.clear()
        assert await live.rows(BALANCES) == {"1": Balance("1", 6, 3)}
        assert seen == list(positions)

    @pytest.mark.parametrize(
        "projection",
        [
            Projection(
                "elsewhere", schema="create table elsewhere (at timestamptz default now()) partition by list (at)"
            ),
            Projection("elsewhere", schema="create table elsewhere (n integer)"),
        ],
        ids=["schema", "statement"],
    )
    async def test_sql_that_sqlite_does_not_take_is_an_error_that_says_the_way_out(
        self, store: AsyncStore, projection: Projection
    ) -> None:
        if not projection.event_types:
            projection.on(Deposited)(lambda _: [sql("insert into elsewhere select 1 where 'a' ~* 'b'")])
        live = store.live(projection)
        for _ in range(2):  # an event alone in its batch, and two together
            await store.append("account-1", [Deposited(1)])
            with pytest.raises(
                UsageError, match=r"SQLite cannot run this .* keep the rows in a Table, or read the stored"
            ):
                await live.query("select * from elsewhere")
        await live.close()

    async def test_a_table_of_others_is_refused(self, store: AsyncStore) -> None:
        with pytest.raises(
            UsageError, match=r"Table\('others', .* is none of the tables=\(...\) of projection 'balances'"
        ):
            await store.live(balances()).rows(Table("others", Balance, key="account"))

    async def test_a_scratch_database_that_was_let_go_is_not_read(self, store: AsyncStore) -> None:
        live = store.live(sums())
        await live.query("select * from sums")
        await live.close()
        await live.close()
        with pytest.raises(StoreClosed):
            await live.query("select * from sums")

    async def test_reads_at_once_fold_each_event_once(self, store: AsyncStore) -> None:
        seen: list[int] = []
        values, database, state = store.live(balances(seen)), store.live(sums()), store.live(accounts)

        async def append(account: int) -> None:
            for _ in range(10):
                await store.append(f"account-{account}", [Deposited(1)])

        async def read() -> None:
            for _ in range(10):
                await asyncio.gather(values.rows(BALANCES), database.query("select 1"), state.state())

        await asyncio.gather(*(append(i) for i in range(3)), *(read() for _ in range(3)))
        assert await values.rows(BALANCES) == {str(i): Balance(str(i), 10, 10) for i in range(3)}
        assert await database.query("select count(*), max(total) from sums") == [(30, 30)]
        assert (await state.state(), seen) == (30, [event.position async for event in store.read()])
        await database.close()

    # States ---------------------------------------------------------------------

    async def test_the_state_of_a_fold_takes_in_its_events_of_every_stream(self, store: AsyncStore) -> None:
        live = store.live(accounts)
        assert (await live.state(), live.position) == (0, 0)
        await store.append("account-1", [Deposited(5), Noted("passed over")])
        head = (await store.append("account-2", [Deposited(7), Withdrawn(1), Noted("passed over")])).position
        assert (await live.state(), live.position) == (11, head)
        await store.append("elsewhere-1", [Deposited(1)])
        assert await live.state() == 12

    async def test_a_tagged_fold_takes_in_those_with_its_tags(self, store: AsyncStore) -> None:
        await store.append("account-1", [Deposited(5, to="Ada"), Withdrawn(1), Deposited(7, to="Bob")])
        assert await store.live(accounts.tagged("to:Ada")).state() == 5

    async def test_a_fold_of_raw_events_takes_in_all(self, store: AsyncStore) -> None:
        def evolve(seen: tuple[str, ...], event: RawEvent) -> tuple[str, ...]:
            return (*seen, event.type)

        live = store.live(Fold("any", initial=tuple[str, ...], evolve=evolve))
        await store.append("x-1", [Deposited(1), fact("other.thing")])
        assert await live.state() == ("account.deposited", "other.thing")

    async def test_a_state_as_of_then_stays_as_it_was(self, stores: Stores) -> None:
        clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
        store = await stores.open(clock=clock)
        first = (await store.append("note-1", [Noted("a")])).position
        then = clock.time
        clock.move(timedelta(days=1))
        await store.append("note-1", [Noted("b")])
        timed, placed, now = (store.live(notes, as_of=at) for at in (then, first, None))
        for _ in range(2):
            assert [await live.state() for live in (timed, placed)] == [("a",), ("a",)]
            await store.append("note-1", [Noted("c")])
        assert await now.state() == ("a", "b", "c", "c")

    async def test_after_an_error_a_state_goes_on_with_the_same_event(self, store: AsyncStore) -> None:
        broken = [2]

        def evolve(total: int, event: Deposited) -> int:
            if event.amount in broken:
                raise LookupError
            return total + event.amount

        live = store.live(Fold("account", int, evolve, events=(Deposited,)))
        first, *_ = (await store.append("account-1", [Deposited(1), Deposited(2), Deposited(3)])).positions
        with pytest.raises(LookupError):
            await live.state()
        assert live.position == first
        broken.clear()
        assert await live.state() == 6

    @pytest.mark.parametrize("as_of", [1, datetime(2026, 3, 1)])  # noqa: DTZ001 - what is wrong with it
    async def test_a_version_or_a_time_without_a_zone_is_a_usage_error(self, store: AsyncStore, as_of: Any) -> None:
        for subject in (balances(), accounts):
            with pytest.raises(UsageError, match="as_of="):
                store.live(subject, as_of=as_of)
