"""Guarding: which hosts and origins are answered at all, where a browser could be made to ask in somebody's name."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import SplitResult, urlsplit

from starlette.requests import Request

from refold.http.problems import Declined

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


def check_host(request: Request, hosts: Collection[str], who: str = "server", way: str = "") -> None:
    """A name that somebody else lets point here is not ours: its pages must not be able to read what we answer.

    Raises:
        Declined: 421.
    """
    host = _split(f"//{request.headers.get('host', '')}").hostname or ""
    if host not in hosts:
        raise Declined(421, "misdirected", f"this {who} is not {host[:80]!r}: it is {' or '.join(sorted(hosts))}{way}.")


def check_origin(request: Request, allowed: Collection[str] = ()) -> None:
    """Pages of other origins may not ask, but those that are allowed.

    Raises:
        Declined: 403.
    """
    origin = request.headers.get("origin")
    if origin is None or origin in allowed or _split(origin).netloc == request.headers.get("host"):
        return
    raise Declined(403, "foreign-origin", "pages of other origins may not ask here.")


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # a bracket that is not closed, say
        return urlsplit("")
