"""Senders under each face: who is given the messages of a publication."""

from __future__ import annotations

from refold._bridge.calling import contained
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
    if not isinstance(projection, Publication):
        return projection
    if projection.sender.awaits:
        raise UsageError(
            f"publication {projection.name!r} is sent by {projection.sender!r}, which awaits, and this code blocks: run it "
            "with AsyncStore, or by `refold run`, or give it a sender that blocks."
        )
    return projection.sent_by(_Contained(projection.sender))


def awaiting_projection(projection: Projection) -> Projection:
    """The projection, for the tasks of an event loop, which no sender holds up."""
    if not isinstance(projection, Publication):
        return projection
    through = _Contained if projection.sender.awaits else _Threaded
    return projection.sent_by(through(projection.sender))


class _Contained:
    """A sender that lets nothing out that would end more than the call."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    @property
    def awaits(self) -> bool:
        return self._sender.awaits

    async def send(self, message: CloudEvent) -> None:
        with contained():
            await self._sender.send(message)

    def __repr__(self) -> str:
        return repr(self._sender)


class _Threaded(_Contained):
    """A sender that blocks, used from an event loop."""

    @property
    def awaits(self) -> bool:
        return True

    async def send(self, message: CloudEvent) -> None:
        import asyncio  # noqa: PLC0415 - blocking code never loads it

        with contained():
            await asyncio.to_thread(run_sync, super().send(message))
