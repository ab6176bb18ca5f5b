"""The reference: what a store of events is, in the shortest text that is right. Nothing outlives the process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from refold.clock import FIRST, LAST, as_datetime
from refold.errors import StoreClosed, Unsupported
from refold.messages import StreamName
from refold.ports import (
    NO_TIME,
    PAGE,
    Append,
    Appended,
    AppendResult,
    Backend,
    Capabilities,
    Check,
    Conflicted,
    Damage,
    Failure,
    InCategory,
    InStory,
    InStream,
    Matching,
    Outcome,
    Own,
    QueryMatched,
    Rows,
    Selection,
    Stats,
    StreamCheck,
    StreamInfo,
    StreamMoved,
    Within,
)
from refold.projection import Statement
from refold.query import holds
from refold.repeats import asked_before, outcome_of, repeated, tags_json
from refold.rows import Payload, Row

T = TypeVar("T")


class MemoryBackend:
    """A list of rows, cut back to undo. One thread at a time."""

    capabilities = Capabilities("memory", durability="best-effort", sql=False)

    def __init__(self) -> None:
        self._rows: list[Row] | None = []
        self._outcomes: dict[str, Outcome] = {}
        self._begun = (0, 0)
        self.handed: dict[object, Any] | None = None
        self._tenants: dict[str, MemoryBackend] = {}

    @property
    def _all(self) -> list[Row]:
        if self._rows is None:
            raise StoreClosed
        return self._rows

    async def append(self, append: Append) -> AppendResult:
        if append.request and (outcome := await self.request(append.request.key)):
            return asked_before(append.request, outcome)
        ids = [new.id for write in append.writes for new in write.rows]
        if first := repeated(append, await self.find(ids)):
            return first
        checks: list[Check] = [StreamCheck(write.stream, write.expected) for write in append.writes]
        if failures := [failure for check in (*checks, *append.checks) if (failure := self._failure(check))]:
            return Conflicted(tuple(failures))
        rows = list(self._new_rows(append))
        self._all.extend(rows)
        versions = {row.stream: row.version for row in rows}
        positions = tuple(row.position for row in rows)
        if request := append.request:
            version = versions.get(request.stream) or await self.version(request.stream)
            self._outcomes[request.key] = outcome_of(request, version, positions)
        return Appended(positions, tuple(versions[write.stream] for write in append.writes))

    def _failure(self, check: Check) -> Failure | None:
        if isinstance(check, StreamCheck):
            stream = [row for row in self._all if row.stream == check.stream]
            if holds(check.expected, len(stream)):
                return None
            if not isinstance(check.expected, int):
                return StreamMoved(check.stream, check.expected, len(stream))
            tail = tuple(map(_payload, stream[check.expected :][:PAGE]))
            return StreamMoved(check.stream, check.expected, len(stream), tail, len(tail) < PAGE)
        matches = [row.position for row in self._all if _selected(Matching(check.query), row)]
        last = matches[-1] if matches else 0
        return QueryMatched(check, last) if last > check.after else None

    def _new_rows(self, append: Append) -> Iterator[Row]:
        versions = Counter(row.stream for row in self._all)
        recorded_at = max(append.now, self._all[-1].recorded_at if self._all else 0)
        position = len(self._all)
        for write in append.writes:
            for new in write.rows:
                versions[write.stream] += 1
                position += 1
                yield Row(
                    position, write.stream, versions[write.stream], new.id, new.type, new.schema_version, new.data,
                    tags_json(new), recorded_at, new.valid_at, new.correlation_id, new.causation_id, new.actor, new.metadata,
                )  # fmt: skip

    async def read(self, selection: Selection) -> Sequence[Row]:
        s = selection
        in_stream = isinstance(s.source, InStream)

        def wanted(row: Row) -> bool:
            place = row.version if in_stream else row.position
            beyond = s.after is None or (place < s.after if s.backward else place > s.after)
            not_early = s.recorded_from is None or row.recorded_at >= s.recorded_from
            not_late = s.recorded_until is None or row.recorded_at <= s.recorded_until
            in_place = s.position_until is None or row.position <= s.position_until
            return beyond and not_early and not_late and in_place and _selected(s.source, row)

        rows = [row for row in self._all if wanted(row)]
        return (rows[::-1] if s.backward else rows)[: s.limit]

    async def payloads(self, stream: str, after: int, until: int | None) -> Sequence[Payload]:
        rows = [
            r for r in self._all if r.stream == stream and r.version > after and (until is None or r.version <= until)
        ]
        return [_payload(row) for row in rows[:PAGE]]

    async def find(self, ids: Sequence[bytes]) -> Sequence[Row]:
        wanted = set(ids)
        return [row for row in self._all if row.id in wanted]

    async def head(self) -> int:
        return len(self._all)

    async def version(self, stream: str) -> int:
        return sum(row.stream == stream for row in self._all)

    async def request(self, key: str) -> Outcome | None:
        return self._outcomes.get(key)

    async def streams(self, after: str, prefix: str, limit: int) -> Sequence[StreamInfo]:
        found: dict[str, StreamInfo] = {}
        for row in self._all:
            recorded_at = as_datetime(row.recorded_at)
            first = found[row.stream].first_recorded_at if row.stream in found else recorded_at
            found[row.stream] = StreamInfo(row.stream, row.version, row.position, first, recorded_at)
        names = sorted(name for name in found if name > after and name.startswith(prefix))
        return [found[name] for name in names[:limit]]

    async def within(self, flow: Within[T]) -> T:
        with self.attempt():
            return await flow(self)

    async def work(self, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
        raise Unsupported("the memory backend has no SQL for read models: open 'sqlite:///:memory:' instead.")

    async def query(self, statement: Own | Statement) -> Rows:
        raise Unsupported("the memory backend has no SQL to query: open 'sqlite:///:memory:' instead.")

    async def stats(self) -> Stats:
        rows = self._all
        categories = Counter(StreamName.parse(row.stream).category for row in rows)
        return Stats(
            events=len(rows),
            streams=len({row.stream for row in rows}),
            types=Counter(row.type for row in rows),
            categories=categories,
            head=len(rows),
            first_recorded_at=as_datetime(rows[0].recorded_at) if rows else None,
            last_recorded_at=as_datetime(rows[-1].recorded_at) if rows else None,
            bytes=sum(len(row.data) for row in rows),
        )

    async def verify(self, after: int, limit: int) -> Sequence[Damage]:
        times = ((row.position, row.valid_at) for row in self._all[after : after + limit])
        return [Damage(at, NO_TIME) for at, time in times if time is not None and not FIRST <= time <= LAST]

    async def tenant(self, name: str) -> Backend:
        return self._tenants.setdefault(name, MemoryBackend())

    async def close(self) -> None:
        self._rows = None

    def begin(self) -> None:
        self._begun, self.handed = self.mark(), {}

    def commit(self) -> None:
        self._begun, self.handed = self.mark(), None

    def roll_back(self) -> None:
        self.handed = None
        self._cut(self._begun)

    @contextmanager
    def attempt(self) -> Generator[None, None, None]:
        mark = self.mark()
        try:
            yield
        except BaseException:
            self.handed = {}
            self._cut(mark)
            raise

    def mark(self) -> tuple[int, int]:
        return len(self._all), len(self._outcomes)

    def _cut(self, mark: tuple[int, int]) -> None:
        del self._all[mark[0] :]
        while len(self._outcomes) > mark[1]:
            self._outcomes.popitem()  # the newest first

    def reader(self) -> Backend | None:
        return None


def _payload(row: Row) -> Payload:
    return (row.version, row.position, row.type, row.schema_version, row.data)


def _selected(source: InStream | InCategory | Matching | InStory, row: Row) -> bool:
    match source:
        case InStream(stream):
            return row.stream == stream
        case InCategory(category):
            return row.stream.partition("-")[0] == category
        case InStory(correlation_id):
            return row.correlation_id == correlation_id
        case Matching(query):
            return query.matches(row.type, _tags(row.tags))


_tags = msgspec.json.Decoder(frozenset[str]).decode
