"""Engines on a backend that has the caller's colour already: nothing to cross, and flows run as they are."""

from __future__ import annotations

from typing import TypeVar

from refold._bridge.stepping import Flow, run_sync
from refold._bridge.turns import TaskTurns, ThreadTurns
from refold.errors import Unsupported
from refold.ports import Backend, Capabilities, Joining, Waking

T = TypeVar("T")


def no_joining(backend: Backend) -> Unsupported:
    """The error of a backend that has no transactions of the application's."""
    return Unsupported(
        f"the {backend.capabilities.name} backend cannot join a transaction of the application's: "
        "keep the read models in the store's own database, or take PostgreSQL."
    )


def waking(backend: Backend) -> Waking:
    """The backend, which must know when something was appended: here nobody else could."""
    if not isinstance(backend, Waking):
        raise Unsupported(f"the {backend.capabilities.name} backend cannot wait for events: ask for its head again.")
    return backend


class NativeBlockingEngine:
    """A blocking backend that threads may share as it is: it has connections of its own, and groups appends itself."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._turns = ThreadTurns()

    @property
    def capabilities(self) -> Capabilities:
        """What the backend gives."""
        return self._backend.capabilities

    @property
    def view(self) -> Backend:
        """The backend, for flows that are handed more than one."""
        return self._backend

    def tenant(self, name: str) -> NativeBlockingEngine:
        """The engine of one tenant, on the same connections."""
        return NativeBlockingEngine(run_sync(self._backend.tenant(name)))

    def joined(self, connection: object) -> NativeBlockingEngine:
        """An engine inside a transaction of the application's.

        Raises:
            Unsupported: this backend has none.
            UsageError: it is no connection of its driver.
        """
        if not isinstance(self._backend, Joining):
            raise no_joining(self._backend)
        return NativeBlockingEngine(self._backend.joined(connection))

    def wait(self, after: int, seconds: float) -> int:
        """The head, as soon as it is above `after`, or else when the seconds are over."""
        return run_sync(waking(self._backend).wait(after, seconds))

    def inside(self, flow: Flow[T], kind: str, name: str) -> T:
        """Run a deciding flow when it is the turn of what it decides about, the `name`, in this process.

        `kind` matters only where decisions run inside a transaction.
        """
        with self._turns.of(name):
            return self.outside(flow)

    def outside(self, flow: Flow[T]) -> T:
        """Run a flow."""
        return run_sync(flow(self._backend))

    def close(self) -> None:
        """Close every connection. Closing twice is fine."""
        run_sync(self._backend.close())


class NativeAwaitingEngine:
    """An awaiting backend, shared by the tasks of one event loop."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._turns = TaskTurns()

    @property
    def capabilities(self) -> Capabilities:
        """What the backend gives."""
        return self._backend.capabilities

    @property
    def view(self) -> Backend:
        """The backend, for flows that are handed more than one."""
        return self._backend

    async def tenant(self, name: str) -> NativeAwaitingEngine:
        """The engine of one tenant, on the same connections."""
        return NativeAwaitingEngine(await self._backend.tenant(name))

    def joined(self, connection: object) -> NativeAwaitingEngine:
        """An engine inside a transaction of the application's.

        Raises:
            Unsupported: this backend has none.
            UsageError: it is no connection of its driver.
        """
        if not isinstance(self._backend, Joining):
            raise no_joining(self._backend)
        return NativeAwaitingEngine(self._backend.joined(connection))

    async def wait(self, after: int, seconds: float) -> int:
        """The head, as soon as it is above `after`, or else when the seconds are over."""
        return await waking(self._backend).wait(after, seconds)

    async def inside(self, flow: Flow[T], kind: str, name: str) -> T:
        """Run a deciding flow when it is the turn of what it decides about, the `name`, in this process.

        `kind` matters only where decisions run inside a transaction.
        """
        async with self._turns.of(name):
            return await self.outside(flow)

    async def outside(self, flow: Flow[T]) -> T:
        """Run a flow."""
        return await flow(self._backend)

    async def close(self) -> None:
        """Close every connection. Closing twice is fine."""
        await self._backend.close()
