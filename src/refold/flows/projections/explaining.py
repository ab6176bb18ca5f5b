"""Explain: by which events some rows of a read model were changed, found by folding the events once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

from msgspec.structs import replace

from refold.flows.live import fold
from refold.flows.prepare import Runtime
from refold.flows.projections.differences import RowDifference, Touch
from refold.messages import Recorded
from refold.ports import Backend
from refold.projection import Handling, Projection, Statement
from refold.sqltext import folded, named
from refold.tables import Change, Delete, Key, Patch, Place, Put

_SHOWN: Final = 10
"""How many events are kept of a row."""


async def explained(
    source: Backend, runtime: Runtime, projection: Projection, rows: Sequence[RowDifference], until: int
) -> tuple[RowDifference, ...]:
    """The rows with the events that changed them, as the handlers say today. With `get=`, all rows are folded in memory."""
    if not rows:
        return ()
    touches = _Touches(projection, rows)
    await fold(source, runtime, touches, until)
    return tuple(replace(row, events=tuple(touches.of(index))) for index, row in enumerate(rows))


class _Touches:
    """What touched some rows, event by event."""

    tags: frozenset[str] = frozenset()

    def __init__(self, projection: Projection, rows: Sequence[RowDifference]) -> None:
        self._projection = projection
        self.event_types, self.position, self.taken = projection.event_types, 0, 0
        self._gets = any(handling.gets for handling in projection.handlers.values())
        self._known: dict[tuple[str, Place], Any] = {}
        self._found: list[list[Touch]] = [[] for _ in rows]
        self._wanted: dict[tuple[str, frozenset[str]], list[int]] = {}
        for index, row in enumerate(rows):
            values = frozenset(
                _said(value) for name, value in row.key.items() if name != "(rows)" and value is not None
            )
            self._wanted.setdefault((folded(row.table), values), []).append(index)

    def of(self, index: int) -> Sequence[Touch]:
        """The events of a row, the newest of them."""
        return self._found[index][-_SHOWN:]

    def take(self, recorded: Recorded[Any]) -> None:
        handling = self._projection.handlers.get(recorded.data.__class__)
        if handling is None:
            return
        touched = {index for caused in self._caused(handling, recorded) for index in self._touched(caused)}
        for index in touched:
            self._found[index].append(Touch(recorded.position, str(recorded.stream), recorded.type))

    def _caused(self, handling: Handling, recorded: Recorded[Any]) -> Iterator[object]:
        """What an event caused, and the rows that it looked at; until the handler fails, since nobody answers it here."""
        try:
            keys = [get(recorded) for get in handling.gets]
            yield from (Patch(key.table, key.place, {}) for key in keys)
            for caused in handling.call(recorded, *(self._known.get(_place(key)) for key in keys)) or ():
                if self._gets and isinstance(caused, Put | Patch | Delete):
                    self._change(caused)
                yield caused
        except Exception:  # noqa: BLE001 - it failed when it was built, too, or for want of an answer
            return

    def _change(self, change: Change) -> None:
        place = change.table.name, change.place
        match change:
            case Put(_, _, row):
                self._known[place] = row
            case Patch(table, _, fields):
                if place in self._known:
                    self._known[place] = table.patched(self._known[place], fields)
            case Delete():
                self._known.pop(place, None)

    def _touched(self, caused: object) -> Iterator[int]:
        match caused:
            case Put() | Patch() | Delete():
                values = frozenset(_said(value) for value in caused.place if value is not None)
                yield from self._wanted.get((folded(caused.table.name), values), ())
            case Statement(text, params):
                yield from self._carrying(named(text), params)
            case _:
                pass

    def _carrying(self, names: frozenset[str], params: Mapping[str, Any]) -> Iterator[int]:
        """The rows whose key's values are all among a statement's parameters."""
        values = frozenset(_said(value) for value in params.values() if value is not None)
        for (table, key), indexes in self._wanted.items():
            if table in names and key <= values:
                yield from indexes


def _place(key: Key[Any]) -> tuple[str, Place]:
    return key.table.name, key.place


def _said(value: object) -> str:
    """A value as it may stand in a parameter, whatever type the database made of it."""
    return value.isoformat() if isinstance(value, date) else str(value)
