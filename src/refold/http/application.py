"""The application: lets in, finds the route, answers, and closes what is open."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from functools import cached_property
from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from refold.aio import AsyncStore
from refold.app import App
from refold.forms import encode
from refold.http import appending, deciding, following, health, messages, models, processing, reading, surveying
from refold.http.access import Access, Authorize, forbidden
from refold.http.asking import Ask
from refold.http.bodies import JSON
from refold.http.classes import Classes
from refold.http.guarding import check_host, check_named, check_origin
from refold.http.living import Tenants, until_shutdown
from refold.http.openapi import openapi
from refold.http.problems import Declined, answer_to
from refold.http.quotas import Quotas, Rates, Slots
from refold.http.routes import Route, Told, route_of, segments_of
from refold.http.tokens import TokenBearers
from refold.http.visible import visible
from refold.subscription import AsyncSubscription

HEARTBEAT: Final = 15.0
_NOBODY: Final = Access("nobody", ())
_TIMED_OUT: Final = 1_000


async def describe(ask: Ask) -> Response:
    """The description of all routes."""
    return Response(ask.api.described, media_type=JSON)


ROUTES: Final = (
    *surveying.ROUTES, *reading.ROUTES, *appending.ROUTES, *following.ROUTES, *messages.ROUTES, *deciding.ROUTES, *models.ROUTES,
    *processing.ROUTES, *health.ROUTES,
    Route("GET", "/openapi.json", describe, "read", "This description", {
        200: Told("OpenAPI 3.1.", {JSON: {"type": "object"}}),
    }, group="health"),
)  # fmt: skip


class Api:
    """An ASGI application that serves one store."""

    def __init__(
        self, store: AsyncStore, classes: Classes, authorize: Authorize, quotas: Quotas,
        *, heartbeat: float, hosts: Collection[str] | None, cors: Collection[str], source: str,
    ) -> None:  # fmt: skip
        self.store, self.classes, self.quotas, self.source = store, classes, quotas, source
        self.heartbeat = heartbeat
        self.following: set[AsyncSubscription] = set()
        self.served: dict[tuple[str, str, int], tuple[int, float]] = {}
        self._authorize, self._hosts, self._cors = authorize, hosts, cors
        self._rates, self._slots = Rates(quotas), Slots(quotas)
        self._tenants = Tenants(store)

    @cached_property
    def described(self) -> bytes:
        """The description of the routes as JSON."""
        return encode(openapi(ROUTES, self.classes))

    async def lets_in(self, request: Request) -> bool:
        """Whether who has asked this may still ask: their token may have been revoked, or expired, since."""
        return await self._authorize(request) is not None

    def open_slot(self, client: str) -> Callable[[], None]:
        """Count a subscription of a client; what comes back ends it.

        Raises:
            Declined: 429, it has too many.
        """
        return self._slots.take(client)

    async def close(self) -> None:
        """End the subscriptions: who follows is told that nothing more comes, and connects again elsewhere."""
        for each in tuple(self.following):
            await each.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await until_shutdown(receive, send, self.close)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _TIMED_OUT})
        else:
            await self._serve(Request(scope, receive), scope, receive, send)

    async def _serve(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        began, path = time.perf_counter(), "-"
        try:
            if self._hosts is not None:  # where everybody is let in, at least pages of other origins are not
                check_host(request, self._hosts)
                check_origin(request, self._cors)
            route, variables = route_of(ROUTES, request.method, segments_of(scope))
            path = route.path
            response = await self._answered(request, route, variables)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told
            response = answer_to(error)
        self._count((request.method if path != "-" else "-", path, response.status_code), time.perf_counter() - began)
        response.headers.setdefault("Cache-Control", "no-store")  # what is forgotten must not stand elsewhere
        response.headers.append("Vary", "Authorization, Accept")
        response.headers["X-Content-Type-Options"] = "nosniff"
        await _bodiless(response, request.method)(scope, receive, send)

    def _count(self, key: tuple[str, str, int], seconds: float) -> None:
        count, sum = self.served.get(key, (0, 0.0))
        self.served[key] = count + 1, sum + seconds

    async def _answered(self, request: Request, route: Route, variables: dict[str, str]) -> Response:
        access = await self._authorize(request)
        self._rates.take(access.key if access else request.client.host if request.client else "")
        if route.action is not None:
            if access is None:
                raise Declined(
                    401,
                    "unauthorized",
                    "this takes a token: send Authorization: Bearer refold_... `refold token create` makes one.",
                    headers={"WWW-Authenticate": "Bearer"},
                )
            if not access.may_somewhere(route.action):
                raise forbidden(access, route.action)
        access = access or _NOBODY
        store = visible(await self._tenants.of(access), access)
        ask = Ask(self, request, route, variables, access, store.context(actor=access.name))
        if route.query is None and request.query_params:
            raise Declined(400, "bad-parameter", f"{route.path} has no parameters.")
        return await route.handler(ask)


def _bodiless(response: Response, method: str) -> ASGIApp:
    """The answer, of which HEAD is told the headers alone."""
    if method != "HEAD":
        return response

    async def headers(scope: Scope, receive: Receive, send: Send) -> None:
        async def only(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})

        await Response(b"", response.status_code, dict(response.headers)).__call__(scope, receive, only)

    return headers


def api(
    store: AsyncStore,
    *,
    app: App | None = None,
    authorize: Authorize | None = None,
    quotas: Quotas | None = None,
    cors: Collection[str] = (),
    hosts: Collection[str] | None = None,
    heartbeat: float = HEARTBEAT,
    source: str = "/refold",
) -> ASGIApp:
    """The HTTP API of a store, to be served or mounted; open the store with `RawEvent` among its events.

    `app`: whose commands, states and classes of events are known. `authorize`: gives the `Access` of a request; without it,
    tokens of the store are asked for. `cors`: origins whose pages may ask. `hosts`: by which names alone it is reached, so that
    foreign pages cannot ask where everybody may. `heartbeat`: seconds after which who follows is given a sign of life.
    `source`: the `source` of events that go out as CloudEvents.

    Raises:
        UsageError: two classes of the application claim one name; or `cors` or `hosts` has a wildcard.
    """
    check_named(hosts=hosts or (), cors=cors)
    served = Api(
        store, Classes(app), authorize or TokenBearers(store), quotas or Quotas(),
        heartbeat=heartbeat, hosts=hosts, cors=cors, source=source,
    )  # fmt: skip
    if not cors:
        return served
    return CORSMiddleware(
        served,
        allow_origins=[*cors],
        allow_methods=["GET", "POST"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Expected-Version",
            "Idempotency-Key",
            "If-Match",
            "Last-Event-ID",
        ],
        expose_headers=["ETag", "Link"],
    )
