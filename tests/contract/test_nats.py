"""The JetStream backend keeps the contract, on one real server and on three."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator, Sequence
from urllib.parse import quote
from uuid import uuid4

import nats as client
import pytest
from nats.js import JetStreamContext

from refold.testing.contract import Place, StoreContract
from refold.testing.contract.appending import Appending
from refold.testing.contract.conditions import Conditions
from refold.testing.contract.copying import Copying
from refold.testing.contract.data import Data
from refold.testing.contract.deciding import Deciding
from refold.testing.contract.keys import Keys
from refold.testing.contract.limits import Limited
from refold.testing.contract.names import Names
from refold.testing.contract.racing import Racing
from refold.testing.contract.reading import Reading
from refold.testing.contract.repeating import Repeating
from refold.testing.contract.subscribing import Subscribing
from refold.testing.contract.surveying import Surveying
from refold.testing.contract.together import Together
from refold.testing.contract.waiting import Waiting
from refold.testing.nats import NatsNode


def placed(servers: str, models: str = "") -> Generator[Place]:
    """A new store on these servers, with its read models in a database, if one is named."""
    name = f"t{uuid4().hex}"
    url = f"nats://{servers}/{name}" + (f"?models={quote(models)}" if models else "")
    yield Place(url=url, durable=True, sql=bool(models), together=False)
    asyncio.run(_dropped(servers, name))


async def _dropped(servers: str, name: str) -> None:
    """Take the store away, and its tenants: a stream that nobody uses still takes its share of every server."""
    connection = await client.connect([f"nats://{server}" for server in servers.split(",")])
    streams: JetStreamContext = connection.jetstream()
    for info in await streams.streams_info():
        found = info.config.name or ""
        if found == name or found.startswith(f"{name}__"):
            await streams.delete_stream(found)
    await connection.close()


class _OnOne:
    @pytest.fixture
    def place(self, nats: str) -> Iterator[Place]:
        yield from placed(nats.removeprefix("nats://"))


class TestNats(
    _OnOne, Appending, Conditions, Copying, Data, Deciding, Keys, Limited, Names, Racing, Reading, Repeating, Subscribing,
    Surveying, Together, Waiting,
):  # fmt: skip
    """What the port promises; what stands above it is the same code on every backend."""


@pytest.mark.long
class TestNatsWhole(_OnOne, StoreContract):
    """All of it."""


class _OnThree:
    @pytest.fixture
    def place(self, nats_nodes: Sequence[NatsNode]) -> Iterator[Place]:
        yield from placed(",".join(f"127.0.0.1:{node.port}" for node in nats_nodes))


class TestThreeNats(_OnThree, Keys, Racing, Repeating, Together):
    """What several servers could do otherwise than one: what is written, what is read after it, and what is refused."""


@pytest.mark.long
class TestThreeNatsWhole(_OnThree, StoreContract):
    """All of it."""
