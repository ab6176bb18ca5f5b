"""One command, served by FastAPI and by Litestar in the same way, and whatever may go wrong upon it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from examples.concerts.rules import Announce, Concert, Refusal, concerts
from fastapi import FastAPI
from litestar import Litestar, put
from litestar.params import FromPath, JSONBody

from refold import AsyncStore
from refold.frameworks import fastapi, litestar


def by_fastapi(url: str, first: Callable[[], object]) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, object]]:
        async with await AsyncStore.open(url) as store:
            yield {"refold": store}

    app = FastAPI(lifespan=lifespan)
    fastapi.add_problems(app, Refusal)

    async def announce(
        id: str, body: Announce, store: fastapi.RequestStore, key: fastapi.IdempotencyKey = None
    ) -> Concert:
        first()
        return (await store.bind(concerts).handle(id, body, idempotency_key=key)).state

    announce.__annotations__ |= {"store": fastapi.RequestStore, "key": fastapi.IdempotencyKey, "body": Announce}
    app.put("/{id}")(announce)
    return app


def by_litestar(url: str, first: Callable[[], object]) -> Litestar:
    async def opened() -> AsyncStore:
        return await AsyncStore.open(url)

    @put("/{id:str}")
    async def announce(
        id: FromPath[str],
        data: JSONBody[Announce],
        store: litestar.RequestStore,
        key: litestar.IdempotencyKey = None,
    ) -> Concert:
        first()
        return (await store.bind(concerts).handle(id, data, idempotency_key=key)).state

    return Litestar(
        [announce], plugins=[litestar.RefoldPlugin(opened, Refusal)], openapi_config=None, logging_config=None
    )


SERVED: dict[str, Callable[[str, Callable[[], object]], Any]] = {"fastapi": by_fastapi, "litestar": by_litestar}
