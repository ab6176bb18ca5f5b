"""A client leaves a server that is of no use, whatever becomes of its connection there."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from refold.backends.nats import connecting
from refold.backends.nats.answering import Rejected, Silent
from refold.backends.nats.connecting import LEAD, READ, WRITE, Connection
from refold.backends.nats.location import NatsLocation
from refold.backends.nats.stored import Message
from refold.backends.nats.wire import Wire

pytestmark = [pytest.mark.guarantee("G26")]


async def _unheard(_: object) -> None: ...


def _allowed(_: object) -> None: ...


async def test_a_client_moves_again_and_again_though_old_connections_do_not_close(
    nats: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stuck(_: Client) -> None:
        await asyncio.Event().wait()

    close, port = Client.close, nats.rpartition(":")[2]
    servers = [f"nats://{host}:{port}" for host in ("127.0.0.1", "localhost")]
    connection = Connection(NatsLocation.parse(f"nats://127.0.0.1:{port},localhost:1/x"), _unheard, _allowed)
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


async def test_servers_at_the_same_port_of_several_machines_are_different_ones(
    nats: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "USELESS", -1.0)
    port = nats.rpartition(":")[2]
    connection = Connection(NatsLocation.parse(f"nats://127.0.0.1:{port},localhost:{port}/x"), _unheard, _allowed)
    await connection.open()
    first, was = connection.client, connection.client.connected_url
    await connection.judge(LEAD, answered=False)
    now = connection.client.connected_url
    await connection.close()
    assert connection.client is not first
    assert was is not None
    assert now is not None
    assert {was.hostname, now.hostname} == {"127.0.0.1", "localhost"}


@pytest.mark.parametrize(
    ("code", "judged"),
    [(10008, [(LEAD, False), (WRITE, False)]), (10037, [(LEAD, True)]), (None, [(LEAD, True), (WRITE, True)])],
    ids=["nobody leads", "refused", "done"],
)
async def test_a_server_that_only_says_that_nobody_leads_is_of_no_use(
    monkeypatch: pytest.MonkeyPatch, code: int | None, judged: list[tuple[str, bool]]
) -> None:
    wire, told = Wire(NatsLocation.parse("nats://127.0.0.1/x")), list[tuple[str, bool]]()
    answer = {"seq": 1} if code is None else {"error": {"err_code": code, "description": "no"}}

    async def answered(_: str, __: bytes, reply: str, ___: object) -> None:
        await wire._heard(Msg(Client(), subject=reply, data=json.dumps(answer).encode()))

    async def judge(kind: str, *, answered: bool) -> None:
        told.append((kind, answered))

    monkeypatch.setattr(wire._connection.client, "publish", answered)
    monkeypatch.setattr(wire._connection, "judge", judge)
    for ask in (wire.api("STREAM.INFO.x", {}), wire.write([Message("x", b"", {})])):
        with suppress(Silent, Rejected):
            await ask
    assert told == judged
