"""A store that is served over gRPC in this process, and those who call it: UmaDB's client, and bytes that nobody should send."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from refold import AsyncStore, RawEvent
from refold.http.serving import Place
from refold.http.tokens import TOKEN, IssueToken, hashed, new_id, new_secret, written
from refold.rpc import listening
from refold.rpc.protocol import umadb_pb2 as pb

_sigint = signal.getsignal(signal.SIGINT)
umadb = pytest.importorskip("umadb", reason="UmaDB's client has a wheel for Linux on x86-64 alone")
signal.signal(signal.SIGINT, _sigint)  # it takes Ctrl-C for itself

TLS = Path(__file__).with_name("tls")
(TLS / "key.pem").chmod(0o600)  # git keeps no such modes
SECURE = Place("127.0.0.1", 0, TLS / "certificate.pem", TLS / "key.pem")
LOCAL = Place("127.0.0.1", 0)
ONE_BACKEND = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
"""For what does not depend on where the events are."""
EVERYWHERE = Place("0.0.0.0", 0, behind_proxy=True)  # noqa: S104 - who may be served there is what is tested
METHODS = ("Append", "Head", "GetTrackingInfo", "Read", "Subscribe")


class Served:
    """A server with a store of its own, on an event loop in a thread."""

    def __init__(self, url: str, place: Place = LOCAL, **options: Any) -> None:
        self.store_url, self.url, self.failed = url, "", list[BaseException]()
        self._place, self._options, self._ready = place, options, threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(60)
        if self.failed:
            raise self.failed[0]

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with (
                await AsyncStore.open(self.store_url, events=[RawEvent]) as store,
                listening(store, self._place, told=self._told, **self._options),
            ):
                self._ready.set()
                await self._over.wait()
        except BaseException as error:
            self.failed.append(error)
            self._ready.set()

    def _told(self, url: str) -> None:
        self.url = url

    def client(self, token: str | None = None) -> Any:
        """UmaDB's own."""
        if self.url.startswith("https:"):
            return umadb.Client(self.url, ca_path=str(TLS / "ca.pem"), api_key=token)
        return umadb.Client(self.url)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(60)
        assert not self._thread.is_alive()
        assert not self.failed, self.failed


@contextmanager
def served(url: str, place: Place = LOCAL, **options: Any) -> Generator[Served]:
    """The server, as long as the block lasts."""
    server = Served(url, place, **options)
    try:
        yield server
    finally:
        server.stop()


class Raw:
    """Who sends bytes, and is told a status."""

    def __init__(self, server: Served) -> None:
        host = server.url.partition("://")[2]
        if server.url.startswith("https:"):
            credentials = grpc.ssl_channel_credentials((TLS / "ca.pem").read_bytes())
            self.channel: Any = grpc.secure_channel(host, credentials)
        else:
            self.channel = grpc.insecure_channel(host)

    def call(
        self, method: str, body: bytes = b"", metadata: Iterable[tuple[str, str]] = (), *,
        service: str = "umadb.v1.DCB", seconds: float = 30,
    ) -> tuple[str, list[bytes]]:  # fmt: skip
        """The status, by its name, and what was answered within so many seconds."""
        path, given = f"/{service}/{method}", {"metadata": tuple(metadata), "timeout": seconds}
        if method in {"Read", "Subscribe", "Watch"}:
            return self._many(self.channel.unary_stream(path)(body, **given))
        try:
            return "OK", [self.channel.unary_unary(path)(body, **given)]
        except grpc.RpcError as error:
            return error.code().name, []

    def following(self, request: Message, count: int) -> list[list[int]]:
        """Where so many events stand that a subscription gives, by the batches in which they came."""
        found: list[list[int]] = []
        answers = self.channel.unary_stream("/umadb.v1.DCB/Subscribe")(request.SerializeToString(), timeout=30)
        while sum(map(len, found)) < count:
            found.append([event.position for event in pb.SubscribeResponse.FromString(next(answers)).events])
        answers.cancel()
        return found

    def _many(self, answers: Any) -> tuple[str, list[bytes]]:
        found: list[bytes] = []
        try:
            found.extend(answers)
        except grpc.RpcError as error:
            return error.code().name, found
        return "OK", found


@contextmanager
def raw(server: Served) -> Generator[Raw]:
    caller = Raw(server)
    try:
        yield caller
    finally:
        caller.channel.close()


async def issue(url: str, *scopes: str, tenant: str | None = None) -> tuple[str, str]:
    """A new token of a store: its id, and itself."""
    id, secret = new_id(), new_secret()
    async with await AsyncStore.open(url, events=[RawEvent]) as store:
        await store.bind(TOKEN).handle(id, IssueToken("somebody", hashed(secret), scopes, tenant, None))
    return id, written(id, secret)


def token(url: str, *scopes: str, tenant: str | None = None) -> str:
    return asyncio.run(issue(url, *scopes, tenant=tenant))[1]
