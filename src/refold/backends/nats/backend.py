"""The port on JetStream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from refold.backends.nats import foundation
from refold.backends.nats.answering import Json, Rejected, Silent
from refold.backends.nats.appending import Appends
from refold.backends.nats.batching import Batches
from refold.backends.nats.facts import Facts
from refold.backends.nats.identities import Identities
from refold.backends.nats.location import NatsLocation, location_at
from refold.backends.nats.log import Log
from refold.backends.nats.reading import Reading
from refold.backends.nats.stored import brief_of, outcome_at
from refold.backends.nats.subjects import Subjects
from refold.backends.nats.surveying import Survey
from refold.backends.nats.ticking import Ticks
from refold.backends.nats.wire import Wire
from refold.errors import StoreError, StoreReadOnly, StoreUnreachable, Unsupported
from refold.ports import (
    Append,
    AppendResult,
    Damage,
    Outcome,
    Own,
    Rows,
    Selection,
    Stats,
    StreamInfo,
    Within,
)
from refold.projection import Statement
from refold.rows import Payload, Row

T = TypeVar("T")

POLL: Final = 1.0
"""Seconds after which the head is looked at although nobody called: who wrote may have died before it told."""
_NO_SQL: Final = "keep the read models in another database, SQLite or PostgreSQL."


class NatsBackend:
    """A JetStream stream, used by any number of tasks of one event loop."""

    def __init__(self, wire: Wire, location: NatsLocation, info: Json, log: Log, *, lent: bool = False) -> None:
        """`lent`: the connection is that of another store, whose tenant this is."""
        self.capabilities = foundation.capabilities(info["config"], location)
        self._wire, self._location, self._log, self._lent = wire, location, log, lent
        self._subjects = Subjects(location.name)
        facts = Facts(log, self._subjects)
        ticks = Ticks(log, self._subjects, facts)
        ids = Identities(log, self._subjects, info)
        self._ids = ids
        self._reading = Reading(log, self._subjects, facts, ticks)
        self._survey = Survey(log, self._subjects, ticks, ids)
        replicated = int(info["config"]["num_replicas"]) > 1
        self._batches = Batches(log, self._subjects, facts, ids, location.busy_timeout)
        self._appends = Appends(
            log, self._subjects, facts, ticks, ids, self._reading, location.busy_timeout, replicated=replicated
        )

    @staticmethod
    async def opened(wire: Wire, location: NatsLocation, *, lent: bool = False) -> NatsBackend:
        """The store there, made if it is new."""
        log = Log(wire, location.name, location.busy_timeout)
        async with translated():
            info = await foundation.prepare(log, Subjects(location.name), location)
        return NatsBackend(wire, location, info, log, lent=lent)

    async def append(self, append: Append) -> AppendResult:
        if self._location.read_only:
            raise StoreReadOnly("the store was opened with mode=ro. Nothing was written.")
        async with translated():
            return await self._appends.append(append)

    async def append_in_turn(self, appends: Sequence[Append], head: int) -> int | None:
        if self._location.read_only:
            raise StoreReadOnly("the store was opened with mode=ro. Nothing was written.")
        async with translated():
            return await self._batches.append(appends, head)

    async def read(self, selection: Selection) -> Sequence[Row]:
        async with translated():
            return await self._reading.rows(selection)

    async def payloads(self, stream: str, after: int, until: int | None) -> Sequence[Payload]:
        async with translated():
            return await self._reading.payloads(stream, after, until)

    async def find(self, ids: Sequence[bytes]) -> Sequence[Row]:
        async with translated():
            return await self._reading.as_rows(await self._ids.find(ids))

    async def head(self) -> int:
        async with translated():
            last = await self._log.last(self._subjects.events)
        return last.sequence if last else 0

    async def wait(self, after: int, seconds: float) -> int:
        deadline = time.monotonic() + seconds
        heard = asyncio.Event()
        async with translated():
            listening = await self._wire.listen(self._subjects.news, heard)
        try:
            while (head := await self.head()) <= after and (left := deadline - time.monotonic()) > 0:
                try:
                    async with asyncio.timeout(min(left, POLL)):
                        await heard.wait()
                except TimeoutError:
                    continue
                finally:
                    heard.clear()
        finally:
            await self._wire.deaf(listening)
        return head

    async def version(self, stream: str) -> int:
        async with translated():
            last = await self._log.last(self._subjects.stream(stream))
        return brief_of(last.body).version if last else 0

    async def request(self, key: str) -> Outcome | None:
        async with translated():
            last = await self._log.last(self._subjects.key(key))
        return outcome_at(last) if last else None

    async def streams(self, after: str, prefix: str, limit: int) -> Sequence[StreamInfo]:
        async with translated():
            return await self._survey.streams(after, prefix, limit)

    async def work(self, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
        raise Unsupported(f"JetStream has no SQL for read models: {_NO_SQL}")

    async def within(self, flow: Within[T]) -> T:
        raise Unsupported(
            "JetStream has no transaction that a whole flow could run in: append all that belongs together in one append."
        )

    async def query(self, statement: Own | Statement) -> Rows:
        raise Unsupported(f"JetStream has no SQL to query: {_NO_SQL}")

    async def stats(self) -> Stats:
        async with translated():
            return await self._survey.stats()

    async def verify(self, after: int, limit: int) -> Sequence[Damage]:
        async with translated():
            return await self._survey.damages(after, limit)

    async def tenant(self, name: str) -> NatsBackend:
        return await NatsBackend.opened(self._wire, self._location.tenant(name), lent=True)

    async def close(self) -> None:
        if not self._lent:
            await self._wire.close()


@asynccontextmanager
async def translated() -> AsyncGenerator[None]:
    """Turns what the server says into what it means for the user."""
    try:
        yield
    except Rejected as error:
        raise StoreError(f"JetStream says: {error.text} ({error.code}).") from error
    except Silent as error:
        raise StoreUnreachable(f"JetStream does not answer ({error}): is there a majority of the servers?") from error


async def opened_awaiting(url: str) -> NatsBackend:
    """The store at a URL, for the tasks of the running event loop."""
    location = location_at(url)
    wire = Wire(location)
    await wire.open()
    try:
        return await NatsBackend.opened(wire, location)
    except BaseException:
        await wire.close()
        raise
