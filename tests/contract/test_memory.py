"""The memory backend keeps the contract: it is the reference, so this shows that the contract asks for what is there."""

from __future__ import annotations

import pytest

from refold.testing.contract import Place, StoreContract


class TestMemory(StoreContract):
    @pytest.fixture
    def place(self) -> Place:
        return Place(url="memory://", durable=False, sql=False)
