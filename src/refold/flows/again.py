"""Again: an append about somebody who was forgotten since is known by its ids, so that no new key is made for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from msgspec.structs import replace

from refold.flows.prepare import Cause, Runtime, prepare
from refold.messages import NewEvent
from refold.ports import Append, Appended, Backend, Write
from refold.repeats import repeated


async def known_before(
    backend: Backend, runtime: Runtime, asked: Iterable[tuple[str, Sequence[object]]], cause: Cause
) -> tuple[Sequence[Write], Appended] | None:
    """What was written under the ids of these events, by their streams, if they are about somebody who was forgotten.

    Raises:
        IdReused: it was something else.
    """
    given = tuple(asked)
    if not any(
        _is_about_forgotten(runtime, event) for _, events in given if isinstance(events, tuple) for event in events
    ):
        return None
    plain = plainly(runtime)
    writes = tuple(Write(stream, prepare(plain, events, cause)) for stream, events in given)
    first = await _first(backend, runtime, writes)
    return None if first is None else (writes, first)


def plainly(runtime: Runtime) -> Runtime:
    """For rows that are compared, and never written: no key is made for what they hold."""
    return replace(runtime, codec=runtime.codec.unsealed)


async def was_written(backend: Backend, runtime: Runtime, writes: Iterable[Write]) -> bool:
    """Whether all of this was written before.

    Raises:
        IdReused: only a part of it, or something else under its ids.
    """
    return await _first(backend, runtime, tuple(writes)) is not None


async def _first(backend: Backend, runtime: Runtime, writes: tuple[Write, ...]) -> Appended | None:
    found = await backend.find([row.id for write in writes for row in write.rows])
    return repeated(Append(writes, runtime.clock.now(), same=runtime.codec.same), found)


def listed(events: Iterable[object]) -> Sequence[object]:
    """Events that may be gone through twice. What is no collection of them is told by `prepare`."""
    return tuple(events) if hasattr(events, "__iter__") else cast("Sequence[object]", events)


def _is_about_forgotten(runtime: Runtime, event: object) -> bool:
    if not isinstance(event, NewEvent) or event.id is None:
        return False
    return runtime.codec.is_about_forgotten(cast("NewEvent[object]", event).data)
