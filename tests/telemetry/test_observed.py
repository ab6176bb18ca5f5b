"""OpenTelemetry is told of stores on every backend, by both faces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.telemetry.observing import Observed, ObservedModels

from refold.testing.contract import Place
from refold.testing.postgres import PostgresServer


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
    def place(self, postgres: PostgresServer) -> Iterator[Place]:
        url = postgres.new_database()
        yield Place(url=url, durable=True, sql=True)
        postgres.drop(url)
