"""The servers that come with refold.testing are real, speak their protocols, and go when they are no longer needed."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import psycopg
import pytest

from refold.testing.nats import nats_server
from refold.testing.postgres import PostgresServer, postgres_server


def test_a_nats_server_greets_with_jetstream(nats: str) -> None:
    with socket.create_connection(("127.0.0.1", urlsplit(nats).port or 0), 5) as connection:
        greeting = connection.recv(4_096).decode()
    info = json.loads(greeting.removeprefix("INFO "))
    assert (info["jetstream"], int(info["version"].split(".")[1]) >= 12) == (True, True)


def test_a_nats_server_is_gone_afterwards() -> None:
    with nats_server() as url:
        port = urlsplit(url).port or 0
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), 1)


def test_a_postgresql_server_gives_empty_databases_and_drops_them(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "select count(*) from pg_class where relnamespace = 'public'::regnamespace"
        ).fetchone()
        assert found == (0,)
    postgres.drop(url)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


def test_a_given_server_is_taken_instead(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFOLD_TEST_POSTGRES", postgres.url())
    with postgres_server() as given:
        assert given.url() == postgres.url()
