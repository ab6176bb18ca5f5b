"""The SQLite backend keeps the contract, on a file and in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from refold.testing.contract import Place, StoreContract


class TestSqliteFile(StoreContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Place(url=f"sqlite:///{tmp_path}/store.db", durable=True, sql=True)


class TestSqliteInMemory(StoreContract):
    @pytest.fixture
    def place(self) -> Place:
        return Place(url="sqlite:///:memory:", durable=False, sql=True)
