"""Guarding: what every answer forbids the browser, and which hosts and origins are answered at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from starlette.requests import Request

from refold.http.guarding import check_host, check_origin

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
"""On every answer, errors included."""


def check(request: Request, hosts: Collection[str]) -> None:
    """Answer those who ask by a name of ours, from a page of ours or from none.

    A page of ours is told by `Sec-Fetch-Site` where it sends the origin `null`, as a form does that gives no referrer.

    Raises:
        Declined: 421, 403.
    """
    check_host(request, hosts, "Studio", ", see hosts=")
    if request.headers.get("origin") != "null" or request.headers.get("sec-fetch-site") != "same-origin":
        check_origin(request)
