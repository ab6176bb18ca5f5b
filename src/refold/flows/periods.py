"""Work with the period that a thing is in: found with one read, and closed and followed by the next in one append."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Generic, TypeVar

from msgspec import Struct

from refold.closing import Closing, periods_of
from refold.commands import Commands
from refold.errors import Conflict, NoSuchVersion
from refold.flows.commit import commit
from refold.flows.load import AsOf, Loaded, is_version, known, load, of_rows, true_at
from refold.flows.prepare import Cause, Runtime, checked_stream, instant, prepare
from refold.flows.read import all_rows
from refold.flows.transact import ATTEMPTS, Handled, handle, request_of
from refold.fold import decided
from refold.messages import Context, NewEvent, Position, StreamName, parsed, spec_of
from refold.ports import (
    AlreadyAsked,
    Append,
    Appended,
    Backend,
    Conflicted,
    InStream,
    Matching,
    Outcome,
    Request,
    Selection,
    Write,
)
from refold.query import NO_STREAM, AppendCondition
from refold.rows import Row

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")


class Period(Struct, frozen=True):
    """The stream of a period, and the position of the event that opened it, 0 for the first."""

    stream: StreamName
    opened_at: int


async def current(backend: Backend, closing: Closing[C, S, E], id: str, as_of: AsOf | None = None) -> Period:
    """The period that a thing is in, or was in at a time or a position."""
    newest = Selection(Matching(closing.openings(id)), backward=True, limit=1)
    opened = await backend.read(known(newest, as_of))
    return Period(parsed(opened[0].stream), opened[0].position) if opened else Period(closing.stream(id), 0)


async def newest_of(backend: Backend, stream: StreamName) -> StreamName | None:
    """The stream that a thing has gone on in, if a stream is a period of it that is closed."""
    openings = periods_of(stream)
    if openings is None:
        return None
    opened = await backend.read(Selection(Matching(openings), backward=True, limit=1))
    newest = parsed(opened[0].stream) if opened else stream
    return None if newest == stream else newest


async def load_period(
    backend: Backend,
    runtime: Runtime,
    closing: Closing[C, S, E],
    id: str,
    as_of: AsOf | None = None,
    valid_at: datetime | None = None,
) -> Loaded[S]:
    """The state of a thing, whatever the period; the version is that of the period's stream.

    Raises:
        NoSuchVersion: `as_of` is a version, which counts over all periods, and there were not so many events.
    """
    if valid_at is not None:
        rows = true_at(instant("valid_at", valid_at), await _known_rows(backend, closing, id, as_of))
        return of_rows(runtime, closing.decider, sorted(rows, key=lambda row: not _carries_over(closing, row)))
    if is_version(as_of):
        stream, version = await _at_version(backend, closing, id, as_of)
        return await load(backend, runtime, closing.decider, stream.id, version)
    period = await current(backend, closing, id, as_of)
    return await load(backend, runtime, closing.decider, period.stream.id, as_of)


async def _at_version(backend: Backend, closing: Closing[C, S, E], id: str, version: int) -> tuple[StreamName, int]:
    """The period in which the event stands that is so many-th of a thing, and its version there."""
    before = 0
    for stream in await periods(backend, closing, id):
        held = await backend.version(str(stream))
        if before <= version <= before + held:
            return stream, version - before
        before += held
    raise NoSuchVersion(closing.stream(id), version, before, ", counted over all its periods")


async def _known_rows(backend: Backend, closing: Closing[C, S, E], id: str, as_of: AsOf | None) -> Sequence[Row]:
    """The events of all periods, oldest first, without those that open a period and so repeat what the one before says."""
    last, until = await _at_version(backend, closing, id, as_of) if is_version(as_of) else (None, None)
    rows: list[Row] = []
    for stream in await periods(backend, closing, id):
        selection = known(Selection(InStream(str(stream))), as_of)
        told = [row async for row in all_rows(backend, selection) if stream != last or row.version <= (until or 0)]
        follows = bool(rows) and closing.period_of(parsed(rows[-1].stream)) == closing.period_of(stream) - 1
        rows = [*rows, *told[1:]] if follows or not told else told
        if stream == last:
            break
    return rows


def _carries_over(closing: Closing[C, S, E], row: Row) -> bool:
    """Whether an event opens a period: of such, only the first is ever among those of `_known_rows`."""
    return row.version == 1 and closing.period_of(parsed(row.stream)) > 1


async def periods(backend: Backend, closing: Closing[C, S, E], id: str) -> Sequence[StreamName]:
    """The streams of all periods of a thing, oldest first."""
    openings = all_rows(backend, Selection(Matching(closing.openings(id))))
    return [closing.stream(id), *[parsed(row.stream) async for row in openings]]


async def handle_in_period(
    backend: Backend,
    runtime: Runtime,
    closing: Closing[C, S, E],
    id: str,
    command: C,
    context: Context,
    key: str | None,
    *,
    keeping: Commands | None = None,
) -> Handled[S, E]:
    """Let the decider decide upon a command in the current period; if it yields the closing event, open the next with it.

    `keeping`: its events bring it along, but for the opening one, which it did not lead to.

    Raises:
        UsageError: the command's class is not marked, or cannot be kept; something follows the closing event, or the opening
            event does not carry the state over.
        KeyReused: the idempotency key belongs to another request.
        Conflict: other writers were first a thousand times.
    """
    spec = spec_of(type(command), "command")
    cause = Cause.of_command(context, runtime.clock.new_id(), spec.name)
    kept = None if keeping is None else keeping.kept(command)
    if key is not None and (outcome := await backend.request(key)):
        return await handle(backend, runtime, closing.decider, _first(closing, id, outcome), command, context, key)
    for left in reversed(range(ATTEMPTS)):
        period = await current(backend, closing, id)
        loaded = await load(backend, runtime, closing.decider, period.stream.id)
        stream = checked_stream(period.stream)
        request = None if key is None else request_of(key, command, stream)
        decided = _decided(runtime, closing, period, loaded, command, cause, request, kept=kept)
        if not decided.events and request is None:
            return Handled(loaded.state, loaded.version, (), loaded.position)
        result = await commit(backend, runtime, decided.append)
        match result:
            case Appended(positions):
                position = Position(positions[-1]) if positions else loaded.position
                return Handled(decided.state, loaded.version + len(decided.events), decided.events, position)
            case Conflicted(failures):
                if not left:
                    raise Conflict(failures)
            case AlreadyAsked(outcome):
                return await handle(
                    backend, runtime, closing.decider, _first(closing, id, outcome), command, context, key
                )
    raise AssertionError  # the last attempt returned or raised


class _Decided(Struct, Generic[S, E], frozen=True):
    events: tuple[E, ...]
    state: S
    append: Append


def _decided(
    runtime: Runtime,
    closing: Closing[C, S, E],
    period: Period,
    loaded: Loaded[S],
    command: C,
    cause: Cause,
    request: Request | None,
    *,
    kept: str | None,
) -> _Decided[S, E]:
    """What is to be appended, unless the next period was opened meanwhile."""
    id, events = closing.id_of(period.stream), decided(closing.decider.decide(command, loaded.state))
    after = closing.decider(events, loaded.state)
    rows = prepare(runtime, events, cause.keeping(kept))
    writes = [Write(checked_stream(period.stream), rows, loaded.version)] if rows else []
    if closing.ends(events):
        following = checked_stream(closing.stream(id, closing.period_of(period.stream) + 1))
        opening = NewEvent(closing.opened_with(after), tags=frozenset({closing.tag(id)}))
        writes.append(Write(following, prepare(runtime, (opening,), cause), NO_STREAM))
    still_open = AppendCondition(closing.openings(id), period.opened_at)
    return _Decided(events, after, Append(tuple(writes), runtime.clock.now(), (still_open,), request))


def _first(closing: Closing[C, S, E], id: str, outcome: Outcome) -> str:
    """The period that decided upon a request before, as an id; if it was no period of this thing, the thing itself."""
    stream = parsed(outcome.stream)
    is_its_own = stream.category == closing.decider.category and closing.id_of(stream) == id
    return stream.id if is_its_own else id
