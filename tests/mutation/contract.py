"""The contract of the backends as it is put to mutants of `flows`: by one face, in memory, and on SQLite what needs SQL.

Named so that pytest runs it only if it is told to: in tests/contract the same tests run on both faces and every backend.
"""

from __future__ import annotations

import pytest

from refold.testing.contract import Place, StoreContract
from refold.testing.contract.base import Face
from refold.testing.contract.closing import ClosingBooks
from refold.testing.contract.forgetting import Forgetting
from refold.testing.contract.inlining import Inlining
from refold.testing.contract.receiving import Receiving
from refold.testing.contract.snapshotting import Snapshotting


class _OneFace:
    """Both go through the same flows, and so twice as many different tests have room."""

    @pytest.fixture
    def face(self) -> Face:
        return "AsyncStore"


class TestOnMemory(_OneFace, StoreContract):
    @pytest.fixture
    def place(self) -> Place:
        return Place(url="memory://", durable=False, sql=False)


class TestOnSqlite(_OneFace, ClosingBooks, Forgetting, Inlining, Receiving, Snapshotting):
    @pytest.fixture
    def place(self) -> Place:
        return Place(url="sqlite:///:memory:", durable=False, sql=True)
