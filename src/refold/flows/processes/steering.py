"""Steering: what an operator does to an instance. Each is an event in its journal, with who did it and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar, cast

from msgspec import Struct
from msgspec.structs import replace

from refold.clock import as_uuid
from refold.errors import NoSuchInstance, UsageError
from refold.flows.append import Receipt
from refold.flows.commit import commit
from refold.flows.follow import checked_timeout
from refold.flows.prepare import Cause, Runtime, prepare
from refold.flows.processes.consuming import consumer, consumer_name
from refold.flows.processes.instance import beginning, journal_of, loaded
from refold.flows.processes.journal import CancelAsked, InputsRetried, InputsSkipped, Retried, Skipped, Started
from refold.flows.processes.listing import Standing, parked_inputs, standing
from refold.flows.processes.outgoing import Made, Outgoing, noted, outgoing, settle
from refold.flows.processes.reactions import KeptFailed, reaction
from refold.flows.processes.timers import ALL
from refold.flows.projections import retrying
from refold.flows.projections.dead_letters import DeadLetter
from refold.flows.projections.mending import rows_at
from refold.flows.projections.status import runners
from refold.flows.read import all_rows, opened, opened_all
from refold.messages import Context, NewEvent, Position, Recorded, spec_of
from refold.ports import Append, Appended, Backend, InStream, Own, Pace, Selection, Unclaimed, Write
from refold.process import Process

T = TypeVar("T")

_AGAIN: Final = """
update {refold}outgoing set state = 'pending', attempts = 0, due = 0
where message = :message and state = 'parked' returning message"""
_LOOK: Final = 0.05
"""Seconds between two looks whether a runner has taken something in."""


class Asked(Struct, frozen=True):
    """What an operator asked for: why, and in whose name."""

    reason: str
    context: Context


class Cancelling(Struct, frozen=True):
    """What came of asking an instance to end: how it is now, and why; `told` says it in a sentence."""

    state: Standing
    reason: str
    told: str


class Mended(Struct, frozen=True):
    """How many parked inputs were taken in, and how many parked messages were let go; `parked`: how many inputs still are."""

    inputs: int
    messages: int
    parked: int


async def cancel(
    backend: Backend, runtime: Runtime, pace: Pace, process: Process[Any, Any], id: str, asked: Asked,
    timeout: float,  # noqa: ASYNC109 - the deadline is a pace's
) -> Cancelling:  # fmt: skip
    """Ask an instance to end, and wait for it if a runner runs the process. Inputs that are parked are skipped first.

    Raises:
        NoSuchInstance: nothing of it is known.
        UsageError: it has not begun, or the timeout is no time to wait.
    """
    checked_timeout(timeout)
    found = await _found(backend, runtime, process, id)
    if found[0] != "running":
        return Cancelling(*found, f"it was {found[0]} already, and nothing was done")
    await _skip_inputs(backend, runtime, process, id, asked)
    await into_journal(backend, runtime, process, id, CancelAsked(asked.reason), asked.context)
    return await _taken_in(backend, runtime, pace, process, id, timeout)


async def _taken_in(
    backend: Backend, runtime: Runtime, pace: Pace, process: Process[Any, Any], id: str, timeout: float  # noqa: ASYNC109
) -> Cancelling:  # fmt: skip
    name, deadline = consumer_name(process.name), pace.now() + timeout
    runs = any(serves.startswith(f"{name} v") for each in await runners(backend, runtime) for serves in each.serves)
    while True:
        state, reason = await _found(backend, runtime, process, id)
        if state != "running":
            return Cancelling(state, reason, f"it is {state}")
        if not runs or pace.now() >= deadline:
            why = f"the runner has not taken that in within {timeout:g} s" if runs else "no runner runs the process now"
            return Cancelling(state, reason, f"it is asked to end, and still running: {why}")
        await pace.pause(min(_LOOK, max(0.0, deadline - pace.now())))


async def _found(backend: Backend, runtime: Runtime, process: Process[Any, Any], id: str) -> tuple[Standing, str]:
    """One that was started, and that nobody has looked at yet, runs: what it is given now comes behind its beginning."""
    found = await standing(backend, process.name, id)
    if found is None:
        if await parked_inputs(backend, process.name, id):
            raise UsageError(
                f"instance {id!r} of process {process.name!r} has not begun: what came to it is parked. Retry or skip that."
            )
        if beginning(process, *await journal_of(backend, runtime, process, id)) is not None:
            return "running", ""
        found = await standing(backend, process.name, id)  # it may have begun meanwhile
    if found is None:
        raise NoSuchInstance(process.name, id)
    return found


async def retry(backend: Backend, runtime: Runtime, process: Process[Any, Any], id: str, asked: Asked) -> Mended:
    """Take in the parked inputs of an instance, in order, and let its parked messages be tried again.

    Raises:
        NoSuchInstance: nothing of it is known.
    """
    letters, messages = await _parked(backend, process, id)
    applied = 0
    if letters:
        await _note(backend, runtime, process, id, InputsRetried(asked.reason), asked)
        applied = await retrying.retry(backend, backend, runtime, consumer(runtime, process), id, None)
    tried = [await _retried(backend, runtime, process, message, asked) for message in messages]
    return Mended(applied, sum(tried), len(await parked_inputs(backend, process.name, id)))


async def _note(
    backend: Backend, runtime: Runtime, process: Process[Any, Any], id: str, entry: InputsRetried | InputsSkipped, asked: Asked
) -> None:  # fmt: skip
    """What is parked since no instance can have this id has no journal in which that would stand."""
    if process.can_have(id):
        await into_journal(backend, runtime, process, id, entry, asked.context)


async def _retried(
    backend: Backend, runtime: Runtime, process: Process[Any, Any], message: Outgoing, asked: Asked
) -> bool:
    made = Made(as_uuid(runtime.clock.new_id()), Retried(message.id, asked.reason), asked.context.actor)
    guard = Own(_AGAIN, {"message": str(message.id)}, must=True)
    try:
        await backend.within(lambda inside: noted(inside, runtime, process, message, made, guard))
    except Unclaimed:  # somebody else was quicker
        return False
    return True


async def skip(backend: Backend, runtime: Runtime, process: Process[Any, Any], id: str, asked: Asked) -> Mended:
    """Give up the input that an instance failed for, and all of its parked messages; what waited behind goes on.

    If it cannot begin because of an input that was kept until then, that one is given up, and it begins.

    Raises:
        NoSuchInstance: nothing of it is known.
        UsageError: the input tells what became of a saga's step.
    """
    letters, messages = await _parked(backend, process, id)
    applied = 0
    failed = [each for each in letters if each.state == "failed"][:1]
    if len(await _dispensable(backend, process, failed)) < len(failed):
        raise UsageError(
            f"the input at position {failed[0].position} tells what became of a step, and saga {process.name!r} would wait for "
            "that for ever: retry it with code that goes on from there. Nothing was skipped."
        )
    for letter in failed:
        kept = await _kept_that_fails(backend, runtime, process, id, letter)
        position = int(letter.position if kept is None else kept.position)
        await _note(backend, runtime, process, id, InputsSkipped([position], asked.reason), asked)
        taking = consumer(runtime, process)
        if kept is None:
            applied = await retrying.skip(backend, backend, runtime, taking, letter.position)
        else:
            applied = await retrying.retry(backend, backend, runtime, taking, id, None)
    given_up = [await _skipped(backend, runtime, process, message, asked) for message in messages]
    return Mended(applied, sum(given_up), len(await parked_inputs(backend, process.name, id)))


async def _kept_that_fails(
    backend: Backend, runtime: Runtime, process: Process[Any, Any], id: str, letter: DeadLetter
) -> Recorded[Any] | None:
    """The input that was kept until an instance begins, if it is that for which the one that is parked fails."""
    rows = await rows_at(backend, [letter.position])
    try:
        instance = await loaded(backend, runtime, process, id)
        for recorded in opened_all(runtime.codec.selecting(process.event_types), list(rows.values())):
            reaction(runtime, instance, recorded, in_turn=False)
    except KeptFailed as failed:
        return failed.kept
    except Exception:  # noqa: BLE001 - it fails for its own sake, or cannot even be read
        return None
    return None


async def _skipped(
    backend: Backend, runtime: Runtime, process: Process[Any, Any], message: Outgoing, asked: Asked
) -> bool:
    try:
        entry = Skipped(message.id, asked.reason, message.lane)
        await settle(backend, runtime, process, message, entry, actor=asked.context.actor)
    except Unclaimed:  # somebody else was quicker
        return False
    return True


async def _parked(
    backend: Backend, process: Process[Any, Any], id: str
) -> tuple[Sequence[DeadLetter], Sequence[Outgoing]]:
    letters = await parked_inputs(backend, process.name, id)
    if not letters and await standing(backend, process.name, id) is None:
        raise NoSuchInstance(process.name, id)
    return letters, await outgoing(backend, process, id, ALL, parked=True)


async def _skip_inputs(backend: Backend, runtime: Runtime, process: Process[Any, Any], id: str, asked: Asked) -> None:
    """Give up all that is parked and can be, the last first, so that nothing of it is taken in after all."""
    letters = await _dispensable(backend, process, await parked_inputs(backend, process.name, id))
    if letters:
        positions = [int(letter.position) for letter in letters]
        await _note(backend, runtime, process, id, InputsSkipped(positions, asked.reason), asked)
    for letter in reversed(letters):
        await retrying.skip(backend, backend, runtime, consumer(runtime, process), letter.position)


async def _dispensable(
    backend: Backend, process: Process[Any, Any], letters: Sequence[DeadLetter]
) -> Sequence[DeadLetter]:
    """Those that the process can go on without."""
    needed = {spec_of(cls).name for cls in process.cannot_miss}
    rows = await rows_at(backend, [letter.position for letter in letters] if needed else ())
    return [each for each in letters if each.position not in rows or rows[each.position].type not in needed]


async def start(
    backend: Backend, runtime: Runtime, process: Process[Any, Any], id: str, event: object, context: Context
) -> Receipt:
    """Begin an instance by an event of its own, unless there is one: then the receipt is of what began that, as a repeat.

    Raises:
        UsageError: no such event begins one.
        InvalidEvent, TooLarge: as for any append.
    """
    begins = process.starts_on or process.named
    data = _data_of(event)
    if type(data) not in begins:
        known = ", ".join(spec_of(cls).name for cls in begins)
        raise UsageError(f"process {process.name!r} is not begun by {data!r}: it is by {known}.")
    journal, rows = str(process.journal(id)), prepare(runtime, [event], Cause.of(context))
    begun = runtime.codec.selecting((Started, *begins))
    while True:
        version = 0
        async for row in all_rows(backend, Selection(InStream(journal))):
            if row.type in begun.stored and opened(begun, row):
                return Receipt(row.version, (Position(row.position),), (as_uuid(row.id),), repeated=True)
            version = row.version
        write = Write(journal, rows, version)
        result = await commit(backend, runtime, Append((write,), runtime.clock.now()))
        if isinstance(result, Appended):
            ids = tuple(as_uuid(row.id) for row in rows)
            return Receipt(result.versions[0], tuple(map(Position, result.positions)), ids, result.repeated)


async def signal(
    backend: Backend, runtime: Runtime, process: Process[Any, Any], id: str, event: object, context: Context
) -> Receipt:
    """Give an instance an event of its own, as an input.

    Raises:
        NoSuchInstance: nothing of it is known.
        UsageError: the process does not react to such an event, or the instance does not run.
        InvalidEvent, TooLarge: as for any append.
    """
    data = _data_of(event)
    if type(data) not in process.event_types:
        known = ", ".join(spec_of(cls).name for cls in process.event_types)
        raise UsageError(f"process {process.name!r} does not react to {data!r}: it does to {known}.")
    state, _ = await _found(backend, runtime, process, id)
    if state != "running":
        raise UsageError(f"instance {id!r} of process {process.name!r} is {state}: nothing concerns it any more.")
    return await into_journal(backend, runtime, process, id, event, context)


def _data_of(event: object) -> object:
    return cast("NewEvent[object]", event).data if isinstance(event, NewEvent) else event


async def into_journal(
    backend: Backend, runtime: Runtime, process: Process[Any, Any], id: str, event: object, context: Context
) -> Receipt:
    """Append an event to the journal of an instance, whose story it belongs to if it has none of its own."""
    journal = str(process.journal(id))
    cause = Cause.of(context)
    if cause.correlation_id is None:
        cause = replace(cause, correlation_id=await _story(backend, journal))
    rows = prepare(runtime, [event], cause)
    result = await commit(backend, runtime, Append((Write(journal, rows),), runtime.clock.now()))
    assert isinstance(result, Appended)  # noqa: S101 - nothing was expected
    positions, ids = tuple(map(Position, result.positions)), tuple(as_uuid(row.id) for row in rows)
    return Receipt(result.versions[0], positions, ids, result.repeated)


async def _story(backend: Backend, journal: str) -> str | None:
    first = await backend.read(Selection(InStream(journal), limit=1))
    return first[0].correlation_id if first else None
