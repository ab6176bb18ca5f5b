"""Contract: a new version is built beside the one that people read, and takes its place whole."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest

from refold.aio import AsyncStore
from refold.errors import ProjectionChanged, UsageError
from refold.messages import Recorded
from refold.projection import Projection, Statement, sql
from refold.testing.contract.projecting import ModelContract
from refold.testing.contract.sample import Deposited

LONG = 30.0
QUICK = timedelta(seconds=0.4)


def totals(version: int, *, poison: int = -1) -> Projection:
    """Sums by account, multiplied by the version, with an index, a view, and a list of what must happen once for ever."""
    projection = Projection(
        "totals",
        version=version,
        schema="create table totals (account text primary key, amount integer, events integer);"
        "create index totals_by_amount on totals (amount); create view rich as select account from totals where amount > 10;",
    )

    @projection.on(Deposited)
    def add(event: Recorded[Deposited]) -> Iterator[Statement]:
        if event.data.amount == poison:
            raise ValueError(poison)
        yield sql(
            "insert into totals values (:account, :amount, 1) on conflict (account) do update"
            " set amount = totals.amount + excluded.amount, events = totals.events + 1",
            account=event.stream.id, amount=event.data.amount * version,
        )  # fmt: skip

    return projection


def mailing(version: int, *, poison: int = -1) -> Projection:
    """Every deposit, and a mail for it."""
    projection = Projection("mailing", version=version, schema="create table mailing (position integer primary key)")

    @projection.on(Deposited)
    def note(event: Recorded[Deposited]) -> Iterator[Statement]:
        if event.data.amount == poison:
            raise ValueError(poison)
        yield sql("insert into mailing values (:position)", position=event.position)

    @projection.effect(Deposited)
    def mail(event: Recorded[Deposited]) -> Iterator[Statement]:
        yield sql("insert into mails values (:position, :version)", position=event.position, version=version)

    return projection


TABLE = Projection("mails", schema="create table mails (position integer primary key, version integer)")


async def rows(sql_store: AsyncStore, table: str = "totals") -> list[tuple[object, ...]]:
    """What the read model holds."""
    return [*await sql_store.query(f"select account, amount, events from {table} order by account")]  # noqa: S608 - a name of ours


async def switched(sql_store: AsyncStore, version: int) -> None:
    """Return when a version is what people read."""
    async with asyncio.timeout(LONG):
        while not [s for s in await sql_store.projections() if s.role == "active" and s.version == version]:  # noqa: ASYNC110 - a runner tells nobody
            await asyncio.sleep(0.01)


class Rebuilding(ModelContract):
    """`rebuild`, and runners that meet a new version."""

    @pytest.mark.guarantee("G20")
    async def test_a_new_version_takes_the_place_of_the_old_one_which_stays_beside_it(
        self, sql_store: AsyncStore
    ) -> None:
        for i in range(12):
            await sql_store.append(f"account-{i % 2}", [Deposited(i)])
        await sql_store.catch_up(totals(1))
        with pytest.raises(ProjectionChanged, match="built by version 1, this is version 2"):
            await sql_store.catch_up(totals(2))
        told: list[tuple[int, int]] = []
        await sql_store.model(totals(2)).rebuild(progress=lambda position, head: told.append((position, head)))
        assert await rows(sql_store) == [("0", 60, 6), ("1", 72, 6)]
        assert await rows(sql_store, "totals__1") == [("0", 30, 6), ("1", 36, 6)]
        assert await sql_store.query("select account from rich order by account") == [("0",), ("1",)]
        assert told[-1] == (12, 12)
        with pytest.raises(ProjectionChanged):
            await sql_store.catch_up(totals(1))
        await sql_store.append("account-1", [Deposited(1)])
        assert await sql_store.catch_up(totals(2)) == 1
        assert await rows(sql_store) == [("0", 60, 6), ("1", 74, 7)]
        assert await sql_store.model(totals(2)).drop_retired() == 1
        with pytest.raises(UsageError):
            await rows(sql_store, "totals__1")

    @pytest.mark.guarantee("G20")
    async def test_it_can_be_rebuilt_again_and_again_also_in_the_same_version(self, sql_store: AsyncStore) -> None:
        await sql_store.append("account-0", [Deposited(1)])
        await sql_store.catch_up(totals(1))
        for version in (1, 1, 2, 5):
            await sql_store.model(totals(version)).rebuild()
            assert await rows(sql_store) == [("0", version, 1)]
        assert [(s.build, s.version, s.role) for s in await sql_store.projections()] == [
            (1, 1, "retired"), (2, 1, "retired"), (3, 1, "retired"), (4, 2, "retired"), (5, 5, "active"),
        ]  # fmt: skip
        assert await sql_store.model(totals(5)).drop_retired() == 4
        await sql_store.model(totals(5)).reset()
        await sql_store.catch_up(totals(5))
        assert await rows(sql_store) == [("0", 5, 1)]

    @pytest.mark.guarantee("G20")
    async def test_runners_build_a_new_version_while_appends_and_reads_go_on(self, sql_store: AsyncStore) -> None:
        seen: list[tuple[int, int]] = []

        async def read() -> None:
            ((amount, events),) = await sql_store.query(
                "select coalesce(sum(amount), 0), coalesce(sum(events), 0) from totals"
            )
            seen.append((int(str(amount)), int(str(events))))

        async with sql_store.run(totals(1), lease=QUICK):
            for _ in range(30):
                await sql_store.append("account-0", [Deposited(1)])
            await sql_store.wait_for("totals", 30, timeout=LONG)
        async with sql_store.run(totals(2), lease=QUICK):
            switching = asyncio.create_task(switched(sql_store, 2))
            while not switching.done():
                await sql_store.append("account-0", [Deposited(1)])
                await read()
                await asyncio.sleep(0.005)
            await switching
            await sql_store.wait_for("totals", await sql_store.head(), timeout=LONG)
            await read()
        counts = [events for _, events in seen]
        assert counts == sorted(counts), "a reader saw an earlier state"
        assert {amount // events for amount, events in seen} == {1, 2}
        assert seen[-1] == (2 * await sql_store.head(), await sql_store.head())

    async def test_a_handler_that_raises_leaves_what_people_read_and_it_goes_on_later(
        self, sql_store: AsyncStore
    ) -> None:
        for i in range(1_200):
            await sql_store.append(f"account-{i % 3}", [Deposited(i)]) if i % 600 == 0 else None
        await sql_store.append("account-0", [Deposited(i) for i in range(1, 700)])
        await sql_store.catch_up(totals(1))
        before = await rows(sql_store)
        with pytest.raises(ValueError, match="650"):
            await sql_store.model(totals(2, poison=650)).rebuild()
        assert await rows(sql_store) == before
        building = [s for s in await sql_store.projections() if s.role == "building"]
        assert [s.position for s in building] == [500]
        await sql_store.model(totals(2)).rebuild()
        assert await rows(sql_store) == [(account, amount * 2, events) for account, amount, events in before]  # type: ignore[operator] # numbers

    @pytest.mark.guarantee("G16")
    async def test_effects_are_caused_once_whatever_is_rebuilt(self, sql_store: AsyncStore) -> None:
        await sql_store.catch_up(TABLE)
        await sql_store.append("account-0", [Deposited(1), Deposited(2)])
        await sql_store.catch_up(mailing(1))
        await sql_store.append("account-0", [Deposited(3)])
        await sql_store.model(mailing(2)).rebuild()
        await sql_store.append("account-0", [Deposited(4)])
        await sql_store.catch_up(mailing(2))
        assert await sql_store.query("select position, version from mails order by position") == [
            (1, 1),
            (2, 1),
            (3, 2),
            (4, 2),
        ]
        assert await sql_store.query("select count(*) from mailing") == [(4,)]

    @pytest.mark.guarantee("G16")
    async def test_an_event_that_was_parked_causes_its_effect_once_whichever_build_it_was_parked_in(
        self, sql_store: AsyncStore
    ) -> None:
        await sql_store.catch_up(TABLE)
        for i in (1, 2, 3):
            await sql_store.append(f"account-{i}", [Deposited(i)])
        async with sql_store.run(mailing(1, poison=2), lease=QUICK):
            await sql_store.wait_for("mailing", 3, timeout=LONG)
        with pytest.raises(UsageError, match="has 1 events parked whose effects were not caused"):
            await sql_store.model(mailing(2)).rebuild()
        assert await sql_store.model(mailing(1)).retry() == 1
        async with sql_store.run(mailing(3, poison=3), lease=QUICK):
            await switched(sql_store, 3)
        assert [letter.position for letter in await sql_store.model(mailing(3)).dead_letters()] == [3]
        assert await sql_store.model(mailing(3)).retry() == 1
        await sql_store.append("account-3", [Deposited(3)])
        await sql_store.catch_up(mailing(3))
        assert await sql_store.query("select position, version from mails order by position") == [
            (1, 1),
            (2, 1),
            (3, 1),
            (4, 3),
        ]
        assert await sql_store.query("select count(*) from mailing") == [(4,)]

    async def test_effects_are_neither_lost_nor_doubled_while_runners_switch(self, sql_store: AsyncStore) -> None:
        await sql_store.catch_up(TABLE)
        async with sql_store.run(mailing(1), lease=QUICK):
            for i in range(20):
                await sql_store.append("account-0", [Deposited(i)])
            async with sql_store.run(mailing(2), lease=QUICK):
                switching = asyncio.create_task(switched(sql_store, 2))
                while not switching.done():
                    await sql_store.append("account-0", [Deposited(1)])
                await switching
                for i in range(20):
                    await sql_store.append("account-0", [Deposited(i)])
                head = await sql_store.head()
                await sql_store.wait_for("mailing", head, timeout=LONG)
        assert await sql_store.query("select count(*), count(distinct position) from mails") == [(head, head)]

    async def test_a_schema_that_cannot_stand_beside_itself_is_refused_before_anything_is_done(
        self, sql_store: AsyncStore
    ) -> None:
        twice = Projection("twice", version=2, schema="create table twice (twice integer)")
        await sql_store.catch_up(Projection("twice", schema="create table twice (twice integer)"))
        with pytest.raises(UsageError, match="gives the name 'twice' to a column"):
            await sql_store.model(twice).rebuild()
        assert [(s.version, s.role) for s in await sql_store.projections()] == [(1, "active")]
