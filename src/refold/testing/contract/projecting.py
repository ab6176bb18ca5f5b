"""Contract: a read model has seen each event exactly once, whatever happens to its runner. Where there is SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import pytest_asyncio

from refold.aio import AsyncStore
from refold.errors import ProjectionChanged, Unsupported, UsageError
from refold.messages import Recorded
from refold.projection import Projection, Statement, sql
from refold.testing.contract.base import Contract, Place, Stores, outcomes
from refold.testing.contract.sample import Deposited, Noted, Withdrawn

SCHEMA = "create table seen (position integer primary key, amount integer not null)"  # fails if it is run twice
PUT = "insert into seen (position, amount) values (:position, :amount)"  # fails if an event counts twice


def seen(
    name: str = "seen", *, version: int = 1, poison: int = -1, poisoned: str = "insert into nowhere values (1)"
) -> Projection:
    """A projection that lists every deposit; at the amount of `poison` it yields a statement that fails."""
    projection = Projection(name, version=version, schema=SCHEMA.replace("seen", name))

    @projection.on(Deposited)
    def put(event: Recorded[Deposited]) -> Iterator[Statement]:
        if event.data.amount == poison:
            yield Statement(poisoned)
        yield sql(PUT.replace("seen", name), position=event.position, amount=event.data.amount)

    return projection


async def amounts(store: AsyncStore, table: str = "seen") -> list[object]:
    """What the read model holds."""
    return [amount for (amount,) in await store.query(f"select amount from {table} order by position")]  # noqa: S608 - a name of ours


class ModelContract(Contract):
    """A part of the contract for places that have read models."""

    @pytest_asyncio.fixture
    async def sql_store(self, store: AsyncStore, place: Place) -> AsyncStore:
        """A store that has SQL."""
        if not place.sql:
            pytest.skip(f"{place.url} has no SQL for read models")
        return store


class Projecting(ModelContract):
    """`catch_up` and `query`."""

    async def test_without_sql_a_read_model_is_refused(self, store: AsyncStore, place: Place) -> None:
        if place.sql:
            pytest.skip(f"{place.url} has SQL for read models")
        with pytest.raises(Unsupported):
            await store.query("select 1")
        with pytest.raises(Unsupported):
            await store.catch_up(seen())

    @pytest.mark.guarantee("G15")
    async def test_each_event_counts_once_and_those_without_a_handler_are_passed_over(
        self, sql_store: AsyncStore
    ) -> None:
        await sql_store.append("account-1", [Deposited(1), Withdrawn(1), Deposited(2)])
        await sql_store.append("note-1", [Noted("x")])
        projection = seen()

        assert await sql_store.catch_up(projection) == 2
        assert await sql_store.catch_up(projection) == 0
        await sql_store.append("account-2", [Deposited(3)])
        assert await sql_store.catch_up(projection) == 1
        assert await amounts(sql_store) == [1, 2, 3]

    @pytest.mark.guarantee("G15")
    async def test_more_than_a_batch_is_applied_to_the_end(self, sql_store: AsyncStore) -> None:
        for first in range(0, 1_200, 600):
            await sql_store.append("account-1", [Deposited(first + i) for i in range(600)])
        assert await sql_store.catch_up(seen()) == 1_200
        assert await amounts(sql_store) == list(range(1_200))

    async def test_an_empty_store_makes_the_tables(self, sql_store: AsyncStore) -> None:
        assert await sql_store.catch_up(seen()) == 0
        assert await amounts(sql_store) == []

    @pytest.mark.guarantee("G15")
    async def test_after_a_restart_it_goes_on_where_it_was(self, sql_store: AsyncStore, stores: Stores) -> None:
        await sql_store.append("account-1", [Deposited(1)])
        await sql_store.catch_up(seen())
        store = await stores.reopen()
        await store.append("account-1", [Deposited(2)])
        assert await store.catch_up(seen()) == 1
        assert await amounts(store) == [1, 2]

    @pytest.mark.guarantee("G15")
    async def test_runners_that_race_count_each_event_once_and_make_the_tables_once(
        self, sql_store: AsyncStore, stores: Stores
    ) -> None:
        await sql_store.append("account-1", [Deposited(i) for i in range(1_000)])
        await sql_store.append("account-1", [Deposited(1_000 + i) for i in range(1_000)])
        crowd = await stores.crowd(4)
        applied = await outcomes(*(store.catch_up(seen()) for store in crowd))
        assert sum(applied) == 2_000
        assert await amounts(sql_store) == list(range(2_000))

    @pytest.mark.guarantee("G20")
    async def test_a_read_model_made_beside_appends_is_whole_in_the_end(self, sql_store: AsyncStore) -> None:
        async def append() -> None:
            for i in range(60):
                await sql_store.append(f"account-{i % 3}", [Deposited(i)])

        async def follow() -> None:
            for _ in range(20):
                await sql_store.catch_up(seen())

        await asyncio.gather(append(), follow())
        await sql_store.catch_up(seen())
        assert await amounts(sql_store) == list(range(60))

    async def test_another_version_of_the_projection_is_refused(self, sql_store: AsyncStore) -> None:
        await sql_store.append("account-1", [Deposited(1)])
        await sql_store.catch_up(seen())
        with pytest.raises(ProjectionChanged, match="built by version 1, this is version 2") as caught:
            await sql_store.catch_up(seen(version=2))
        assert (caught.value.name, caught.value.stored, caught.value.version) == ("seen", 1, 2)
        assert await sql_store.catch_up(seen("seen2", version=2)) == 1
        assert await amounts(sql_store, "seen2") == [1]

    @pytest.mark.guarantee("G15")
    async def test_a_statement_that_fails_undoes_its_batch_and_its_checkpoint(self, sql_store: AsyncStore) -> None:
        await sql_store.append("account-1", [Deposited(i) for i in range(1_000)])
        with pytest.raises(UsageError, match="cannot run this"):
            await sql_store.catch_up(seen(poison=700))
        assert await amounts(sql_store) == list(range(500))

        assert await sql_store.catch_up(seen()) == 500
        assert await amounts(sql_store) == list(range(1_000))

    @pytest.mark.parametrize(
        "statement",
        [
            "insert into seen values (null, null)", "insert into seen (position) values (:position)", "no sql at all",
            "select :missing",
            "insert into nowhere values (1)", "begin", "commit", "rollback", "savepoint s", "select '\ud800'",
        ],
    )  # fmt: skip
    async def test_a_statement_that_cannot_be_run_is_a_usage_error_and_the_store_goes_on(
        self, sql_store: AsyncStore, statement: str
    ) -> None:
        await sql_store.append("account-1", [Deposited(1)])
        await sql_store.catch_up(seen())
        await sql_store.append("account-1", [Deposited(2)])
        before = [event async for event in sql_store.read()]

        with pytest.raises(UsageError):
            await sql_store.catch_up(seen(poison=2, poisoned=statement))

        assert [event async for event in sql_store.read()] == before
        assert await amounts(sql_store) == [1]
        assert [list(damages) async for _, damages in sql_store.verify()] == [[]]
        await sql_store.catch_up(seen())
        assert await amounts(sql_store) == [1, 2]

    async def test_a_parameter_may_have_any_name(self, sql_store: AsyncStore) -> None:
        assert sql("select :text, :self", text="a", self=1).params == {"text": "a", "self": 1}
        assert await sql_store.query("select :text", text="a") == [("a",)]

    async def test_a_query_reads_with_named_parameters(self, sql_store: AsyncStore) -> None:
        rows = await sql_store.query("select :a, :b, :c, :d, :e", a=1, b=1.5, c="ä'\"", d=b"\x00", e=None)
        assert rows == [(1, 1.5, "ä'\"", b"\x00", None)]

    async def test_half_a_character_is_no_text_that_can_be_kept(self, sql_store: AsyncStore) -> None:
        with pytest.raises(UsageError):
            await sql_store.query("select :a", a="\ud800")
        assert await sql_store.query("select :a", a="a") == [("a",)]

    @pytest.mark.guarantee("G8")
    async def test_a_statement_of_a_projection_is_no_query(self, sql_store: AsyncStore) -> None:
        await sql_store.append("account-1", [Deposited(1)])
        await sql_store.catch_up(seen())
        with pytest.raises(UsageError, match="may only read"):
            await sql_store.query(PUT, position=7, amount=7)
        assert await amounts(sql_store) == [1]

    @pytest.mark.parametrize(
        "text",
        [
            "insert into seen values (1, 1)", "delete from seen", "drop table seen", "create table more (a integer)",
            "select 1; delete from seen", "select * from nowhere", "selec 1", "select :missing",
        ],
    )  # fmt: skip
    async def test_a_query_only_reads(self, sql_store: AsyncStore, text: str) -> None:
        await sql_store.append("account-1", [Deposited(1)])
        await sql_store.catch_up(seen())
        with pytest.raises(UsageError):
            await sql_store.query(text)
        assert await amounts(sql_store) == [1]
