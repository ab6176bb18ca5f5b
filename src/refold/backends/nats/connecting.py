"""The connection to a server: one of those that are named, and another when it is of no use any more."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, TypeAlias, cast
from urllib.parse import urlsplit

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from refold.backends.nats.location import NatsLocation
from refold.errors import StoreUnreachable

CONNECTING: Final = 5.0
RECONNECT: Final = 0.05
USELESS: Final = 3.0
"""Seconds without an answer after which another server is gone to."""
CLOSING: Final = 2.0
READ, LEAD, WRITE = "read", "lead", "write"
"""Kinds of questions: any replica answers the first, even one that is cut off; the others need a leader."""

Heard: TypeAlias = Callable[[Msg], Awaitable[None]]


class Connection:
    """`client` speaks to a server; what comes in under `inbox` is `heard`."""

    def __init__(self, location: NatsLocation, heard: Heard) -> None:
        self._location, self._hear = location, heard
        self.client = Client()
        self.inbox = f"_INBOX.{secrets.token_hex(11)}"
        self._moving = asyncio.Lock()
        self._since: dict[str, float] = {}

    async def open(self) -> None:
        """Connect. Raises `StoreUnreachable`."""
        self.client = await self._connected(self._location.servers)

    async def close(self) -> None:
        """Hang up."""
        await _hang_up(self.client)

    async def judge(self, kind: str, *, answered: bool) -> None:
        """Move when nothing of a kind was answered for a while, though something was asked."""
        if answered:
            self._since.pop(kind, None)
        elif time.monotonic() - self._since.setdefault(kind, time.monotonic()) > USELESS:
            await self._move()

    async def _connected(self, servers: Sequence[str]) -> Client:
        client = Client()
        try:
            async with asyncio.timeout(CONNECTING):
                await client.connect(
                    list(servers),
                    error_cb=_ignored,
                    connect_timeout=2,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=cast("int", RECONNECT),  # it sleeps for so long
                    user_credentials=self._location.credentials,
                )
                await client.subscribe(f"{self.inbox}.*", cb=self._hear, pending_msgs_limit=0, pending_bytes_limit=0)
        except (NatsError, OSError, TimeoutError) as error:
            await _hang_up(client)
            why = f"{type(error).__name__}: {error}".removesuffix(": ")
            raise StoreUnreachable(
                f"no NATS server answers at {self._location.shown} ({why}): is one there?"
            ) from error
        return client

    async def _move(self) -> None:
        """Leave a server that is there, but is of no use: it may be cut off from the others."""
        here, self._since = self.client.connected_url, {}
        others = [server for server in self._location.servers if here is None or urlsplit(server).port != here.port]
        if self._moving.locked() or not others:
            return
        async with self._moving:
            try:
                client = await self._connected(others)
            except StoreUnreachable:
                return
            old, self.client = self.client, client
            await _hang_up(old)


async def _hang_up(client: Client) -> None:
    """What a server does not take any more must hold up nobody."""
    with suppress(NatsError, OSError, TimeoutError):
        async with asyncio.timeout(CLOSING):
            await client.close()


async def _ignored(error: Exception) -> None:
    """The client finds another server by itself; whoever asks is told by a time-out."""
