"""A database of the application's for each test, of both kinds, and a store beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from tests.integrations.shop import EVENTS, engine_at

from refold import Store
from refold.testing.postgres import PostgresServer


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/reports.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.new_database()
    yield url
    server.drop(url)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """The database, with the application's tables."""
    engine = engine_at(url)
    yield engine
    engine.dispose()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of the shop's events."""
    with Store.open(f"sqlite:///{tmp_path}/store.db?durability=best-effort", events=EVENTS) as store:
        yield store
