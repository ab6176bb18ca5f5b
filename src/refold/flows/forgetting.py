"""Forgetting: the key of whom personal data are about is destroyed, and what was derived of them in the store with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

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


_COUNT: Final = "select count(*) from {refold}snapshots where stream = :stream"
_DROP: Final = "delete from {refold}snapshots where stream = :stream"


async def forget(
    backend: Backend, runtime: Runtime, subject: str, context: Context, *, only_look: bool = False
) -> Forgotten:
    """Destroy the keys of a subject, drop the snapshots of its streams, and append that it was forgotten.

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
    if not only_look:  # from here on there is no way back, so all that could be refused was read before
        sealing.destroy(subject, runtime.clock.now())
        _drop_states(runtime, streams)
    snapshots = await _drop_snapshots(backend, streams, only_look=only_look)
    if not only_look:
        for key in known:
            if key not in told:
                await _tell(backend, runtime, str(stream), subject, key, context)
    return Forgotten(subject, len(known), events, streams, snapshots)


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


def _drop_states(runtime: Runtime, streams: Sequence[str]) -> None:
    """Out of the memory of this process."""
    for cache in (runtime.caches or {}).values():
        for stream in streams:
            cache.forget(stream)


async def _drop_snapshots(backend: Backend, streams: Sequence[str], *, only_look: bool) -> int:
    if not (backend.capabilities.sql and streams):
        return 0
    dropped = 0
    for stream in streams:
        ((count,),) = await backend.query(Own(_COUNT, {"stream": stream}))
        dropped += int(str(count))
        if count and not only_look:
            await backend.work([Own(_DROP, {"stream": stream})])
    return dropped


async def _tell(backend: Backend, runtime: Runtime, stream: str, subject: str, key: bytes, context: Context) -> None:
    """Say it once for a key that was destroyed, under an id that follows from the key's: who was first has said it for all."""
    rows = prepare(runtime, [NewEvent(SubjectForgotten(subject), id=UUID(bytes=key))], Cause.of(context))
    await commit(backend, runtime, Append((Write(stream, rows),), runtime.clock.now()))
