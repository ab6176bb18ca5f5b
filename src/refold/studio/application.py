"""The application: lets in, finds the page, renders it for people or for programs, and closes what is open."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from refold.aio import AsyncStore
from refold.app import App
from refold.errors import RefoldError
from refold.forms import encode
from refold.http.access import Access, Authorize, anyone, forbidden
from refold.http.classes import Classes
from refold.http.guarding import LOOPBACK, check_named
from refold.http.living import until_shutdown
from refold.http.problems import Declined, answer_to, problem_of
from refold.http.routes import segments_of
from refold.studio import (
    auditing,
    catalogue,
    commands,
    events,
    finding,
    instances,
    letters,
    modelling,
    overview,
    projections,
    reviewing,
    statistics,
    steering,
    streams,
    tailing,
    traces,
    whatif,
)
from refold.studio.asking import JSON, Ask
from refold.studio.charting import Charts
from refold.studio.counting import Tally
from refold.studio.frame import frame_of
from refold.studio.guarding import HEADERS, check
from refold.studio.hues import Hues
from refold.studio.pages import KINDS, STATIC, Page, render
from refold.studio.routing import Route, route_of
from refold.studio.stored import as_stored
from refold.subscription import AsyncSubscription

HEARTBEAT: Final = 15.0
ROUTES: Final = (
    *overview.ROUTES, *tailing.ROUTES, *events.ROUTES, *streams.ROUTES, *whatif.ROUTES, *traces.ROUTES, *projections.ROUTES,
    *letters.ROUTES, *instances.ROUTES, *steering.ROUTES, *catalogue.ROUTES, *commands.ROUTES, *finding.ROUTES,
    *auditing.ROUTES, *modelling.ROUTES, *reviewing.ROUTES, *statistics.ROUTES,
)  # fmt: skip
_HTML: Final = "text/html"


class Studio:
    """An ASGI application that shows one store."""

    def __init__(
        self, store: AsyncStore, classes: Classes, authorize: Authorize,
        *, hosts: Collection[str], read_only: bool, name: str, heartbeat: float,
    ) -> None:  # fmt: skip
        self.store, self.classes, self.read_only, self.name, self.heartbeat = store, classes, read_only, name, heartbeat
        self.stored = as_stored(store)
        self.hues, self.tally, self.charts = Hues(), Tally(self.stored), Charts(self.stored)
        self.following: set[AsyncSubscription] = set()
        self._authorize, self._hosts = authorize, frozenset(hosts)

    @cached_property
    def app(self) -> App:
        """The application whose folds, projections and processes are shown."""
        return self.classes.app

    @staticmethod
    def segments(scope: Scope) -> tuple[str, ...]:
        """The parts of a path below where the Studio is mounted."""
        return segments_of(scope) or ("",)

    async def lets_in(self, request: Request) -> bool:
        """Whether who has asked this may still look."""
        access = await self._authorize(request)
        return access is not None and access.may("read")

    async def close(self) -> None:
        """End what is followed, so that a server can stop."""
        await self.tally.close()
        await self.charts.close()
        for each in tuple(self.following):
            await each.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await until_shutdown(receive, send, self.close)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1_000})
        else:
            response = await self._response(Request(scope, receive))
            response.headers.update(HEADERS)
            response.headers.setdefault("Cache-Control", "no-store")
            response.headers.append("Vary", "Accept")
            await response(scope, receive, send)

    async def _response(self, request: Request) -> Response:
        ask = Ask(self, request, {}, Access("nobody", ()), self.store)
        try:
            check(request, self._hosts)
            segments = self.segments(request.scope)
            if segments[0] == "static":
                return _file(request, segments[1:])
            access = await self._let_in(request)
            ask = Ask(self, request, {}, access, self.store.context(actor=access.name))
            route, variables = route_of(ROUTES, request.method, segments)
            self._check(route, access)
            ask = replace(ask, path=variables)
            return await self._rendered(ask, await route.handler(ask))
        except Exception as error:  # noqa: BLE001 - whatever it is, the reader is told
            return await self._told(ask, error)

    async def _let_in(self, request: Request) -> Access:
        access = await self._authorize(request)
        if access is None:
            raise Declined(401, "unauthorized", "the Studio does not know you: log in first.")
        if not access.may("read"):
            raise forbidden(access, "read everywhere")
        return access

    def _check(self, route: Route, access: Access) -> None:
        if route.writes and self.read_only:
            raise Declined(403, "read-only", "this Studio is for reading only.")
        if not access.may(route.action):
            raise forbidden(access, route.action)

    async def _rendered(self, ask: Ask, page: Page | Response) -> Response:
        if isinstance(page, Response):
            return page
        if ask.wants_json:
            return Response(encode({"schema": 1, **page.data}), page.status, dict(page.headers), media_type=JSON)
        if page.part:
            return Response(render(page.part, **_names(ask), **page.shown), page.status, media_type=_HTML)
        frame = await frame_of(ask, page)
        html = render(page.template, frame=frame, **_names(ask), **page.shown)
        return Response(html, page.status, dict(page.headers), media_type=_HTML)

    async def _told(self, ask: Ask, error: Exception) -> Response:
        """The problem as JSON for programs, as a page for people who are let in, and else as plain text."""
        problem, told = problem_of(error), answer_to(error)
        if ask.wants_json:
            return told
        shown, further = {"problem": problem}, _further(told)
        page = Page("", problem.title, "problem.html", shown, {}, status=problem.status, headers=further)
        if ask.access.may("read"):
            with contextlib.suppress(RefoldError):  # the store may be what fails, and the frame asks it, too
                return await self._rendered(ask, page)
        text = f"{problem.title}: {problem.detail}\n"
        return Response(text, problem.status, dict(further), media_type="text/plain")


def _names(ask: Ask) -> Mapping[str, Any]:
    """What every template knows."""
    return {
        "url": ask.url,
        "with_": ask.with_,
        "hue": ask.studio.hues.of,
        "ask": ask,
        "read_only": ask.studio.read_only,
    }


def _further(told: Response) -> Mapping[str, str]:
    """What an answer says besides, such as `Allow`."""
    return {name: value for name, value in told.headers.items() if not name.startswith("content-")}


def _file(request: Request, path: tuple[str, ...]) -> Response:
    """A file of ours; there is nothing secret in them."""
    content = STATIC.get("/".join(path))
    if content is None or request.method not in {"GET", "HEAD"}:
        raise Declined(404, "no-such-file", "there is no such file.")
    headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()[:20]}"', "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=KINDS[path[-1].rpartition(".")[2]])


def studio(
    store: AsyncStore,
    *,
    app: App | None = None,
    authorize: Authorize | None = None,
    read_only: bool = True,
    hosts: Collection[str] | None = None,
    name: str = "",
    heartbeat: float = HEARTBEAT,
) -> Studio:
    """The Studio of a store, to be served or mounted at any path; open the store with `RawEvent` among its events.

    `app`: whose folds, read models, processes and commands are shown. `authorize`: gives the `Access` of a request, None for
    nobody; to look takes `read` everywhere, to steer `admin`, to give commands `append`. Without it everybody who gets here may
    do all that: leave it out only behind a login of your own. `read_only`: nothing can be changed, whoever asks. `hosts`: the
    names that it is reached by; without it, only those of this machine. `name`: what the page calls the store. `heartbeat`:
    seconds after which a page that follows is given a sign of life.

    Raises:
        UsageError: two classes of the application claim one name; or `hosts` has a wildcard.
    """
    check_named(hosts=hosts or ())
    return Studio(
        store, Classes(app), authorize or anyone,
        hosts=LOOPBACK if hosts is None else hosts, read_only=read_only, name=name, heartbeat=heartbeat,
    )  # fmt: skip
