"""The connection to a server: one of those that are named, and another when it is of no use any more."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, TypeAlias, cast
from urllib.parse import ParseResult, SplitResult, unquote, urlsplit

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from refold.backends.nats.location import NatsLocation
from refold.backends.nats.securing import SecuredClient, check_credentials, is_hopeless, kept_out
from refold.errors import StoreError, StoreUnreachable

CONNECTING: Final = 5.0
RECONNECT: Final = 0.05
USELESS: Final = 3.0
"""Seconds without an answer after which another server is gone to."""
CLOSING: Final = 2.0
READ, LEAD, WRITE = "read", "lead", "write"
"""Kinds of questions: any replica answers the first, even one that is cut off; the others need a leader."""

_FORBIDDEN: Final = re.compile(r'permissions violation for (publish|subscription) to "([^"]+)"')
_PORT: Final = 4222

Heard: TypeAlias = Callable[[Msg], Awaitable[None]]
Forbidden: TypeAlias = Callable[[str], None]


class Opening:
    """What goes wrong while a connection is made; after that, what goes wrong is passed on."""

    def __init__(self, servers: int, told: Callable[[str], None]) -> None:
        self.is_over = False
        self._servers, self._told = servers, told
        self._deadline = time.monotonic() + CONNECTING
        self._failures: list[Exception] = []

    async def hear(self, error: Exception) -> None:
        """Take in an error of the client's. Raises it when as many servers as there are want no more of this, or time is over.

        A timeout around the client is not enough: before Python 3.12 `wait_for`, in which it waits, may swallow a cancellation.
        """
        if self.is_over:
            self._told(str(error))
            return
        self._failures.append(error)
        if len([*filter(is_hopeless, self._failures)]) >= self._servers or time.monotonic() > self._deadline:
            raise error

    def failed(self, error: Exception, shown: str) -> StoreUnreachable:
        """Why there is no connection."""
        if hopeless := [*filter(is_hopeless, [*self._failures, error])]:
            return kept_out(hopeless[-1], shown)
        last = self._failures[-1] if self._failures else error
        why = f"{type(last).__name__}: {last}".removesuffix(": ")
        silent = " One with handshake_first greets nobody but with ?tls=first." if "INFO" in why else ""
        return StoreUnreachable(f"no NATS server answers at {shown} ({why}): is one there?{silent}")


class Connection:
    """`client` speaks to a server; what comes in under `inbox` is `heard`.

    `forbidden` is told the subject that something may not be published to, in small letters, as the client gives it.
    """

    def __init__(self, location: NatsLocation, heard: Heard, forbidden: Forbidden) -> None:
        self._location, self._hear, self._forbidden = location, heard, forbidden
        self.client = Client()
        self.inbox = f"_INBOX.{secrets.token_hex(11)}"
        self._moving = asyncio.Lock()
        self._since: dict[str, float] = {}
        self._unheard: set[str] = set()

    async def open(self) -> None:
        """Connect. Raises `StoreUnreachable`, or `UsageError` for files that are not there."""
        check_credentials(self._location.credentials)
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

    async def listen(self, client: Client, subject: str, heard: Heard) -> Subscription:
        """Hear what is told at a subject from now on.

        Raises:
            StoreUnreachable: this user may not.
        """
        self._unheard.discard(subject.lower())
        found = await client.subscribe(subject, cb=heard, pending_msgs_limit=0, pending_bytes_limit=0)
        await client.flush()  # the client may send this before what it is to come after: so it is done twice
        await client.flush()
        if subject.lower() in self._unheard:
            raise StoreUnreachable(
                f"{self._location.shown} lets this user hear nothing at {subject!r}: give it the right to subscribe there."
            )
        return found

    async def _connected(self, servers: Sequence[str]) -> Client:
        tls, opening = self._location.tls, Opening(len(servers), self._told)
        client, (user, password, token) = SecuredClient() if tls else Client(), _login(servers[0])
        try:
            async with asyncio.timeout(CONNECTING):
                await client.connect(
                    list(servers),
                    error_cb=opening.hear,
                    connect_timeout=2,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=cast("int", RECONNECT),  # it sleeps for so long
                    user_credentials=self._location.credentials,
                    user=user,
                    password=password,
                    token=token,
                    tls=tls.context() if tls else None,
                    tls_handshake_first=bool(tls and tls.first),
                )
                opening.is_over = True
                await self.listen(client, f"{self.inbox}.*", self._hear)
        except (NatsError, OSError, TimeoutError) as error:
            await _hang_up(client)
            raise opening.failed(error, self._location.shown) from error
        except StoreError:
            await _hang_up(client)
            raise
        return client

    def _told(self, text: str) -> None:
        """Take in what the server forbids; all else the client mends by itself, and whoever asks is told by a time-out."""
        if not (found := _FORBIDDEN.search(text)):
            return
        if found[1] == "publish":
            self._forbidden(found[2])
        else:
            self._unheard.add(found[2])

    async def _move(self) -> None:
        """Leave a server that is there, but is of no use: it may be cut off from the others."""
        here, self._since = self.client.connected_url, {}
        others = [server for server in self._location.servers if here is None or _place(server) != _place(here)]
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


def _login(server: str) -> tuple[str | None, str | None, str | None]:
    """User, password and token as they are meant: the client takes them as they stand in a URL, where not every sign can."""
    parts = urlsplit(server)
    user, password = (text if text is None else unquote(text) for text in (parts.username, parts.password))
    return (None, None, user or None) if password is None else (user, password, None)


def _place(server: str | SplitResult | ParseResult) -> tuple[str | None, int]:
    parts = urlsplit(server) if isinstance(server, str) else server
    return parts.hostname, parts.port or _PORT
