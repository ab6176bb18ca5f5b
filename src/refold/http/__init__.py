"""The HTTP API of a store: an ASGI application, its tokens, its description. `refold serve` runs it."""

from __future__ import annotations

from importlib.util import find_spec

from refold.errors import MissingExtra

if find_spec("starlette") is None:
    raise MissingExtra("starlette", "http")

from refold.http.access import Access, Authorize, Grant, anyone
from refold.http.application import Api, api
from refold.http.quotas import Quotas

__all__ = ["Access", "Api", "Authorize", "Grant", "Quotas", "anyone", "api"]
