"""Forgetting: the key of whom personal data are about is destroyed, and what was derived of them in the store with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast
from uuid import UUID

from msgspec import Struct

from refold.columns import SqlValue
from refold.errors import UsageError
from refold.flows.commit import commit
from refold.flows.prepare import Cause, Runtime, prepare
from refold.flows.read import all_rows
from refold.messages import Context, NewEvent, event
from refold.personal import Sealing, stream_of
from refold.ports import Append, Backend, InStream, Matching, Own, Selection, Write
from refold.query import Query


@event("$subject-forgotten", subject=lambda told: told.subject)
class SubjectForgotten:
    """The key of a subject was destroyed: its personal data read as `None` from now on. For read models that hold them."""

    subject: str


class Forgotten(Struct, frozen=True):
    """What forgetting a subject came to, or will: how many events are about it, in which streams, and how many keys it had.

    `keys` counts those that were destroyed earlier, too; `snapshots` are those that were dropped, since they may hold its data.
    """

    subject: str
    keys: int
    events: int
    streams: tuple[str, ...]
    snapshots: int


_MANY: Final = 50
"""Streams of one statement, so that somebody who is in thousands is not forgotten in thousands of transactions."""
_AMONG: Final = f"stream in ({', '.join(f':s{number}' for number in range(_MANY))})"
_SAVED: Final = f"select count(*) from {{refold}}snapshots where {_AMONG}"  # noqa: S608 - ours
_DROP: Final = f"delete from {{refold}}snapshots where {_AMONG} returning version"  # noqa: S608 - ours


async def forget(
    backend: Backend, runtime: Runtime, subject: str, context: Context, *, only_look: bool = False
) -> Forgotten:
    """Destroy the keys of a subject, append that it was forgotten, and drop the snapshots of its streams.

    What comes first cannot be undone, and the rest is done again by whoever forgets the subject again: so nothing is left half.

    Raises:
        UsageError: the store has no keys, or the subject has none.
        InvalidName: it cannot be the name of a subject.
    """
    stream, sealing = stream_of(subject), _sealing(runtime)
    known = sealing.known(subject)
    if not known:
        raise UsageError(f"nothing personal about {subject!r} was ever written: it has no key that could be destroyed.")
    events, streams = await _about(backend, subject)
    told = {row.id async for row in all_rows(backend, Selection(InStream(str(stream))))}
    if only_look:
        return Forgotten(subject, len(known), events, streams, await _snapshots(backend, streams))
    sealing.destroy(subject, runtime.clock.now())  # there is no way back, so all that could be refused was read before

    async def tell_and_drop(inside: Backend) -> int:
        for key in known:
            if key not in told:
                await _tell(inside, runtime, str(stream), subject, key, context)
        return await _drop(inside, streams)

    _drop_states(runtime, streams)
    before = await _drop(backend, streams) if await _snapshots(backend, streams) else 0  # mostly none is saved
    after = await (backend.within(tell_and_drop) if backend.capabilities.together else tell_and_drop(backend))
    _, late = await _about(backend, subject)  # some more may have been written before the key was destroyed
    return Forgotten(subject, len(known), events, streams, before + after + await _drop(backend, {*late} - {*streams}))


def _sealing(runtime: Runtime) -> Sealing:
    assert runtime.codec.sealing is not None  # noqa: S101 - a store has one, if only to say that there are no keys
    return runtime.codec.sealing


async def _about(backend: Backend, subject: str) -> tuple[int, tuple[str, ...]]:
    """How many events are about it, and in which streams."""
    streams: dict[str, int] = {}
    async for row in all_rows(backend, Selection(Matching(Query.of(tags=[subject])))):
        if not row.stream.startswith("$"):
            streams[row.stream] = streams.get(row.stream, 0) + 1
    return sum(streams.values()), tuple(streams)


def _drop_states(runtime: Runtime, streams: Iterable[str]) -> None:
    """Out of the memory of this process; whoever else keeps some finds out before they are used."""
    for cache in (runtime.caches or {}).values():
        for stream in streams:
            cache.forget(stream)


async def _snapshots(backend: Backend, streams: Iterable[str]) -> int:
    """How many there are."""
    if not backend.capabilities.sql:
        return 0
    found = [await backend.query(Own(_SAVED, among)) for among in _by_many(streams)]
    return sum(cast("int", count) for ((count,),) in found)


async def _drop(backend: Backend, streams: Iterable[str]) -> int:
    """Drop the snapshots of these streams, and say how many."""
    if not backend.capabilities.sql:
        return 0
    dropped = [await backend.work([Own(_DROP, among)]) for among in _by_many(streams)]
    return sum(len(rows) for (rows,) in dropped)


def _by_many(streams: Iterable[str]) -> Iterator[Mapping[str, SqlValue]]:
    """As parameters; so that there is one text for all, the last that is there stands for those that are not."""
    names = tuple(streams)
    for start in range(0, len(names), _MANY):
        last = min(start + _MANY, len(names)) - 1
        yield {f"s{number}": names[min(start + number, last)] for number in range(_MANY)}


async def _tell(backend: Backend, runtime: Runtime, stream: str, subject: str, key: bytes, context: Context) -> None:
    """Say it once for a key that was destroyed, under an id that follows from the key's: who was first has said it for all."""
    rows = prepare(runtime, [NewEvent(SubjectForgotten(subject), id=UUID(bytes=key))], Cause.of(context))
    await commit(backend, runtime, Append((Write(stream, rows),), runtime.clock.now()))
