"""The SQLite backend keeps the contract, on a file and in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from refold.testing.contract import Place, StoreContract
from refold.testing.contract.appending import Appending
from refold.testing.contract.conditions import Conditions
from refold.testing.contract.deciding import Deciding
from refold.testing.contract.projecting import Projecting
from refold.testing.contract.racing import Racing
from refold.testing.contract.reading import Reading
from refold.testing.contract.repeating import Repeating
from refold.testing.contract.subscribing import Subscribing
from refold.testing.contract.together import Together


class TestSqliteFile(StoreContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Place(url=f"sqlite:///{tmp_path}/store.db", durable=True, sql=True)


class _InMemory:
    @pytest.fixture
    def place(self) -> Place:
        return Place(url="sqlite:///:memory:", durable=False, sql=True)


class TestSqliteInMemory(
    _InMemory, Appending, Conditions, Deciding, Projecting, Racing, Reading, Repeating, Subscribing, Together
):
    """What one connection for all could do otherwise than a file; the rest is the same code."""


@pytest.mark.long
class TestSqliteInMemoryWhole(_InMemory, StoreContract):
    """All of it."""
