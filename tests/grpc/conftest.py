"""A store on each database that is shared by several processes, served to UmaDB's own client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.grpc.serving import Served, served

from refold import RawEvent, Store


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shop.db"
    return str(request.getfixturevalue("postgres").new_database())


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """The store, as Refold's own users have it: another connection than the server's."""
    with Store.open(url, events=[RawEvent]) as opened:
        yield opened


@pytest.fixture
def server(store: Store, url: str) -> Iterator[Served]:
    with served(url) as running:
        yield running


@pytest.fixture
def uma(server: Served) -> Any:
    """UmaDB's client."""
    return server.client()
