"""What the proofs of the PostgreSQL backend share: a database for each test, and a second, younger server on TCP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.postgres.servers import TcpServer, tcp_server

from refold.testing.postgres import PostgresServer


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    """An empty database."""
    url = postgres.new_database()
    yield url
    postgres.drop(url)


@pytest.fixture(scope="session")
def tcp() -> Iterator[TcpServer]:
    """A server of its own that listens on 127.0.0.1, and can be stopped and started."""
    with tcp_server() as server:
        yield server
