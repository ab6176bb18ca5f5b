"""A proxy before a nats-server, which cuts connections as the one before PostgreSQL does."""

from __future__ import annotations

from tests.postgres.proxy import Proxy


class NatsProxy(Proxy):
    """What may be cut is a publication of events."""

    def asks(self, request: bytes) -> bool:
        """Whether events are in it."""
        return request.startswith((b"PUB", b"HPUB")) and b".e." in request and b"$JS.API" not in request[:40]
