"""A client leaves a server that is of no use, whatever becomes of its connection there."""

from __future__ import annotations

import asyncio

import pytest
from nats.aio.client import Client

from refold.backends.nats import connecting
from refold.backends.nats.connecting import LEAD, READ, Connection
from refold.backends.nats.location import NatsLocation

pytestmark = [pytest.mark.guarantee("G26")]


async def _unheard(_: object) -> None: ...


async def test_a_client_moves_again_and_again_though_old_connections_do_not_close(
    nats: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stuck(_: Client) -> None:
        await asyncio.Event().wait()

    close, port = Client.close, nats.rpartition(":")[2]
    servers = [f"nats://{host}:{port}" for host in ("127.0.0.1", "localhost")]
    connection = Connection(NatsLocation.parse(f"nats://127.0.0.1:{port},localhost:1/x"), _unheard)
    used: list[Client] = []

    async def connected(_: object) -> Client:
        client = Client()
        await client.connect(servers)
        used.append(client)
        return client

    monkeypatch.setattr(connection, "_connected", connected)
    monkeypatch.setattr(connecting, "CLOSING", 0.01)
    monkeypatch.setattr(connecting, "USELESS", -1.0)
    await connection.open()
    monkeypatch.setattr(Client, "close", stuck)
    for _ in range(2):
        await connection.judge(READ, answered=True)  # a server that is cut off answers some questions
        await asyncio.wait_for(connection.judge(LEAD, answered=False), 5)
    assert connection.client is used[2]
    for client in used:
        await close(client)
