"""The one-time link: whoever was told it opens the Studio once, and the browser then holds a cookie; nobody else gets in."""

from __future__ import annotations

import secrets
from hmac import compare_digest
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from refold.http.serving import Closes
from refold.studio.guarding import HEADERS

_AWAY: Final = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Refold Studio</title>'
    "<h1>This is a Refold Studio.</h1><p>Open the link that <code>refold studio</code> has printed; it works once. "
    "Started anew, it prints another one.</p></html>"
)


class OneTime:
    """Lets into an application who brings the token, once, and then who brings the cookie that was given for it."""

    def __init__(self, app: ASGIApp, name: str = "refold-studio") -> None:
        self._app, self._name = app, name
        self._sessions: set[str] = set()
        self._token: str | None = secrets.token_urlsafe(24)

    @property
    def token(self) -> str:
        """The token, as long as nobody has used it; else an empty text."""
        return self._token or ""

    async def close(self) -> None:
        """End what is followed."""
        inner: object = self._app
        if isinstance(inner, Closes):
            await inner.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        if request.cookies.get(self._name) in self._sessions:
            await self._app(scope, receive, send)
            return
        answer = self._opened(request) if self._has_token(request) else _away()
        answer.headers.update({**HEADERS, "Cache-Control": "no-store"})
        await answer(scope, receive, send)

    def _has_token(self, request: Request) -> bool:
        given = request.query_params.get("token", "")
        return (
            request.method == "GET" and self._token is not None and compare_digest(given.encode(), self._token.encode())
        )

    def _opened(self, request: Request) -> Response:
        """The first page without the token, so that it stands in no history, and the cookie."""
        self._token = None
        session = secrets.token_urlsafe(32)
        self._sessions.add(session)
        answer = RedirectResponse(f"{request.scope.get('root_path', '')}/", 303)
        answer.set_cookie(self._name, session, httponly=True, samesite="strict", secure=request.url.scheme == "https")
        return answer


def _away() -> Response:
    return Response(_AWAY, 401, media_type="text/html")
