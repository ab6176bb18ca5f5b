"""The history of the shop, locked once for all tests."""

from __future__ import annotations

import pytest
from tests.schema.shops import history_of

from refold.schema.lock import Lock


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Lock:
    return history_of(tmp_path_factory.mktemp("shop"))
