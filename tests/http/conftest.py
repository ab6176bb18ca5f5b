"""A store that is served: in this process for what answers at once, by a server for what lasts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import httpx
import pytest
from tests.http.desk import app

from refold import AsyncStore, RawEvent
from refold.http import Authorize, anyone, api

Client: TypeAlias = httpx.AsyncClient
Serve: TypeAlias = Callable[..., Client]


@pytest.fixture
async def store() -> AsyncIterator[AsyncStore]:
    async with await AsyncStore.open("sqlite:///:memory:", events=[RawEvent]) as opened:
        yield opened


@pytest.fixture
async def serve(store: AsyncStore) -> AsyncIterator[Serve]:
    """Serves the store with these options of `api`."""
    clients: list[Client] = []

    def client(authorize: Authorize | None = anyone, **options: object) -> Client:
        served = api(store, authorize=authorize, **{"app": app, **options})  # type: ignore[arg-type]
        transport = httpx.ASGITransport(served, raise_app_exceptions=False)
        clients.append(httpx.AsyncClient(transport=transport, base_url="http://shop"))
        return clients[-1]

    yield client
    for each in clients:
        await each.aclose()


@pytest.fixture
def client(serve: Serve) -> Client:
    """The shop, open to everybody."""
    return serve()


def added(sku: str = "b-1", qty: int = 1) -> dict[str, Any]:
    """An event of a cart, as it comes."""
    return {"type": "cart.item-added", "data": {"sku": sku, "qty": qty}}


def stone(number: int) -> dict[str, Any]:
    """An event that no class is known for."""
    return {"type": "stone", "data": {"number": number}}
