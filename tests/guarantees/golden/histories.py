"""Golden histories: all that a store held while instances were under way, as the code of that day wrote it, kept as text.

Each line is a JSON object with one key. `about`: who wrote it, when it stood still, and how far each process had come.
`row`: an event as it was stored.
`call`, `effect`: what the world outside had been asked for, and what had happened there. `index`: the rows of a process, which
that code had made of its journals. Files are added, never changed: the code that reads them must.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec
from tests.faults.checkout import parts
from tests.faults.judging import index, own, processes
from tests.faults.outside import Outside

from refold import Process, Store
from refold.clock import as_datetime
from refold.flows.processes.consuming import consumer
from refold.flows.processes.reindexing import reindex
from refold.flows.projections.builds import active_build
from refold.flows.read import all_rows
from refold.ports import Append, Backend, Own, Selection, Write
from refold.rows import NewRow, Row
from refold.testing import ManualClock

HERE: Final = Path(__file__).parent
FILES: Final = sorted(HERE.glob("*.jsonl"))
_TABLES: Final = {
    "call": ("calls", "number, key, verb, subject, fate"),
    "effect": ("effects", "number, key, verb, subject"),
}
_COME: Final = "update {refold}partitions set position = :to where projection = :projection"
_NO_PLACE: Final = 5
"""The column of an outgoing message that says where in the store it was sent, which is another place in another store."""


class History(msgspec.Struct, frozen=True):
    """One of them. `now`: the time in which it stood still, in microseconds."""

    about: Mapping[str, Any]
    rows: Sequence[Row]
    outside: Mapping[str, Sequence[Sequence[Any]]]
    index: Mapping[str, Any]

    def clock(self) -> ManualClock:
        """One that goes on a second later."""
        return ManualClock(as_datetime(self.about["now"] + 1_000_000))

    def world(self, place: Path) -> Outside:
        """The world outside as it was."""
        world = Outside(str(place), self.about["seed"], 0.0)
        with apsw.Connection(str(place)) as db:
            for kind, (table, columns) in _TABLES.items():
                marks = ", ".join("?" for _ in columns.split(","))
                db.executemany(f"insert into {table} ({columns}) values ({marks})", self.outside[kind])  # noqa: S608 - ours
        return world

    def put_into(self, store: Store, processes: Sequence[Process[Any, Any]]) -> None:
        """Write it to an empty store, each event at its time; make the index of its journals; and go on where each had come."""
        store._engine.outside(lambda b: self._put(b, store, processes))

    async def _put(self, backend: Backend, store: Store, processes: Sequence[Process[Any, Any]]) -> None:
        for append in _appends(self.rows):
            await backend.append(append)
        places = [row.position async for row in all_rows(backend, Selection())]
        for process in processes:
            await reindex(backend, store._runtime, process)
            consumes = consumer(store._runtime, process)
            await active_build(backend, store._runtime.clock, consumes)
            came = self.about["came"][process.name]
            await backend.work([Own(_COME, {"projection": consumes.name, "to": places[came - 1] if came else 0})])


def _appends(rows: Sequence[Row]) -> Iterator[Append]:
    """As few as there may be: what was recorded at one time, and of each stream one piece."""
    writes: dict[str, list[NewRow]] = {}
    for before, row in pairwise([rows[0], *rows]):
        if row.recorded_at != before.recorded_at or (row.stream != before.stream and row.stream in writes):
            yield _append(writes, before.recorded_at)
            writes = {}
        writes.setdefault(row.stream, []).append(_as_new(row))
    yield _append(writes, rows[-1].recorded_at)


def _append(writes: Mapping[str, Sequence[NewRow]], now: int) -> Append:
    return Append(tuple(Write(stream, tuple(rows)) for stream, rows in writes.items()), now)


def _as_new(row: Row) -> NewRow:
    tags = tuple(json.loads(row.tags))
    return NewRow(
        row.id, row.type, row.schema_version, row.data, tags, row.valid_at, row.correlation_id, row.causation_id, row.actor,
        row.metadata,
    )  # fmt: skip


def rows_of(store: Store) -> Sequence[Row]:
    """All that a store holds."""
    return store._engine.outside(_all)


async def _all(backend: Backend) -> Sequence[Row]:
    return [row async for row in all_rows(backend, Selection())]


def index_of(store: Store, world: Outside) -> Mapping[str, Any]:
    """The rows that say what is to be done and when, by process, sorted, but for places."""
    found = {process.name: index(store, process) for process in processes(parts(world))}
    return {
        name: [sorted([list(row) for row in table], key=str) for table in (*rows[:2], _without_places(rows[2]))]
        for name, rows in found.items()
    }


def _without_places(rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
    return [[*row[:_NO_PLACE], *row[_NO_PLACE + 1 :]] for row in rows]


def read(file: Path) -> History:
    """Out of its file."""
    found: dict[str, list[Any]] = {"about": [], "row": [], "call": [], "effect": [], "index": []}
    for line in file.read_text("utf-8").splitlines():
        ((kind, value),) = json.loads(line).items()
        found[kind].append(value)
    rows = [Row(*_as_stored(values)) for values in found["row"]]
    return History(found["about"][0], rows, {kind: found[kind] for kind in _TABLES}, dict(found["index"]))


def _as_stored(values: Sequence[Any]) -> Sequence[Any]:
    position, stream, version, id, type, schema, data, *rest, metadata = values
    return position, stream, version, bytes.fromhex(id), type, schema, data.encode(), *rest, metadata.encode()


def _as_text(row: Row) -> Sequence[Any]:
    return [*row[:3], row.id.hex(), row.type, row.schema_version, row.data.decode(), *row[7:13], row.metadata.decode()]


def write(file: Path, store: Store, world: Outside, about: Mapping[str, Any]) -> None:
    """Into a new file."""
    came = dict(
        own(store, "select substr(projection, 10), position from {refold}partitions")
    )  # the name without `$process.`
    lines: list[Mapping[str, Any]] = [{"about": {**about, "came": came}}]
    lines += [{"row": _as_text(row)} for row in rows_of(store)]
    with apsw.Connection(world.place) as db:
        for kind, (table, columns) in _TABLES.items():
            lines += [{kind: list(each)} for each in db.execute(f"select {columns} from {table} order by 1")]  # noqa: S608 - ours
    lines += [{"index": each} for each in index_of(store, world).items()]
    with file.open("x", encoding="utf-8") as out:
        out.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
