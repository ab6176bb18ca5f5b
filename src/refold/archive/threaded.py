"""An archive for an event loop: whatever touches its files has a thread."""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Sequence
from typing import Any, TypeVar

from refold.archiving import ArchiveFile, Manifest, Shelf
from refold.ports import Selection
from refold.rows import Row

T = TypeVar("T")


class Threaded:
    """A shelf that blocks, used from an event loop."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf, self.place = shelf, shelf.place

    async def manifest(self) -> Manifest | None:
        return await _in_a_thread(self._shelf.manifest())

    async def write_manifest(self, manifest: Manifest) -> None:
        await _in_a_thread(self._shelf.write_manifest(manifest))

    async def keep(self, rows: Sequence[Row]) -> ArchiveFile:
        return await _in_a_thread(self._shelf.keep(rows))

    async def rows(self, file: ArchiveFile, selection: Selection, streams: Collection[str]) -> Sequence[Row]:
        return await _in_a_thread(self._shelf.rows(file, selection, streams))

    async def find(self, file: ArchiveFile, ids: Collection[bytes]) -> Sequence[Row]:
        return await _in_a_thread(self._shelf.find(file, ids))

    def tenant(self, name: str) -> Shelf:
        return Threaded(self._shelf.tenant(name))


async def _in_a_thread(call: Coroutine[Any, Any, T]) -> T:
    import asyncio  # noqa: PLC0415 - blocking code never loads it

    return await asyncio.to_thread(stepped, call)


def stepped(call: Coroutine[Any, Any, T]) -> T:
    """Run a call that never suspends."""
    try:
        call.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError(call)
