"""The PostgreSQL backend keeps the contract, on a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.postgres.emptied import Emptied

from refold.testing.contract import Place, StoreContract


class TestPostgres(StoreContract):
    @pytest.fixture
    def place(self, emptied: Emptied) -> Iterator[Place]:
        yield Place(url=emptied.url, durable=True, sql=True)
        emptied.empty()
