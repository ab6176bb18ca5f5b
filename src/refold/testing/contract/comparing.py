"""Contract: a read model is made anew beside the one that people read, and the rows that differ are told with their events."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from refold.aio import AsyncStore
from refold.errors import NoSuchProjection, ProjectionChanged, UsageError
from refold.flows.projections.differences import Comparison, RowDifference, TableDifference, Touch
from refold.messages import Position, Recorded
from refold.projection import Projection, Statement, sql
from refold.tables import Change, Table
from refold.testing.contract.projecting import ModelContract
from refold.testing.contract.sample import Deposited

QUICK = timedelta(seconds=0.4)
TYPE = "account.deposited"


def sums(version: int = 1, *, bonus: int = 0, poison: int = -1, more: str = "") -> Projection:
    """Sums by account, and a list without a key; in account 1 a bonus for each deposit."""
    projection = Projection(
        "sums",
        version=version,
        schema=f"create table sums (account text primary key, amount integer{more}); create table deposits (amount integer);",
    )

    @projection.on(Deposited)
    def add(event: Recorded[Deposited]) -> Iterator[Statement]:
        if event.data.amount == poison:
            raise ValueError(poison)
        yield sql(
            "insert into sums (account, amount) values (:account, :amount) on conflict (account) do update"
            " set amount = sums.amount + excluded.amount",
            account=event.stream.id, amount=event.data.amount + bonus * (event.stream.id == "1"),
        )  # fmt: skip
        yield sql("insert into deposits values (:amount)", amount=event.data.amount)

    return projection


@dataclass(frozen=True)
class Largest:
    who: str
    amount: int


def largest(*, least: int = 0) -> Projection:
    """The largest deposit by whom it goes to."""
    table = Table("largest", Largest, key="who")
    projection = Projection("largest", tables=[table])

    @projection.on(Deposited, get=lambda e: table[e.data.to])
    def keep(event: Recorded[Deposited], row: Largest | None) -> Iterator[Change]:
        if event.data.amount > (row.amount if row else least):
            yield table.put(Largest(event.data.to, event.data.amount))

    return projection


async def builds(store: AsyncStore) -> list[tuple[int, str]]:
    """The builds that there are."""
    return [(status.build, status.role) for status in await store.projections()]


class Comparing(ModelContract):
    """`compare`, `verify`, `abandon`, and `rebuild(compared=...)`."""

    async def test_rows_that_differ_are_told_with_the_events_that_changed_them(self, sql_store: AsyncStore) -> None:
        for i in range(4):
            await sql_store.append(f"account-{i % 2}", [Deposited(i)])
        await sql_store.catch_up(sums())
        model = sql_store.model(sums(2, bonus=10))
        compared = await model.compare()
        assert compared == Comparison(
            "sums", old=1, old_version=1, new=2, new_version=2, position=Position(4),
            tables=(TableDifference("sums", rows=1),),
            rows=(
                RowDifference(
                    "sums", {"account": "1"}, {"account": "1", "amount": 4}, {"account": "1", "amount": 24},
                    (Touch(Position(2), "account-1", TYPE), Touch(Position(4), "account-1", TYPE)),
                ),
            ),
        )  # fmt: skip
        assert compared.rows[0].changes == {"amount": (4, 24)}
        assert await builds(sql_store) == [(1, "active"), (2, "retired")]
        await sql_store.append("account-1", [Deposited(1)])
        await model.rebuild(compared=compared)
        assert await builds(sql_store) == [(1, "retired"), (2, "active")]
        assert await sql_store.query("select account, amount from sums order by account") == [("0", 2), ("1", 35)]
        with pytest.raises(UsageError, match="compare again"):
            await model.rebuild(compared=compared)

    async def test_what_is_given_up_is_removed(self, sql_store: AsyncStore) -> None:
        with pytest.raises(NoSuchProjection):
            await sql_store.model(sums()).compare()
        await sql_store.append("account-1", [Deposited(1)])
        await sql_store.catch_up(sums())
        model = sql_store.model(sums(2))
        compared = await model.compare()
        assert (compared.is_equal, await model.abandon(), await model.abandon()) == (True, 1, 0)
        assert await builds(sql_store) == [(1, "active")]
        with pytest.raises(UsageError, match="was removed since it was compared"):
            await model.rebuild(compared=compared)

    async def test_the_same_version_is_verified_and_nothing_of_it_stays(self, sql_store: AsyncStore) -> None:
        await sql_store.append("account-0", [Deposited(3), Deposited(3), Deposited(5)])
        await sql_store.catch_up(sums())
        assert await sql_store.model(sums()).verify() == Comparison("sums", 1, 1, 2, 1, Position(3), (), ())
        with pytest.raises(ProjectionChanged):
            await sql_store.model(sums(2)).verify()
        await sql_store.append("account-1", [Deposited(7)])
        assert (await sql_store.model(sums(bonus=1)).verify()).is_equal, (
            "both stand before the first event that differs"
        )
        await sql_store.catch_up(sums(bonus=1))
        found = await sql_store.model(sums()).verify()
        assert [(row.key, row.old, row.new) for row in found.rows] == [
            ({"account": "1"}, {"account": "1", "amount": 8}, {"account": "1", "amount": 7})
        ]
        assert await builds(sql_store) == [(1, "active")]

    async def test_rows_without_a_key_are_counted_and_only_some_are_shown(self, sql_store: AsyncStore) -> None:
        await sql_store.append("account-0", [Deposited(3), Deposited(3), Deposited(5)])
        await sql_store.catch_up(sums())

        other = Projection("sums", version=2, schema=sums(more=", note text").schema)

        @other.on(Deposited)
        def first(event: Recorded[Deposited]) -> Iterator[Statement]:
            if event.position != 2:
                yield sql("insert into deposits values (:amount)", amount=event.data.amount)

        found = await sql_store.model(other).compare(limit=1)
        assert found.tables == (TableDifference("deposits", rows=1), TableDifference("sums", rows=1, fresh=("note",)))
        assert [(row.table, row.changes) for row in found.rows] == [("deposits", {"(rows)": (2, 1)})]
        assert [touch.position for touch in found.rows[0].events] == [1]
        assert found.differing == 2

    async def test_tables_that_only_one_of_them_has_are_told(self, sql_store: AsyncStore) -> None:
        await sql_store.append("account-0", [Deposited(3)])
        await sql_store.catch_up(sums())
        found = await sql_store.model(Projection("sums", version=2, schema="create table added (a text)")).compare()
        assert found.tables == (
            TableDifference("added", is_fresh=True),
            TableDifference("deposits", is_gone=True),
            TableDifference("sums", is_gone=True),
        )

    async def test_rows_of_a_table_are_explained_by_what_was_looked_at_too(self, sql_store: AsyncStore) -> None:
        deposits = [Deposited(5, to="ada"), Deposited(4, to="ada"), Deposited(1, to="bob")]
        await sql_store.append("account-0", deposits)
        await sql_store.catch_up(largest())
        found = await sql_store.model(largest(least=2)).verify()
        assert [(row.key, row.new, [touch.position for touch in row.events]) for row in found.rows] == [
            ({"who": "bob"}, None, [3])
        ]

    async def test_a_handler_that_raises_ends_it_and_nothing_of_it_stays(self, sql_store: AsyncStore) -> None:
        await sql_store.append("account-0", [Deposited(3)])
        await sql_store.catch_up(sums())
        with pytest.raises(ValueError, match="3"):
            await sql_store.model(sums(2, poison=3)).compare()
        assert await builds(sql_store) == [(1, "active")]

    async def test_what_is_parked_or_skipped_is_so_in_the_other_one_too(self, sql_store: AsyncStore) -> None:
        for i in range(12):
            await sql_store.append(f"account-{i % 3}", [Deposited(i % 6)])
        bad = sums(poison=4)
        async with sql_store.run(bad, lease=QUICK):
            await _until(sql_store, 12)
        await sql_store.model(bad).skip(5)
        status = await sql_store.model(bad).status()
        assert (status.dead_letters, [letter.state for letter in await sql_store.model(bad).dead_letters()]) == (
            1,
            ["skipped", "failed"],
        )
        assert (await sql_store.model(bad).verify()).is_equal
        assert (await sql_store.model(sums()).verify()).is_equal, "what would succeed today waits for its retry"

    async def test_appends_and_runners_go_on_meanwhile(self, sql_store: AsyncStore) -> None:
        await sql_store.append("account-0", [Deposited(1)] * 600)
        async with sql_store.run(sums(), lease=QUICK):
            await _until(sql_store, 600)
            comparing = asyncio.create_task(sql_store.model(sums()).compare())
            while not comparing.done():
                await sql_store.append("account-1", [Deposited(1)])
                await asyncio.sleep(0.005)
            compared = await comparing
            assert (compared.is_equal, compared.position >= 600) == (True, True)
            assert await builds(sql_store) == [(1, "active"), (2, "retired")]
            await sql_store.model(sums()).rebuild(compared=compared)
            await _until(sql_store, await sql_store.head())
        head = await sql_store.head()
        assert await sql_store.query("select sum(amount), (select count(*) from deposits) from sums") == [(head, head)]


async def _until(store: AsyncStore, position: int) -> None:
    """Return when the build that people read is so far."""
    async with asyncio.timeout(30):
        while not any(s.role == "active" and s.position >= position for s in await store.projections()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
