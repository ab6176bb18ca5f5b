"""Contract: SQL about the rows of a projection's own `Table` is done in its turn, and about the table of its own build."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pytest

from refold.aio import AsyncStore
from refold.errors import UsageError
from refold.messages import Recorded
from refold.projection import Asking, Caused, Projection, ask, sql
from refold.tables import Table
from refold.testing.contract.projecting import ModelContract
from refold.testing.contract.sample import Deposited, Noted, Withdrawn


@dataclass(frozen=True)
class Pot:
    """What is in a pot."""

    id: str
    amount: int = 0


pots = Table("pots", Pot, key="id")
SCHEMA = """
create index pots_by_amount on pots (amount);
create table counted (n integer primary key, many integer);
create table marks (pot text references pots (id));
create view rich as select id from pots where amount > 100"""


def mixed(version: int = 1) -> Projection:
    """Pots: filled by `put`, drained by `patch`, emptied and thrown away by SQL, counted through a view."""
    projection = Projection("pots", version=version, tables=[pots], schema=SCHEMA)

    @projection.on(Deposited, get=lambda e: pots[e.stream.id])
    def fill(event: Recorded[Deposited], pot: Pot | None) -> Iterator[Caused]:
        yield pots.put(Pot(event.stream.id, event.data.amount * version + (pot.amount if pot else 0)))

    @projection.on(Withdrawn, get=lambda e: pots[e.stream.id])
    def drain(event: Recorded[Withdrawn], pot: Pot | None) -> Iterator[Caused]:
        yield pots.patch(event.stream.id, amount=(pot.amount if pot else 1_000) - event.data.amount)

    @projection.on(Noted)
    def note(event: Recorded[Noted]) -> Iterator[Caused]:
        id = event.stream.id
        match event.data.text:
            case "throw away":
                yield sql("delete from pots where id = :id", id=id)
            case "new":
                yield sql("delete from pots where id = :id", id=id)
                yield pots.put(Pot(id, 7))
            case "count":
                yield sql("insert into counted select :at, count(*) from rich", at=event.position)
            case _:
                yield pots.put(Pot(id, 3))
                yield sql("update pots set amount = amount * 2 where id = :id", id=id)

    return projection


def asking(version: int = 1) -> Projection:
    """The sum of all pots, asked for after each change."""
    projection = Projection(
        "asking", version=version, tables=[pots], schema="create table sums (n integer primary key, amount integer)"
    )

    @projection.on(Deposited)
    def fill(event: Recorded[Deposited]) -> Asking:
        yield pots.put(Pot(event.stream.id, event.data.amount * version))
        ((amount,),) = yield ask("select cast(sum(amount) as integer) from Pots")
        yield sql("insert into sums values (:n, :amount)", n=event.position, amount=amount)

    return projection


HAPPENINGS = [Deposited(200), Withdrawn(1), Noted("throw away"), Noted("new"), Noted("twice"), Noted("count")]


async def held(sql_store: AsyncStore) -> dict[str, int]:
    """What people read."""
    return {
        str(id): int(str(amount)) for id, amount in await sql_store.query("select id, amount from pots order by id")
    }


class Mixing(ModelContract):
    """`sql`, `ask` and `schema` beside `tables`."""

    async def test_sql_about_rows_and_changes_of_them_are_done_in_turn_whatever_the_batches(
        self, sql_store: AsyncStore
    ) -> None:
        for number, happenings in enumerate(product(HAPPENINGS, repeat=2)):
            for happening in (Deposited(90), *happenings):
                await sql_store.append(f"pot-{number}", [happening])
                await sql_store.catch_up(mixed())
        one_by_one = await held(sql_store), await sql_store.query("select n, many from counted order by n")
        await sql_store.model(mixed()).reset()
        await sql_store.catch_up(mixed())
        assert (await held(sql_store), await sql_store.query("select n, many from counted order by n")) == one_by_one

    async def test_each_sees_those_before_it(self, sql_store: AsyncStore) -> None:
        await sql_store.append("pot-a", [Deposited(200), Noted("count"), Noted("twice"), Withdrawn(1), Withdrawn(1)])
        await sql_store.append("pot-b", [Deposited(200), Noted("throw away"), Withdrawn(1), Noted("count")])
        await sql_store.append("pot-c", [Deposited(200), Noted("new"), Withdrawn(1), Noted("count")])
        await sql_store.catch_up(mixed())
        assert await held(sql_store) == {"a": 4, "c": 6}
        assert await sql_store.query("select n, many from counted order by n") == [(2, 1), (9, 0), (13, 0)]

    async def test_rows_of_another_projections_table_are_seen_as_sql_left_them(self, sql_store: AsyncStore) -> None:
        seen: list[Pot | None] = []
        projection = Projection("looking", schema="create table looking (n integer)")

        @projection.on(Deposited, get=lambda e: pots[e.stream.id])
        def look(event: Recorded[Deposited], pot: Pot | None) -> Iterator[Caused]:
            seen.append(pot)
            yield sql("update pots set amount = amount + 1 where id = :id", id=event.stream.id)

        await sql_store.append("pot-a", [Deposited(1), Deposited(1)])
        await sql_store.catch_up(mixed())
        await sql_store.catch_up(projection)
        assert seen[-2:] == [Pot("a", 2), Pot("a", 3)]

    async def test_a_new_version_is_built_out_of_its_own_rows_and_leaves_those_that_people_read(
        self, sql_store: AsyncStore
    ) -> None:
        await sql_store.append("pot-a", [Deposited(60), Noted("throw away"), Deposited(60), Noted("count")])
        await sql_store.append("pot-b", [Deposited(60), Noted("count")])
        await sql_store.catch_up(mixed())
        before = {"a": 60, "b": 60}
        assert (await sql_store.model(mixed()).verify()).is_equal
        compared = await sql_store.model(mixed(2)).compare()
        assert [(row.key, row.changes) for row in compared.rows] == [
            ({"n": 4}, {"many": (0, 1)}), ({"n": 6}, {"many": (0, 2)}),
            ({"id": "a"}, {"amount": (60, 120)}), ({"id": "b"}, {"amount": (60, 120)}),
        ]  # fmt: skip
        assert await held(sql_store) == before
        assert await sql_store.query("select id from rich") == []
        await sql_store.model(mixed(2)).rebuild(compared=compared)
        assert await sql_store.model(mixed(2)).drop_retired() == 1
        assert await held(sql_store) == {"a": 120, "b": 120}
        assert await sql_store.query("select id from rich order by id") == [("a",), ("b",)]
        await sql_store.append("pot-b", [Noted("new")])
        await sql_store.catch_up(mixed(2))
        assert await sql_store.query("select id from rich order by id") == [("a",)]

    async def test_a_build_asks_its_own_table(self, sql_store: AsyncStore) -> None:
        await sql_store.append("pot-a", [Deposited(1), Deposited(2)])
        await sql_store.append("pot-b", [Deposited(3)])
        await sql_store.catch_up(asking())
        await sql_store.model(asking(2)).rebuild()
        assert await sql_store.query("select n, amount from sums order by n") == [(1, 2), (2, 4), (3, 10)]

    async def test_sql_that_may_mean_a_table_or_a_column_is_refused_where_the_table_has_another_name(
        self, sql_store: AsyncStore
    ) -> None:
        @dataclass(frozen=True)
        class Row:
            account: str
            deposits: int = 0

        rows = Table("deposits", Row, key="account")

        def counting(version: int) -> Projection:
            projection = Projection("deposits", version=version, tables=[rows])

            @projection.on(Deposited, get=lambda e: rows[e.stream.id])
            def count(event: Recorded[Deposited], row: Row | None) -> Iterator[Caused]:
                yield rows.put(Row(event.stream.id, version + (row.deposits if row else 0)))

            @projection.on(Noted)
            def empty(event: Recorded[Noted]) -> Iterator[Caused]:
                yield sql("update deposits set deposits = 0")

            return projection

        await sql_store.append("account-a", [Deposited(1), Deposited(1)])
        await sql_store.catch_up(counting(1))
        await sql_store.model(counting(2)).rebuild()
        assert await sql_store.query("select account, deposits from deposits") == [("a", 4)]
        await sql_store.append("account-a", [Noted("empty")])
        await sql_store.catch_up(counting(2))
        assert await sql_store.query("select account, deposits from deposits") == [("a", 0)]
        with pytest.raises(
            UsageError, match="'deposits' may be the projection's table or the column of 'deposits': update"
        ):
            await sql_store.model(counting(3)).rebuild()
        assert await sql_store.query("select account, deposits from deposits") == [("a", 0)]
