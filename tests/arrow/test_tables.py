"""Events become Arrow tables on every backend."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from tests.arrow.tables import Tables

from refold import Process, RawEvent, Recorded, Store
from refold.arrow.table import Gathered, assembled, gathered
from refold.flows.read import wanted
from refold.ports import PAGE, Backend, Selection
from refold.rows import Row
from refold.testing.contract import Place
from refold.testing.contract.sample import Noted, fact
from refold.testing.postgres import PostgresServer


class TestMemory(Tables):
    @pytest.fixture
    def place(self) -> Place:
        return Place(url="memory://", durable=False, sql=False)


class TestSqlite(Tables):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Place(url=f"sqlite:///{tmp_path}/store.db", durable=True, sql=True)


class TestPostgres(Tables):
    @pytest.fixture
    def place(self, postgres: PostgresServer) -> Iterator[Place]:
        url = postgres.new_database()
        yield Place(url=url, durable=True, sql=True)
        postgres.drop(url)


class Growing:
    """A backend to which an event is appended before each page is read."""

    def __init__(self, backend: Backend, store: Store) -> None:
        self._backend, self._store = backend, store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    async def read(self, selection: Selection) -> Sequence[Row]:
        self._store.append("a-1", [fact("later")])
        return await self._backend.read(selection)


def test_what_is_appended_while_a_table_is_made_is_not_in_it() -> None:
    everything = wanted(None, None, None, None, after=None, since=None, until=None, direction="forward", limit=None)
    with Store.open("memory://", events=[RawEvent]) as store:
        for n in range(3):
            store.append("a-1", [fact("first", n=n)] * PAGE)

        def within(backend: Backend) -> Coroutine[Any, Any, Gathered]:
            return gathered(cast("Backend", Growing(backend, store)), everything, "json")

        table = assembled(store._engine.outside(within))
        assert (table.num_rows, set(table.column("type").to_pylist())) == (3 * PAGE, {"first"})
        assert store.head() > 3 * PAGE


def test_journals_of_processes_are_in_a_table_only_if_they_are_asked_for() -> None:
    def nothing(_event: Recorded[Any], _seen: int) -> tuple[()]:
        return ()

    process: Process[Any, int] = Process("counting", int, nothing, lambda seen, _: seen + 1, events=(Noted,))
    with Store.open("sqlite:///:memory:") as store:
        for _ in range(2):
            store.append("note-1", [Noted("x")])
            store.process(process).catch_up()
        assert store.to_arrow().column("position").to_pylist() == [1, 4]
        assert store.to_arrow(limit=2).column("position").to_pylist() == [1, 4]
        assert store.to_arrow(journals=True).column("position").to_pylist() == [1, 2, 3, 4, 5]
        assert store.to_arrow(category="$process.counting").column("type").to_pylist() == [
            "$process.started", "$process.reacted", "$process.reacted",
        ]  # fmt: skip
