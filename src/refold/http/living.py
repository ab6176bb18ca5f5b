"""What lives as long as the application: it is told that it begins and ends, and the stores of tenants that were asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.types import Receive, Send

from refold.aio import AsyncStore
from refold.http.access import Access


async def until_shutdown(receive: Receive, send: Send, close: Callable[[], Awaitable[None]]) -> None:
    """Answer the lifespan messages of ASGI, and close at the end."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await close()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


class Tenants:
    """A store, and those of its tenants, each opened once."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self._opened: dict[str, AsyncStore] = {}

    async def of(self, access: Access) -> AsyncStore:
        """The store that a caller sees."""
        if access.tenant is None:
            return self._store
        if access.tenant not in self._opened:
            self._opened[access.tenant] = await self._store.tenant(access.tenant)
        return self._opened[access.tenant]
