"""A store behind the Studio: in this process for what answers at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import httpx
import pytest
from tests.http.desk import Add, app, notes, reminders
from tests.http.desk import carts as desk

from refold import AsyncStore, RawEvent
from refold.studio import studio

Client: TypeAlias = httpx.AsyncClient
Open: TypeAlias = Callable[..., Client]
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
JSON = {"Accept": "application/json"}


@pytest.fixture
def where() -> str:
    """The URL of the store."""
    return "sqlite:///:memory:"


@pytest.fixture
async def store(where: str) -> AsyncIterator[AsyncStore]:
    async with await AsyncStore.open(where, events=[RawEvent]) as opened:
        yield opened


@pytest.fixture
async def opened(store: AsyncStore) -> AsyncIterator[Open]:
    """Opens the Studio of the store, with these options of `studio`."""
    clients: list[Client] = []

    def client(**options: Any) -> Client:
        given: dict[str, Any] = {"app": app, "hosts": ["shop"], **options}
        served = studio(store, **given)
        transport = httpx.ASGITransport(served, raise_app_exceptions=False)
        clients.append(httpx.AsyncClient(transport=transport, base_url="http://shop", headers=HTML))
        return clients[-1]

    yield client
    for each in clients:
        await each.aclose()


@pytest.fixture
def client(opened: Open) -> Client:
    """To look at."""
    return opened()


async def carts(store: AsyncStore, *, fill: int = 3) -> None:
    """Some carts, with things in them."""
    bound = store.context(actor="ada").bind(desk)
    for number in range(1, fill + 1):
        for qty in range(1, number + 1):
            await bound.handle(f"c-{number}", Add(f"b-{qty}", qty))


async def noted(store: AsyncStore, *texts: str) -> None:
    """Notes in two carts; what has a bracket in it cannot be taken in."""
    for number, text in enumerate(texts):
        await store.append(f"cart-n-{number % 2}", [RawEvent("cart.noted", {"note": text})])


async def run_through(store: AsyncStore) -> None:
    """Let runners do what there is to do."""
    async with store.run(notes, reminders, desk), asyncio.timeout(30):
        while not await _is_done(store):  # noqa: ASYNC110 - a runner's work
            await asyncio.sleep(0.01)


async def _is_done(store: AsyncStore) -> bool:
    found = await store.projections()
    return len(found) == 2 and not any(each.lag for each in found)
