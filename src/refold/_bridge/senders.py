"""Senders under each face: who is given the messages of a publication."""

from __future__ import annotations

from refold._bridge.stepping import run_sync
from refold.cloudevents import CloudEvent
from refold.errors import UsageError
from refold.projection import Projection
from refold.publication import Publication, Sender


def blocking_projection(projection: Projection) -> Projection:
    """The projection, for blocking code.

    Raises:
        UsageError: it is a publication whose sender only an event loop can use.
    """
    if isinstance(projection, Publication) and projection.sender.awaits:
        raise UsageError(
            f"publication {projection.name!r} is sent by {projection.sender!r}, which awaits, and this code blocks: run it "
            "with AsyncStore, or by `refold run`, or give it a sender that blocks."
        )
    return projection


def awaiting_projection(projection: Projection) -> Projection:
    """The projection, for the tasks of an event loop, which no sender holds up."""
    if isinstance(projection, Publication) and not projection.sender.awaits:
        return projection.sent_by(_Threaded(projection.sender))
    return projection


class _Threaded:
    """A sender that blocks, used from an event loop."""

    awaits = True

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def send(self, message: CloudEvent) -> None:
        import asyncio  # noqa: PLC0415 - blocking code never loads it

        await asyncio.to_thread(run_sync, self._sender.send(message))
