"""The port on two places: the events in one, and in a database all that is SQL. They share no transaction.

What a transaction of the database wants appended to a journal is written down in it, and sent when it has committed: so
both happen, or neither. Whoever comes next sends what is left, and sending twice does no harm, since the ids are the same.
What decides about a stream of the application's is appended at once, under its idempotency key.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar, cast

import msgspec
from msgspec.structs import replace

from refold.errors import IdReused, OutcomeUnknown, StoreError, Unsupported, UsageError
from refold.messages import JOURNALS
from refold.ports import (
    Append,
    Appended,
    AppendResult,
    Backend,
    Capabilities,
    Damage,
    Grouping,
    Outcome,
    Own,
    Rows,
    Selection,
    Stats,
    StreamInfo,
    Waking,
    Within,
    Write,
)
from refold.projection import Statement
from refold.query import Expected
from refold.rows import NewRow, Payload, Row

T = TypeVar("T")

_WRITE_DOWN: Final = "insert into {refold}unsent (append) values (:append)"
_UNSENT: Final = "select number, append from {refold}unsent order by number limit 50"
_SENT: Final = "delete from {refold}unsent where number = :number and append = :append"  # free numbers are given again
_MARRIED: Final = "select place from {refold}events_elsewhere"
_MARRY: Final = "insert into {refold}events_elsewhere (one, place) values (1, :place) on conflict (one) do nothing"

Close = Callable[[], Coroutine[Any, Any, None]]


class Paired:
    """Events in `events`; checkpoints, read models, snapshots, timers and messages on their way in `models`.

    `near`: the same events for what runs inside a transaction of the database, which may be in another thread.
    """

    def __init__(
        self, events: Waking, models: Backend | Grouping, near: Backend, place: str, close: Close | None = None
    ) -> None:
        """`place` names the events, so that no others are taken for them."""
        self.models, self.place = models, place
        self._events, self._near, self._close = events, near, close or models.close

    def over(self, models: Backend, close: Close) -> Paired:
        """The same, with a database that an engine serves."""
        return Paired(self._events, models, self._near, self.place, close)

    async def begin(self) -> None:
        """See that the database is that of these events, or make it so if it is nobody's.

        Raises:
            UsageError: it belongs to other events, or holds events itself.
        """
        if await self.models.head():
            raise UsageError(
                "the database named by models= holds events itself: name one of its own, a file or schema that is new."
            )
        await self.models.work([Own(_MARRY, {"place": self.place})])
        ((found,),) = await self.models.query(Own(_MARRIED, {}))
        if found != self.place:
            raise UsageError(
                f"the database named by models= keeps the read models of {found!r}, not of {self.place!r}: name another one."
            )

    @property
    def capabilities(self) -> Capabilities:
        """By the name of the database, whose SQL it is."""
        events = self._events.capabilities
        return replace(self.models.capabilities, durability=events.durability, gapless=events.gapless, together=False)

    @property
    def events(self) -> Backend:
        """Where the events stand."""
        return self._events

    async def append(self, append: Append) -> AppendResult:
        return await self._events.append(append)

    async def read(self, selection: Selection) -> Sequence[Row]:
        return await self._events.read(selection)

    async def payloads(self, stream: str, after: int, until: int | None) -> Sequence[Payload]:
        return await self._events.payloads(stream, after, until)

    async def find(self, ids: Sequence[bytes]) -> Sequence[Row]:
        return await self._events.find(ids)

    async def head(self) -> int:
        return await self._events.head()

    async def version(self, stream: str) -> int:
        return await self._events.version(stream)

    async def request(self, key: str) -> Outcome | None:
        return await self._events.request(key)

    async def streams(self, after: str, prefix: str, limit: int) -> Sequence[StreamInfo]:
        return await self._events.streams(after, prefix, limit)

    async def stats(self) -> Stats:
        return await self._events.stats()

    async def verify(self, after: int, limit: int) -> Sequence[Damage]:
        return await self._events.verify(after, limit)

    async def wait(self, after: int, seconds: float) -> int:
        with suppress(StoreError, OutcomeUnknown):  # whoever waits looks again soon
            await self._send()
        return await self._events.wait(after, seconds)

    async def work(self, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
        return await self.models.work(steps)

    async def query(self, statement: Own | Statement) -> Rows:
        return await self.models.query(statement)

    async def within(self, flow: Within[T]) -> T:
        """Run a flow in a transaction of the database, after all that earlier ones wanted appended."""
        await self._send()
        begun: list[_Inside] = []

        async def run(inside: Backend) -> T:
            begun.append(_Inside(self._near, inside, self.place))
            return await flow(begun[-1])

        result = await self.models.within(run)
        if begun[-1].has_written:
            with suppress(StoreError, OutcomeUnknown):  # it has happened; who comes next sends it
                await self._send()
        return result

    async def tenant(self, name: str) -> Backend:
        raise Unsupported(
            f"a store with models= has no tenants of its own: open one for each, with {name!r} in the name of both places."
        )

    async def close(self) -> None:
        await self._close()
        await self._near.close()
        await self._events.close()

    async def _send(self) -> None:
        """Append what transactions wanted appended. Another process may do the same at this moment: the ids are the same."""
        while rows := await self.models.query(Own(_UNSENT, {})):
            for _, text in rows:
                with suppress(IdReused):  # in part by somebody else, whose word holds
                    await self._events.append(_read(str(text)))
            await self.models.work([Own(_SENT, {"number": number, "append": text}) for number, text in rows])


class _Inside(Paired):
    """The same inside a transaction of the database."""

    def __init__(self, events: Backend, models: Backend, place: str) -> None:
        super().__init__(cast("Waking", events), models, events, place)  # nobody waits inside a transaction
        self.has_written = False

    async def append(self, append: Append) -> AppendResult:
        if not all(write.stream.startswith(JOURNALS) for write in append.writes) or append.checks or append.request:
            return await self._events.append(append)
        await self.models.work([Own(_WRITE_DOWN, {"append": _text(append)})])
        self.has_written = True
        # At least: others may append first. All that earlier transactions wanted is there, so it is beyond that.
        first, events = await self._events.head() + 1, sum(len(write.rows) for write in append.writes)
        return Appended(tuple(range(first, first + events)), tuple([v async for v in self._versions(append)]))

    async def _versions(self, append: Append) -> AsyncIterator[int]:
        """To which versions the journals will come, if nobody else writes to them meanwhile."""
        versions: dict[str, int] = {}
        for write in append.writes:
            if write.stream not in versions:
                versions[write.stream] = await self._events.version(write.stream)
            versions[write.stream] += len(write.rows)
            yield versions[write.stream]

    async def within(self, flow: Within[T]) -> T:
        return await flow(self)


class _Written(msgspec.Struct, frozen=True, array_like=True):
    """An append as it is written down."""

    now: int
    writes: tuple[tuple[str, tuple[NewRow, ...]], ...]


def _text(append: Append) -> str:
    writes = tuple((write.stream, write.rows) for write in append.writes)
    return msgspec.json.encode(_Written(append.now, writes)).decode()


def _read(text: str) -> Append:
    written = msgspec.json.decode(text, type=_Written)
    return Append(tuple(Write(stream, rows, Expected.ANY) for stream, rows in written.writes), written.now)
