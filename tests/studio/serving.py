"""A Studio that is served on a thread of its own, for a browser to look at while the test writes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount

from refold import AsyncStore, RawEvent
from refold.http.serving import Place, _config, _Server
from refold.studio import Studio, studio


class Served:
    """Where it is, and the Studio itself."""

    url: str
    page: Studio

    def __init__(self) -> None:
        self.started = threading.Event()
        self.error: BaseException | None = None
        self.stop: Callable[[], object] = lambda: None


@contextmanager
def served_apart(url: str, prefix: str = "", **options: Any) -> Generator[Served]:
    """The Studio of the store at `url`, below `prefix`."""
    served = Served()
    thread = threading.Thread(target=_run, args=(served, url, prefix, options), daemon=True)
    thread.start()
    assert served.started.wait(30)
    if served.error is not None:
        raise served.error
    try:
        yield served
    finally:
        served.stop()
        thread.join(30)
        assert not thread.is_alive()


def _run(served: Served, url: str, prefix: str, options: dict[str, Any]) -> None:
    try:
        asyncio.run(_serve(served, url, prefix, options))
    except BaseException as error:
        served.error = error
        served.started.set()


async def _serve(served: Served, url: str, prefix: str, options: dict[str, Any]) -> None:
    async with await AsyncStore.open(url, events=[RawEvent]) as store:
        served.page = studio(store, **options)
        app = Starlette(routes=[Mount(prefix, served.page)]) if prefix else served.page

        def told(at: str) -> None:
            served.url = at + prefix
            served.started.set()

        server = _Server(_config(app, Place("127.0.0.1", 0)), served.page, told)
        loop = asyncio.get_running_loop()

        def stop() -> None:
            server.should_exit = True

        served.stop = lambda: loop.call_soon_threadsafe(stop)
        await server.serve()
