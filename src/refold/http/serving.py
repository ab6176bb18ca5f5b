"""Serve: the API on a port, until a signal says otherwise; then who follows is let go, and what is under way is finished."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import stat
from collections.abc import Callable, Collection, Generator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET, AF_INET6, create_server, socket
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

from refold.aio import AsyncStore
from refold.app import App
from refold.errors import MissingExtra, UsageError
from refold.http.application import api
from refold.http.guarding import LOOPBACK
from refold.http.quotas import Quotas
from refold.http.tokens import TOKENS, TokenBearers
from refold.messages import RawEvent

try:
    import uvicorn
except ImportError as error:
    raise MissingExtra("uvicorn", "http") from error

_PATIENCE: Final = 10
"""Seconds for which requests that are under way are waited for."""
_PROXIES: Final = "FORWARDED_ALLOW_IPS"
"""The variable of uvicorn's that names the proxies which tell from where a request comes."""

Beside: TypeAlias = Callable[[AsyncStore], AbstractAsyncContextManager[object]]
"""What is served as long as its block lasts."""


def nothing_beside(_: AsyncStore) -> AbstractAsyncContextManager[object]:
    """Nothing."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Place:
    """Where to listen, and with which certificate, if the connections are to be encrypted here.

    `behind_proxy`: what stands before it encrypts, on another machine.
    """

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        return self.host in LOOPBACK


async def serve(
    url: str, place: Place, *, app: App | None = None, archive: str | None = None, cors: Collection[str] = (),
    quotas: Quotas | None = None, told: Callable[[str], None] = lambda _: None, beside: Beside = nothing_beside,
) -> None:  # fmt: skip
    """Serve a store until SIGINT or SIGTERM. `told` is called with the URL as soon as requests are taken.

    `beside`: what else is served of the store meanwhile.

    Raises:
        UsageError: others than this machine could ask, and there is no token, or nothing encrypts; or the port cannot be had.
    """
    async with await AsyncStore.open(url, events=[RawEvent], archive=archive) as store:
        has_tokens = await checked_place(store, place, "--http 127.0.0.1:8137")
        bearers = TokenBearers(store, open_without=place.is_local)
        hosts = LOOPBACK if place.is_local and not has_tokens else None
        served = api(store, app=app, authorize=bearers, quotas=quotas, cors=cors, hosts=hosts)
        with _listening(place) as listening:
            async with beside(store):
                await _Server(_config(served, place), served, told).run_until_told(listening)


async def checked_place(store: AsyncStore, place: Place, local: str) -> bool:
    """Whether the store has tokens.

    Raises:
        UsageError: others than this machine could ask, and it has none, or what they send is not encrypted; `local` is the option
            that keeps them out. Or others than its owner can read the key.
    """
    has_tokens = await _has_tokens(store)
    if not has_tokens and not place.is_local:
        raise UsageError(
            f"nobody is served at {place.host!r} while the store has no token, since everybody would be let in: "
            f"create one, `refold token create NAME --scope read`, or take {local}."
        )
    if not place.is_local and place.certificate is None and not place.behind_proxy:
        raise UsageError(
            f"nobody is served at {place.host!r} without encryption, since tokens could be read on their way: give --certificate "
            f"and --key, or take {local} and let a proxy on this machine encrypt. If one elsewhere does, say --behind-proxy."
        )
    if place.key is not None:
        _check_private(place.key)
    return has_tokens


def _check_private(key: Path) -> None:
    try:
        mode = key.stat().st_mode
    except OSError as error:
        raise UsageError(f"the key {str(key)!r} cannot be read: {error.strerror}.") from error
    if os.name == "posix" and mode & (stat.S_IROTH | stat.S_IWOTH):
        raise UsageError(
            f"the key {str(key)!r} can be read by everybody on this machine: chmod 600 {shlex.quote(str(key))}, or 640 for a "
            "group."
        )


async def _has_tokens(store: AsyncStore) -> bool:
    async for _ in store.read(category=TOKENS, limit=1):
        return True
    return False


@runtime_checkable
class Closes(Protocol):
    """Has those to let go who follow."""

    async def close(self) -> None: ...


async def serve_application(served: Any, place: Place, told: Callable[[str], None]) -> None:  # noqa: ANN401 - an ASGI application
    """Serve an application until SIGINT or SIGTERM. `told` is called with the URL as soon as requests are taken.

    Raises:
        UsageError: the port cannot be had.
    """
    with _listening(place) as listening:
        await _Server(_config(served, place), served, told).run_until_told(listening)


def _listening(place: Place) -> socket:
    """The port, taken."""
    family = AF_INET6 if ":" in place.host else AF_INET
    try:
        return create_server((place.host, place.port), family=family, backlog=2_048)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise UsageError(f"{place.host}:{place.port} cannot be listened at: {why}. Take another.") from error


def _config(served: Any, place: Place) -> uvicorn.Config:  # noqa: ANN401 - an ASGI application
    return uvicorn.Config(
        served,
        place.host,
        place.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=_PROXIES
        in os.environ,  # who says from where they come is believed only if somebody has named them
        ssl_certfile=place.certificate,
        ssl_keyfile=place.key,
        timeout_graceful_shutdown=_PATIENCE,
    )


class _Server(uvicorn.Server):
    """uvicorn's, which leaves signals to us, and lets those go who follow before it waits for what is under way."""

    def __init__(self, config: uvicorn.Config, served: Any, told: Callable[[str], None]) -> None:  # noqa: ANN401
        super().__init__(config)
        self._served, self._told = served, told

    async def run_until_told(self, listening: socket) -> None:
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            await self.serve([listening])
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Nothing: a signal is a wish here, and not an error afterwards."""
        yield

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            listening = self.servers[0].sockets[0].getsockname()
            scheme = "https" if self.config.is_ssl else "http"
            host = f"[{listening[0]}]" if ":" in listening[0] else listening[0]
            self._told(f"{scheme}://{host}:{listening[1]}")

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        inner = self._served
        if not isinstance(inner, Closes):
            inner = getattr(inner, "app", inner)  # CORS stands around it
        if isinstance(inner, Closes):
            await inner.close()
        await super().shutdown(sockets)
