"""Lets failures of the contract read as those of your own tests do, and knows its markers.

pytest_plugins = ["refold.testing.pytest_plugin"]   # in conftest.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from refold.testing.nats import NatsNode, nats_cluster, nats_server
from refold.testing.postgres import PostgresServer, postgres_server

pytest.register_assert_rewrite("refold.testing.contract")


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest the contract's markers."""
    config.addinivalue_line(
        "markers", "guarantee(id): the numbered promise of Refold's documentation that a test keeps"
    )


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL server for the whole run; `postgres.new_database()` gives the URL of an empty database."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def nats() -> Iterator[str]:
    """The URL of a real nats-server with JetStream, for the whole run."""
    with nats_server() as url:
        yield url


@pytest.fixture(scope="session")
def nats_nodes() -> Iterator[Sequence[NatsNode]]:
    """Three real nats-servers that are one cluster, for the whole run; whoever stops one starts it again."""
    with nats_cluster() as nodes:
        yield nodes
