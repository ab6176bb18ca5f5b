"""Append together: events to several streams, with checks on what is not written, all or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from msgspec import Struct
from msgspec.structs import replace

from refold.clock import as_uuid
from refold.errors import Conflict, InvalidEvent, UsageError, shortened
from refold.flows.again import known_before, listed
from refold.flows.append import Receipt
from refold.flows.conditions import commit_if
from refold.flows.prepare import Cause, Runtime, check_batch, checked_expected, checked_stream, prepare
from refold.messages import Context, Position, StreamName, several
from refold.ports import Append, Appended, Backend, Check, Conflicted, StreamCheck, Write
from refold.query import Expected, ExpectedVersion, checked_condition


class StreamWrite(Struct, frozen=True):
    """Events for one of several streams, and what the writer expects of it; `NewEvent` around one sets its id or times."""

    stream: StreamName | str
    events: Sequence[object]
    expected: ExpectedVersion = Expected.ANY


async def append_all(
    backend: Backend,
    runtime: Runtime,
    writes: Iterable[StreamWrite | Write],
    *,
    checks: Sequence[Check],
    context: Context,
) -> tuple[Receipt, ...]:
    """Append to several streams, each once.

    A `Write` holds rows that `prepare` has made before. Its stream may come again, so that the order of the rows over all
    streams is kept; each is judged by what the stream was before the append.

    Raises:
        Conflict: a stream is not as expected, or a check does not hold; all that failed is told.
        UsageError: a stream is written twice.
        InvalidName, InvalidEvent, TooLarge, IdReused: refused; nothing was written.
    """
    cause = Cause.of(context)
    given = [_given(write) for write in several("writes", writes)]
    asked = [(checked_stream(write.stream), write.events) for write in given if isinstance(write, StreamWrite)]
    if len(asked) == len(given) and (known := await known_before(backend, runtime, asked, cause)):
        return tuple(_receipts(*known))
    prepared = _prepared(runtime, given, cause)
    checked = tuple(map(_checked, checks))
    result = await commit_if(backend, runtime, Append(prepared, runtime.clock.now(), checked))
    match result:
        case Appended():
            return tuple(_receipts(prepared, result))
        case Conflicted(failures):
            raise Conflict(failures)
        case _:
            raise AssertionError(result)  # an append without a request was never asked before


def _given(write: StreamWrite | Write) -> StreamWrite | Write:
    if isinstance(write, Write):
        return write
    if not isinstance(cast("object", write), StreamWrite):
        raise UsageError(f"append_all takes StreamWrite(stream, events), and was given {shortened(write)}.")
    return replace(write, events=listed(write.events))


def _prepared(runtime: Runtime, writes: Iterable[StreamWrite | Write], cause: Cause) -> tuple[Write, ...]:
    given = tuple(writes)
    prepared = tuple(write if isinstance(write, Write) else _write(runtime, write, cause) for write in given)
    if not prepared:
        raise InvalidEvent("an append of nothing: give at least one stream something to hold.")
    for stream, times in Counter(str(write.stream) for write in given if isinstance(write, StreamWrite)).items():
        if times > 1:
            raise UsageError(
                f"stream {stream!r} is written {times} times in one append: put its events into one StreamWrite."
            )
    check_batch(runtime.limits, [row for write in prepared for row in write.rows])
    return prepared


def _write(runtime: Runtime, write: StreamWrite, cause: Cause) -> Write:
    name = checked_stream(write.stream)
    rows = prepare(runtime, write.events, cause)
    if not rows:
        raise InvalidEvent(
            f"an append of nothing to stream {name!r}: give at least one event, or check it with checks=[StreamCheck(...)]."
        )
    return Write(name, rows, checked_expected(write.expected))


def _checked(check: Check) -> Check:
    if isinstance(check, StreamCheck):
        return StreamCheck(checked_stream(check.stream), checked_expected(check.expected))
    checked_condition(check)
    return check


def _receipts(writes: Sequence[Write], appended: Appended) -> Iterator[Receipt]:
    start = 0
    for write, version in zip(writes, appended.versions, strict=True):
        end = start + len(write.rows)
        positions = tuple(map(Position, appended.positions[start:end]))
        yield Receipt(version, positions, tuple(as_uuid(row.id) for row in write.rows), appended.repeated)
        start = end
