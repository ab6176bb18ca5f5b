"""OpenTelemetry is told of stores on every backend, by both faces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.postgres.emptied import Emptied
from tests.telemetry.observing import Observed, ObservedModels

from refold.testing.contract import Place


class TestMemory(Observed):
    @pytest.fixture
    def place(self) -> Place:
        return Place(url="memory://", durable=False, sql=False)


class TestSqlite(ObservedModels):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Place(url=f"sqlite:///{tmp_path}/store.db", durable=True, sql=True)


class TestPostgres(ObservedModels):
    @pytest.fixture
    def place(self, emptied: Emptied) -> Iterator[Place]:
        yield Place(url=emptied.url, durable=True, sql=True)
        emptied.empty()
