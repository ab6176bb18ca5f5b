"""A real server in this process, on a port of its own, for connections that last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.types import ASGIApp

from refold.http.serving import Place, _config, _Server


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncGenerator[tuple[httpx.AsyncClient, Any]]:
    """A client of the server, and the server."""
    started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = _Server(_config(app, Place("127.0.0.1", 0)), app, started.set_result)
    running = asyncio.create_task(server.serve())
    url = await asyncio.wait_for(started, 30)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        yield client, server
    server.should_exit = True
    await asyncio.wait_for(running, 30)
