"""Decide on a model of several folds: read what its query selects, append if nothing more was added to that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar, TypeVarTuple, cast

from msgspec import Struct

from refold.errors import Conflict
from refold.flows.prepare import Cause, Runtime, checked_stream, prepare
from refold.flows.read import all_rows, opened
from refold.flows.transact import ATTEMPTS
from refold.fold import DecisionModel
from refold.messages import Context, Position, StreamName
from refold.ports import Append, Appended, Backend, Conflicted, Matching, Selection, Write
from refold.query import AppendCondition

E = TypeVar("E")
Ss = TypeVarTuple("Ss")


class Decided(Struct, Generic[E], frozen=True):
    """What came of a decision: its events, and the position to wait for."""

    events: tuple[E, ...]
    position: Position


async def decide(
    backend: Backend,
    runtime: Runtime,
    model: DecisionModel[*Ss],
    decision: Callable[[*Ss], Iterable[E]],
    stream: StreamName | str,
    context: Context,
) -> Decided[E]:
    """Append to `stream` what `decision` yields for the states of the model, within the model's boundary.

    Raises:
        Conflict: others appended within the boundary first, a hundred times.
    """
    name = checked_stream(stream)
    cause = Cause.of_command(
        context, runtime.clock.new_id(), getattr(decision, "__qualname__", type(decision).__name__)
    )
    states, after = model.initial(), 0
    for left in reversed(range(ATTEMPTS)):
        states, after = await _consumed(backend, runtime, model, states, after)
        events = tuple(decision(*cast("tuple[*Ss]", states)))
        if not events:
            return Decided((), Position(after))
        rows = prepare(runtime, events, cause)
        condition = AppendCondition(model.query, after)
        result = await backend.append(Append((Write(name, rows),), runtime.clock.now(), (condition,)))
        if isinstance(result, Appended):
            return Decided(events, Position(result.positions[-1]))
        if isinstance(result, Conflicted) and not left:
            raise Conflict(result.failures)
    raise AssertionError  # the last attempt returned or raised


async def _consumed(
    backend: Backend, runtime: Runtime, model: DecisionModel[*Ss], states: tuple[Any, ...], after: int
) -> tuple[tuple[Any, ...], int]:
    decoders = runtime.codec.decoders(model.event_types)
    async for row in all_rows(backend, Selection(Matching(model.query), after)):
        event = opened(decoders, row)
        states = model.evolve(states, event.data, event.type, event.tags)
        after = row.position
    return states, after
