"""Append: events to a stream, as they are given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from msgspec import Struct

from refold.clock import as_uuid
from refold.errors import Conflict, InvalidEvent
from refold.flows.again import known_before, listed
from refold.flows.commit import commit
from refold.flows.conditions import commit_if
from refold.flows.prepare import Cause, Runtime, checked_expected, checked_stream, prepare
from refold.messages import Context, Position, StreamName
from refold.ports import Append, Appended, Backend, Conflicted, Write
from refold.query import AppendCondition, ExpectedVersion, checked_condition
from refold.rows import NewRow


class Receipt(Struct, frozen=True):
    """What an append led to: the stream's version after it, and the ids and positions of the events.

    `repeated`: these ids stood in the store already, so this is the first outcome, and nothing was appended now.
    """

    version: int
    positions: tuple[Position, ...]
    ids: tuple[UUID, ...]
    repeated: bool = False

    @property
    def position(self) -> Position:
        """The position of the last event: the token to wait for."""
        return self.positions[-1]


async def append(
    backend: Backend,
    runtime: Runtime,
    stream: StreamName | str,
    events: Iterable[object],
    *,
    expected: ExpectedVersion,
    condition: AppendCondition | None,
    context: Context,
) -> Receipt:
    """Append events to one stream, all or none.

    Raises:
        Conflict: the stream is not as expected, or the condition does not hold; all that failed is told.
        InvalidName, InvalidEvent, TooLarge, IdReused: refused; nothing was written.
    """
    name = checked_stream(stream)
    if condition is not None:
        checked_condition(condition)
    cause, given = Cause.of(context), listed(events)
    if known := await known_before(backend, runtime, [(name, given)], cause):
        (written,), first = known
        return _receipt(written.rows, first)
    rows = prepare(runtime, given, cause)
    if not rows:
        raise InvalidEvent(f"an append of nothing to stream {name!r}: give at least one event.")
    writes = (Write(name, rows, checked_expected(expected)),)
    if condition is None:
        result = await commit(backend, runtime, Append(writes, runtime.clock.now()))
    else:
        result = await commit_if(backend, runtime, Append(writes, runtime.clock.now(), (condition,)))
    match result:
        case Appended():
            return _receipt(rows, result)
        case Conflicted(failures):
            raise Conflict(failures)
        case _:
            raise AssertionError(result)  # an append without a request was never asked before


def _receipt(rows: Sequence[NewRow], appended: Appended) -> Receipt:
    ids = tuple(as_uuid(row.id) for row in rows)
    return Receipt(appended.versions[0], tuple(map(Position, appended.positions)), ids, appended.repeated)
