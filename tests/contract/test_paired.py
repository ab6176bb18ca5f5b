"""Events in one place, and their read models, timers and messages in a database: the pair keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.contract.test_nats import placed

from refold.testing.contract import Place, StoreContract
from refold.testing.contract.reacting import Reacting
from refold.testing.contract.sending import Sending
from refold.testing.contract.snapshotting import Snapshotting
from refold.testing.contract.timing import Timing
from refold.testing.postgres import PostgresServer


class TestNatsWithSqlite(Reacting, Timing, Sending):
    """What must happen with the checkpoint, where there is no transaction that could hold both."""

    @pytest.fixture
    def place(self, nats: str, tmp_path: Path) -> Iterator[Place]:
        yield from placed(nats.removeprefix("nats://"), f"sqlite:///{tmp_path}/models.db")


@pytest.mark.long
class TestNatsWithPostgres(Reacting, Timing):
    """The same where a transaction awaits."""

    @pytest.fixture
    def place(self, nats: str, postgres: PostgresServer) -> Iterator[Place]:
        models = postgres.new_database()
        yield from placed(nats.removeprefix("nats://"), models)
        postgres.drop(models)


class _PostgresWithSqlite:
    """Positions have no holes here, and some tests count on that."""

    @pytest.fixture
    def place(self, postgres: PostgresServer, tmp_path: Path) -> Iterator[Place]:
        events = postgres.new_database()
        models = quote(f"sqlite:///{tmp_path}/models.db")
        yield Place(
            url=f"{events}{'&' if '?' in events else '?'}models={models}", durable=True, sql=True, together=False
        )
        postgres.drop(events)


class TestPostgresWithSqlite(_PostgresWithSqlite, Snapshotting):
    """What is kept of the events' places."""


@pytest.mark.long
class TestPostgresWithSqliteWhole(_PostgresWithSqlite, StoreContract):
    """All of it."""
