"""Work with the period that a thing is in: found with one read, and closed and followed by the next in one append."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Generic, TypeVar

from msgspec import Struct

from refold.closing import Closing
from refold.errors import Conflict, UsageError
from refold.flows.commit import commit
from refold.flows.load import Loaded, load
from refold.flows.prepare import Cause, Runtime, checked_stream, instant, prepare
from refold.flows.read import all_rows
from refold.flows.transact import ATTEMPTS, Handled, handle, request_of
from refold.messages import Context, NewEvent, Position, StreamName, parsed, spec_of
from refold.ports import (
    AlreadyAsked,
    Append,
    Appended,
    Backend,
    Conflicted,
    Matching,
    Outcome,
    Request,
    Selection,
    Write,
)
from refold.query import NO_STREAM, AppendCondition

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")


class Period(Struct, frozen=True):
    """The stream of a period, and the position of the event that opened it, 0 for the first."""

    stream: StreamName
    opened_at: int


async def current(
    backend: Backend, closing: Closing[C, S, E], id: str, as_of: datetime | Position | None = None
) -> Period:
    """The period that a thing is in, or was in then.

    Raises:
        UsageError: `as_of` is a version, which each period has.
    """
    if type(as_of) is int:
        raise UsageError(f"as_of={as_of!r} is a version, and each period has that: give a time or Position({as_of}).")
    newest = Selection(
        Matching(closing.openings(id)),
        backward=True,
        limit=1,
        position_until=as_of if isinstance(as_of, Position) else None,
        recorded_until=instant("as_of", as_of) if isinstance(as_of, datetime) else None,
    )
    opened = await backend.read(newest)
    return Period(parsed(opened[0].stream), opened[0].position) if opened else Period(closing.stream(id), 0)


async def load_period(
    backend: Backend, runtime: Runtime, closing: Closing[C, S, E], id: str, as_of: datetime | Position | None
) -> Loaded[S]:
    """The state of a thing, whatever the period; the version is that of the period's stream."""
    period = await current(backend, closing, id, as_of)
    return await load(backend, runtime, closing.decider, period.stream.id, as_of)


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
) -> Handled[S, E]:
    """Let the decider decide upon a command in the current period; if it yields the closing event, open the next with it.

    Raises:
        UsageError: the command's class is not marked, something follows the closing event, or the opening event does not
            carry the state over.
        KeyReused: the idempotency key belongs to another request.
        Conflict: other writers were first a hundred times.
    """
    spec = spec_of(type(command), "command")
    cause = Cause.of_command(context, runtime.clock.new_id(), spec.name)
    if key is not None and (outcome := await backend.request(key)):
        return await handle(backend, runtime, closing.decider, _first(closing, id, outcome), command, context, key)
    for left in reversed(range(ATTEMPTS)):
        period = await current(backend, closing, id)
        loaded = await load(backend, runtime, closing.decider, period.stream.id)
        stream = checked_stream(period.stream)
        request = None if key is None else request_of(key, command, stream)
        decided = _decided(runtime, closing, period, loaded, command, cause, request)
        if not decided.events and request is None:
            return Handled(loaded.state, loaded.version, (), Position(loaded.position))
        result = await commit(backend, runtime, decided.append)
        match result:
            case Appended(positions):
                position = Position(positions[-1] if positions else loaded.position)
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
) -> _Decided[S, E]:
    """What is to be appended, unless the next period was opened meanwhile."""
    id, events = closing.id_of(period.stream), tuple(closing.decider.decide(command, loaded.state))
    after = closing.decider(events, loaded.state)
    writes = [Write(checked_stream(period.stream), prepare(runtime, events, cause), loaded.version)] if events else []
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
