"""Serve the Studio alone: to this machine, and to whoever has the link."""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_hex

from starlette.requests import Request

from refold.aio import AsyncStore
from refold.app import App
from refold.http.access import EVERYTHING, Access
from refold.http.serving import Place, serve_application
from refold.messages import RawEvent
from refold.studio.application import studio
from refold.studio.sessions import OneTime


async def serve(
    url: str, place: Place, *, app: App | None = None, archive: str | None = None, operator: str | None = None, name: str = "",
    told: Callable[[str], None] = lambda _: None,
) -> None:  # fmt: skip
    """Serve it until SIGINT or SIGTERM. `told` is called with the link; `operator`: in whose name it may change something.

    Raises:
        UsageError: the port cannot be had.
    """

    async def whoever_has_the_link(_: Request) -> Access:
        return Access(operator or "studio", EVERYTHING)

    async with await AsyncStore.open(url, events=[RawEvent], archive=archive) as store:
        page = studio(store, app=app, authorize=whoever_has_the_link, read_only=operator is None, name=name)
        await page.tally.ready()
        # Cookies know no ports: the name keeps several Studios on one machine apart.
        locked = OneTime(page, f"refold-studio-{token_hex(4)}")
        await serve_application(locked, place, lambda at: told(f"{at}/?token={locked.token}"))
