"""Empty stores of every backend for a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.copying.places import Places

from refold.testing.postgres import PostgresServer


@pytest.fixture
def places(tmp_path: Path, postgres: PostgresServer, nats: str) -> Iterator[Places]:
    """Opens empty stores, and closes them."""
    databases: list[str] = []

    def new_database() -> str:
        databases.append(postgres.new_database())
        return databases[-1]

    places = Places(tmp_path, new_database, nats)
    yield places
    places.close()
    for database in databases:
        postgres.drop(database)
