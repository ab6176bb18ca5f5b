"""The PostgreSQL backend keeps the contract, on a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from refold.testing.contract import Place, StoreContract
from refold.testing.postgres import PostgresServer


class TestPostgres(StoreContract):
    @pytest.fixture
    def place(self, postgres: PostgresServer) -> Iterator[Place]:
        url = postgres.new_database()
        yield Place(url=url, durable=True, sql=True)
        postgres.drop(url)
