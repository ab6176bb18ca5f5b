"""Known: instances as the last step left them, so that the next one reads only what came into their journals since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from refold.flows.forgotten import known_at
from refold.flows.prepare import Runtime
from refold.flows.processes.instance import Instance, loaded
from refold.flows.processes.journal import ENTRIES, Kept, Migrated, Reacted, Started
from refold.flows.read import opened_all
from refold.messages import Recorded
from refold.ports import PAGE, Backend, InStream, Selection
from refold.process import Process
from refold.rows import Row

ROOM: Final = 1_000
"""So many instances are kept, those used last."""
_ANOTHER: Final = (Started, Migrated, Reacted, Kept)
"""Entries that only whoever takes in the inputs makes: if they are not ours, another worker was at it."""


class Known:
    """The instances of one process. What a step has in hand is not in here, so one that fails leaves nothing behind.

    Any number of threads may use it: each step is one of a dictionary's.
    """

    def __init__(self, process: Process[Any, Any]) -> None:
        self._process = process
        self._kept: dict[str, tuple[Instance, int, bytes]] = {}

    async def since(self, backend: Backend, runtime: Runtime) -> int | None:
        """The position at which somebody was last forgotten, `None` if no input is personal: one look does for a step."""
        is_personal = runtime.codec.selecting(self._process.event_types).personal
        return await known_at(backend, runtime) if is_personal else None

    async def taken(self, backend: Backend, runtime: Runtime, id: str, since: int | None) -> Instance:
        """An instance as it is now.

        Raises:
            Whatever `loaded` raises.
        """
        kept = self._kept.pop(id, None)
        if kept is not None and kept[0].since == since:
            instance, version, last = kept
            rows = await backend.read(Selection(InStream(instance.journal), version - 1))
            if rows and rows[0].id == last and self._caught_up(runtime, instance, rows[1:]):
                return instance
        instance = await loaded(backend, runtime, self._process, id)
        instance.since = since
        return instance

    def _caught_up(self, runtime: Runtime, instance: Instance, rows: Sequence[Row]) -> bool:
        """Take in what came since, if it is only what others than the worker write."""
        decoders = runtime.codec.selecting(ENTRIES)
        since: Sequence[Recorded[Any]] = list(opened_all(decoders, rows))
        if len(rows) >= PAGE - 1 or any(isinstance(each.data, _ANOTHER) for each in since):
            return False
        for recorded in since:
            instance.note(recorded.id, recorded.data)
        return True

    def keep(self, instance: Instance, version: int, last: bytes) -> None:
        """It stands at a version of its journal now, whose entry has this id."""
        self._kept[instance.id] = instance, version, last
        while len(self._kept) > ROOM:
            self._kept.pop(next(iter(tuple(self._kept))), None)
