"""Serve: the service on a port, by itself or beside the HTTP API of the same store."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
import grpc.aio

from refold.aio import AsyncStore
from refold.app import App
from refold.errors import UsageError
from refold.http.quotas import Quotas
from refold.http.serving import Place, checked_place
from refold.http.tokens import TokenBearers
from refold.messages import RawEvent
from refold.rpc.health import Health
from refold.rpc.service import LOOK_AFTER, Service

_PATIENCE: Final = 10
"""Seconds for which calls that are under way are waited for."""


async def serve(
    url: str, place: Place, *, app: App | None = None, archive: str | None = None, quotas: Quotas | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> None:  # fmt: skip
    """Serve a store until SIGINT or SIGTERM. `told` is called with the URL as soon as calls are taken.

    Raises:
        UsageError: there is no token, and others than this machine could call; or the port cannot be had.
    """
    async with (
        await AsyncStore.open(url, events=[RawEvent], archive=archive) as store,
        listening(store, place, app=app, quotas=quotas, told=told),
    ):
        await _until_told()


@asynccontextmanager
async def listening(
    store: AsyncStore, place: Place, *, app: App | None = None, quotas: Quotas | None = None,
    told: Callable[[str], None] = lambda _: None, look_after: float = LOOK_AFTER,
) -> AsyncGenerator[Service]:  # fmt: skip
    """The service at a place, as long as the block lasts; open the store with `RawEvent` among its events.

    `app`: whose classes the events that come must fit. `look_after`: seconds after which it is looked whether who follows may
    still read. At the end, who follows is let go, and what is under way finished.

    Raises:
        UsageError: as `serve`.
    """
    await checked_place(store, place, "--grpc 127.0.0.1:50051")
    bearers = TokenBearers(store, open_without=place.is_local)
    service = Service(store, app=app, bearers=bearers, quotas=quotas, look_after=look_after)
    health = Health(store, service.quotas)
    server = grpc.aio.server(handlers=[*service.handlers(), *health.handlers()], options=_options(service.quotas))
    port = _bound(server, place)
    await server.start()
    told(f"{'https' if place.certificate else 'http'}://{_host(place)}:{port}")
    try:
        yield service
    finally:
        health.close()
        await service.close()
        await server.stop(_PATIENCE)


def _options(quotas: Quotas) -> list[tuple[str, Any]]:
    """Clients of UmaDB ask every five seconds whether the connection stands, also when nothing goes over it."""
    return [
        ("grpc.max_receive_message_length", quotas.body_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
        ("grpc.http2.max_ping_strikes", 0),
    ]


def _bound(server: grpc.aio.Server, place: Place) -> int:
    """The port, taken."""
    address = f"{_host(place)}:{place.port}"
    try:
        if place.certificate is None or place.key is None:
            port = server.add_insecure_port(address)
        else:
            pair = place.key.read_bytes(), place.certificate.read_bytes()
            port = server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
    except RuntimeError:
        port = 0
    if not port:
        raise UsageError(f"{address} cannot be listened at. Take another.")
    return port


def _host(place: Place) -> str:
    return f"[{place.host}]" if ":" in place.host else place.host


async def _until_told() -> None:
    """Until SIGINT or SIGTERM."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, over.set)
    try:
        await over.wait()
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
