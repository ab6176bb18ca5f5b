"""Concerts, served by Litestar: uvicorn examples.litestar_concerts.app:app."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from examples.concerts.evenings import evenings
from examples.concerts.rules import Announce, Concert, Refusal, ReturnSeats, TakeSeats, concerts
from litestar import Litestar, delete, get, post, put
from litestar.params import FromPath, JSONBody

from refold import AsyncStore
from refold.frameworks.litestar import IdempotencyKey, RefoldPlugin, RequestStore

URL = os.environ.get("CONCERTS", "sqlite:///concerts.db")


@put("/concerts/{id:str}", status_code=201)
async def announce(
    id: FromPath[str], data: JSONBody[Announce], store: RequestStore, key: IdempotencyKey = None
) -> Concert:
    return (await store.bind(concerts).handle(id, data, idempotency_key=key)).state


@get("/concerts/{id:str}")
async def show(id: FromPath[str], store: RequestStore) -> Concert:
    return await store.bind(concerts).state(id)


@post("/concerts/{id:str}/seats")
async def take(
    id: FromPath[str], data: JSONBody[TakeSeats], store: RequestStore, key: IdempotencyKey = None
) -> Concert:
    return (await store.bind(concerts).handle(id, data, idempotency_key=key)).state


@delete("/concerts/{id:str}/seats/{guest:str}", status_code=200)
async def give_back(id: FromPath[str], guest: FromPath[str], store: RequestStore) -> Concert:
    return (await store.bind(concerts).handle(id, ReturnSeats(guest))).state


@get("/guests/{guest:str}")
async def concerts_of(guest: FromPath[str], store: RequestStore) -> dict[str, int]:
    await store.wait_for(evenings, await store.head(), timeout=2)  # a guest who has just taken seats sees them
    rows = await store.query("select concert, seats from evenings where guest = :guest order by concert", guest=guest)
    return {str(concert): int(str(seats)) for concert, seats in rows}


async def opened() -> AsyncStore:
    return await AsyncStore.open(URL)


@asynccontextmanager
async def running(app: Litestar) -> AsyncGenerator[None]:
    async with app.state.refold.run(evenings):
        yield


app = Litestar(
    [announce, show, take, give_back, concerts_of], plugins=[RefoldPlugin(opened, Refusal)], lifespan=[running]
)
