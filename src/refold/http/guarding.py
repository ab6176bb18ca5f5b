"""Guarding: which hosts and origins are answered at all, where a browser could be made to ask in somebody's name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final
from urllib.parse import SplitResult, urlsplit

from starlette.requests import Request

from refold.errors import UsageError, shortened
from refold.http.problems import Declined

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


_ORIGIN: Final = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?", re.IGNORECASE)
_NAME: Final = re.compile(r"[a-z0-9._-]+|[0-9a-f:]+", re.IGNORECASE)


def check_named(*, hosts: Iterable[str] = (), cors: Iterable[str] = ()) -> None:
    """See that hosts and origins are named one by one: what lets in everybody is no guard.

    Raises:
        UsageError: one is a wildcard, or no such name.
    """
    for origin in cors:
        if not _ORIGIN.fullmatch(origin):
            raise UsageError(
                f"{shortened(origin)} is no origin whose pages may ask: name each, as https://shop.example, without a path. A "
                "wildcard would let in the pages of everybody."
            )
    for host in hosts:
        if not _NAME.fullmatch(host):
            raise UsageError(
                f"{shortened(host)} is no host to be reached by: name each, as shop.example, without port and scheme. A wildcard "
                "would let in every name that somebody has pointed here."
            )


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
