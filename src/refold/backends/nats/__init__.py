"""NATS JetStream: one log on one server, or replicated over several. Any number of processes and machines that use it."""

from __future__ import annotations

from refold.backends.nats.backend import NatsBackend, opened_awaiting
from refold.backends.nats.location import NatsLocation
from refold.backends.nats.portal import opened_blocking

__all__ = ["NatsBackend", "NatsLocation", "opened_awaiting", "opened_blocking"]
