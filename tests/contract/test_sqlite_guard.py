"""SQL of a read model reaches its own tables in the store's file, and nothing of the store's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from refold.aio import AsyncStore
from refold.errors import RefoldError, UsageError
from refold.messages import Recorded
from refold.projection import Projection, Statement, sql
from refold.testing.contract import Contract, Place
from refold.testing.contract.projecting import amounts, seen
from refold.testing.contract.sample import Deposited


@pytest.mark.guarantee("G8")
class TestGuard(Contract):
    @pytest.fixture(params=["file", "memory"])
    def place(self, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
        path = tmp_path / "store.db" if request.param == "file" else ":memory:"
        return Place(url=f"sqlite:///{path}", durable=request.param == "file", sql=True)

    @pytest.mark.parametrize(
        "statement",
        [
            "delete from events", "update events set type = 'x'", "DROP TABLE Events",
            "insert into event_tags values ('t', 1, 'x')",
            "delete from refold_partitions", "drop trigger events_are_not_changed", "alter table events rename to old",
            "create trigger t after insert on events begin select 1; end", "create index i on events (data)",
            "pragma user_version = 7", "pragma writable_schema = on", "attach ':memory:' as other", "vacuum", "select 1;commit",
            "create table refold_mine (a)", "create temp table events (a)", "create view events as select 1",
            "begin immediate", "insert or rollback into seen values (1, 1)", "delete from sqlite_master",
        ],
    )  # fmt: skip
    async def test_a_statement_reaches_its_own_tables_and_nothing_else(self, store: AsyncStore, statement: str) -> None:
        await store.append("account-1", [Deposited(1)])
        await store.catch_up(seen())
        await store.append("account-1", [Deposited(2)])
        before = [event async for event in store.read()]

        with pytest.raises(RefoldError):
            await store.catch_up(seen(poison=2, poisoned=statement))

        assert [event async for event in store.read()] == before
        assert await amounts(store) == [1]
        assert [list(damages) async for _, damages in store.verify()] == [[]]
        await store.catch_up(seen())
        assert await amounts(store) == [1, 2]

    @pytest.mark.guarantee("G8")
    async def test_a_trigger_of_the_read_model_reaches_no_further_than_its_statements(self, store: AsyncStore) -> None:
        await store.append("account-1", [Deposited(1)])
        sly = Projection(
            "sly",
            schema="create table bait (a integer);"
            "create trigger trap after insert on bait begin delete from refold_partitions; end",
        )

        @sly.on(Deposited)
        def bite(event: Recorded[Deposited]) -> Iterator[Statement]:
            yield sql("insert into bait values (:a)", a=event.data.amount)

        with pytest.raises(UsageError, match="may change its own tables only"):
            await store.catch_up(sly)
        assert await store.query("select count(*) from bait") == [(0,)]

    @pytest.mark.parametrize(
        "text",
        [
            "create temp table t (a)", "begin immediate", "pragma journal_mode = delete", "pragma query_only = off",
            "pragma user_version",
            "attach ':memory:' as m", "vacuum", "vacuum into 'x'", "select load_extension('x')", "select 1;commit", "rollback",
            "with gone as (select 1) delete from seen", "explain delete from seen; delete from seen",
        ],
    )  # fmt: skip
    async def test_a_query_only_reads(self, store: AsyncStore, text: str) -> None:
        await store.append("account-1", [Deposited(1)])
        await store.catch_up(seen())
        with pytest.raises(UsageError):
            await store.query(text)
        assert await amounts(store) == [1]

    async def test_a_query_may_read_the_events_too(self, store: AsyncStore) -> None:
        await store.append("account-1", [Deposited(1)])
        assert await store.query("select stream, version, type from events") == [("account-1", 1, "account.deposited")]
