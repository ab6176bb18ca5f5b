"""Concerts, served by FastAPI: uvicorn examples.fastapi_concerts.app:app."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from examples.concerts.evenings import evenings
from examples.concerts.rules import Announce, Concert, Refusal, ReturnSeats, TakeSeats, concerts
from fastapi import FastAPI

from refold import AsyncStore
from refold.frameworks.fastapi import IdempotencyKey, RequestStore, add_problems

URL = os.environ.get("CONCERTS", "sqlite:///concerts.db")


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, AsyncStore]]:
    async with await AsyncStore.open(URL) as store, store.run(evenings):
        yield {"refold": store}


app = FastAPI(title="Concerts", lifespan=lifespan)
add_problems(app, Refusal)


@app.put("/concerts/{id}", status_code=201)
async def announce(id: str, body: Announce, store: RequestStore, key: IdempotencyKey = None) -> Concert:
    return (await store.bind(concerts).handle(id, body, idempotency_key=key)).state


@app.get("/concerts/{id}")
async def show(id: str, store: RequestStore) -> Concert:
    return await store.bind(concerts).state(id)


@app.post("/concerts/{id}/seats", status_code=201)
async def take(id: str, body: TakeSeats, store: RequestStore, key: IdempotencyKey = None) -> Concert:
    return (await store.bind(concerts).handle(id, body, idempotency_key=key)).state


@app.delete("/concerts/{id}/seats/{guest}")
async def give_back(id: str, guest: str, store: RequestStore) -> Concert:
    return (await store.bind(concerts).handle(id, ReturnSeats(guest))).state


@app.get("/guests/{guest}")
async def concerts_of(guest: str, store: RequestStore) -> dict[str, int]:
    await store.wait_for(evenings, await store.head(), timeout=2)  # a guest who has just taken seats sees them
    rows = await store.query("select concert, seats from evenings where guest = :guest order by concert", guest=guest)
    return {str(concert): int(str(seats)) for concert, seats in rows}
