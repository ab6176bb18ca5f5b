"""Guarding: what every answer forbids the browser, and which hosts and origins are answered at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

from refold.http.problems import Declined

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
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def check_host(request: Request, hosts: Collection[str]) -> None:
    """A name that somebody else lets point here is not ours: its pages must not be able to read what we answer.

    Raises:
        Declined: 421.
    """
    host = _hostname(f"//{request.headers.get('host', '')}")
    if host not in hosts:
        known = " or ".join(sorted(hosts))
        raise Declined(421, "misdirected", f"this Studio is not {host[:80]!r}: it is {known}, see hosts=.")


def check_origin(request: Request) -> None:
    """Pages of other origins may not ask, let alone steer.

    A page of ours is told by `Sec-Fetch-Site` where it sends the origin `null`, as a form does that gives no referrer.

    Raises:
        Declined: 403.
    """
    origin = request.headers.get("origin")
    if origin is None or urlsplit(origin).netloc == request.headers.get("host"):
        return
    if origin == "null" and request.headers.get("sec-fetch-site") == "same-origin":
        return
    raise Declined(403, "foreign-origin", "pages of other origins may not ask here.")


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # a bracket that is not closed, say
        return ""
