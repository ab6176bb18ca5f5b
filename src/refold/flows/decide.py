"""Decide on a model of several folds: read what its query selects, append if nothing more was added to that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Generic, TypeVar, TypeVarTuple, cast

from msgspec import Struct

from refold.errors import Conflict
from refold.flows.commit import commit
from refold.flows.live import Horizon
from refold.flows.prepare import Cause, Runtime, checked_stream, prepare
from refold.flows.read import all_rows, opened
from refold.flows.transact import ATTEMPTS, request_of, request_within
from refold.fold import DecisionModel, ScopedDecider, decided
from refold.messages import Context, Position, StreamName, spec_of
from refold.ports import (
    EVERYTHING,
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
from refold.query import AppendCondition
from refold.repeats import asked_before

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")
Ss = TypeVarTuple("Ss")


class Decided(Struct, Generic[E], frozen=True):
    """What came of a decision: its events, and the position to wait for.

    `repeated`: the idempotency key was known, so this is the first outcome, and nothing was appended now.
    """

    events: tuple[E, ...]
    position: Position
    repeated: bool = False


async def decide(
    backend: Backend,
    runtime: Runtime,
    model: DecisionModel[*Ss],
    decision: Callable[[*Ss], Iterable[E]],
    stream: StreamName | str,
    context: Context,
    key: str | None = None,
) -> Decided[E]:
    """Append to `stream` what `decision` yields for the states of the model, within the model's boundary.

    Raises:
        KeyReused: the idempotency key belongs to another request.
        Conflict: others appended within the boundary first, a thousand times.
    """
    into = checked_stream(stream)
    name = getattr(decision, "__qualname__", type(decision).__name__)
    cause = Cause.of_command(context, runtime.clock.new_id(), name)
    request = None if key is None else request_within(key, [part.tags for part in model.parts], into)
    return await _decide(backend, runtime, model, decision, into, cause, request)


async def handle_within(
    backend: Backend,
    runtime: Runtime,
    decider: ScopedDecider[C, S, E],
    command: C,
    stream: StreamName | str,
    context: Context,
    key: str | None,
) -> Decided[E]:
    """Let a decider that is bound to a query decide upon a command.

    Raises:
        UsageError: the command's class is not marked with `@command`.
        KeyReused: the idempotency key belongs to another request.
        Conflict: others appended within the boundary first, a thousand times.
    """
    name = checked_stream(stream)
    cause = Cause.of_command(context, runtime.clock.new_id(), spec_of(type(command), "command").name)
    request = None if key is None else request_of(key, command, name)
    model = DecisionModel[S]((decider,))
    return await _decide(backend, runtime, model, lambda state: decider.decide(command, state), name, cause, request)


async def _decide(
    backend: Backend,
    runtime: Runtime,
    model: DecisionModel[*Ss],
    decision: Callable[[*Ss], Iterable[E]],
    stream: str,
    cause: Cause,
    request: Request | None,
) -> Decided[E]:
    if request and (outcome := await backend.request(request.key)):
        return await _remembered(backend, runtime, model, asked_before(request, outcome).outcome)
    states, after = model.initial(), 0
    for left in reversed(range(ATTEMPTS)):
        until = None if model.guard is None else await backend.head()  # first the bound, then the rows
        states, after = await _consumed(backend, runtime, model, states, after, until)
        events = decided(decision(*cast("tuple[*Ss]", states)))
        if not events and request is None:
            return Decided((), Position(after))
        rows = prepare(runtime, events, cause)
        writes = (Write(stream, rows),) if rows else ()
        condition = AppendCondition(runtime.codec.stored(model.guard or model.query), after)
        result = await commit(backend, runtime, Append(writes, runtime.clock.now(), (condition,), request))
        match result:
            case Appended(positions):
                return Decided(events, Position(positions[-1] if positions else after))
            case AlreadyAsked(outcome):
                return await _remembered(backend, runtime, model, outcome)
            case Conflicted(failures):
                if not left:
                    raise Conflict(failures)
    raise AssertionError  # the last attempt returned or raised


async def state_within(
    backend: Backend, runtime: Runtime, decider: ScopedDecider[Any, S, Any], as_of: datetime | Position | None
) -> S:
    """The state after all that a decider's query selects of what the store knew then.

    Raises:
        UsageError: `as_of` is a version, or no place in a history.
    """
    model = DecisionModel[S]((decider,))
    until = None if as_of is None else await Horizon(as_of).of(backend)
    states, _ = await _consumed(backend, runtime, model, model.initial(), 0, until)
    state: S = states[0]
    return state


async def _consumed(
    backend: Backend,
    runtime: Runtime,
    model: DecisionModel[*Ss],
    states: tuple[Any, ...],
    after: int,
    until: int | None,
) -> tuple[tuple[Any, ...], int]:
    """The states after what the model selects beyond a position, and the position up to which that was looked for."""
    decoders = runtime.codec.selecting(model.event_types)
    selection = Selection(Matching(runtime.codec.stored(model.query)), after, position_until=until)
    async for row in all_rows(backend, selection):
        for event in opened(decoders, row):
            states = model.evolve(states, event.data, event.type, event.tags)
        after = row.position
    return states, after if until is None else until


async def _remembered(backend: Backend, runtime: Runtime, model: DecisionModel[*Ss], outcome: Outcome) -> Decided[Any]:
    """The first outcome again: the events that it appended, which may be others than those that the model takes.

    Of an outcome without events is not known which ones it was decided upon: they stand up to the head.
    """
    if not outcome.first_position:
        return Decided((), Position(await backend.head()), repeated=True)
    runtime.codec.decoders(model.event_types)  # known from now on
    decoders = runtime.codec.known
    between = Selection(EVERYTHING, outcome.first_position - 1, position_until=outcome.last_position)
    events = tuple([event.data async for row in all_rows(backend, between) for event in opened(decoders, row)])
    return Decided(events, Position(outcome.last_position), repeated=True)
