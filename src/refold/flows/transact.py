"""Decide and append; if another writer was first, decide again on what it wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from refold.codec import Form, form_of
from refold.commands import Commands
from refold.decoding import events_of
from refold.errors import Conflict, UsageError
from refold.flows.commit import commit
from refold.flows.forgotten import known_at
from refold.flows.handing import hand_on, take_over
from refold.flows.load import Loaded, advance, as_loaded, folded, load, reached
from refold.flows.prepare import Cause, Runtime, prepare, stream_of
from refold.fold import Decider, Fold, decided
from refold.messages import Context, Position, checked_name, spec_of
from refold.ports import (
    AlreadyAsked,
    Append,
    Appended,
    Backend,
    Conflicted,
    Outcome,
    Request,
    StreamCheck,
    StreamMoved,
    Write,
)
from refold.repeats import asked_before

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")

ATTEMPTS: Final = 1_000
"""How often a decision is taken when others keep appending first. Each lost attempt is another writer's success."""


class Handled(Struct, Generic[S, E], frozen=True):
    """What came of a command: the state after it, the stream's version, the events, and the position to wait for.

    `repeated`: the idempotency key was known, so this is the first outcome, and nothing was appended now. `began`, `cost` and
    `since`: as in `Loaded`, of the state that was decided upon.
    """

    state: S
    version: int
    events: tuple[E, ...]
    position: Position
    repeated: bool = False
    began: int = 0
    cost: int = 0
    since: int | None = None


def kind_of(decision: object) -> str:
    """A name for all runs of one decision, by which it is remembered whether they are slow."""
    return f"{getattr(decision, '__module__', '')}.{getattr(decision, '__qualname__', type(decision).__qualname__)}"


async def handle(
    backend: Backend,
    runtime: Runtime,
    decider: Decider[C, S, E],
    id: str,
    command: C,
    context: Context,
    key: str | None = None,
    *,
    keeping: Commands | None = None,
) -> Handled[S, E]:
    """Let the decider decide upon a command. `keeping`: its events bring it along.

    Raises:
        UsageError: the command's class is not marked with `@command`, or it cannot be kept.
        InvalidEvent: it is to be kept, and would not read back equal.
        KeyReused: the idempotency key belongs to another request.
    """
    spec = spec_of(type(command), "command")
    cause = Cause.of_command(context, runtime.clock.new_id(), spec.name)
    cause = cause.keeping(None if keeping is None else keeping.kept(command))
    request = None if key is None else request_of(key, command, stream_of(decider, id))
    return await transact(backend, runtime, decider, id, lambda state: decider.decide(command, state), cause, request)


async def do(
    backend: Backend,
    runtime: Runtime,
    fold: Fold[S, E],
    id: str,
    name: str,
    decision: Callable[[S], Iterable[E]],
    context: Context,
    *,
    keeping: Commands | None = None,
) -> Handled[S, E]:
    """Let a method of the state decide.

    Raises:
        UsageError: commands are to be kept, and a method is none.
    """
    if keeping is not None:
        raise UsageError(
            f"{fold.category}.{name} cannot be kept: a method that decides (`do`) has no wire name and no JSON. Hand a command "
            "to `handle`, or bind without keep_commands=True."
        )
    cause = Cause.of_command(context, runtime.clock.new_id(), f"{fold.category}.{name}")
    return await transact(backend, runtime, fold, id, decision, cause)


def request_of(key: str, command: object, stream: str) -> Request:
    """What an idempotency key is used for.

    Raises:
        InvalidName: the key.
    """
    form = form_of(type(command), spec_of(type(command), "command"))
    asked = _described(form, stream, form.written(command))
    before = None if form.encoded_before is None else _described(form, stream, form.encoded_before(command))
    return Request(checked_name("idempotency key", key), asked, stream, before)


def request_within(key: str, tags: Iterable[frozenset[str]], stream: str) -> Request:
    """What an idempotency key is used for by a decision on a model: a function has no name that outlasts the next release.

    Nor do the types that a fold takes. So it is told by the stream and the tags, those of each part.

    Raises:
        InvalidName: the key.
    """
    of_parts = msgspec.json.encode(sorted(map(sorted, tags)))
    return Request(checked_name("idempotency key", key), f"a decision on {stream} (tags {_digest(of_parts)})", stream)


def _described(form: Form, stream: str, data: bytes) -> str:
    return f"command {form.spec.name} on {stream} (data {_digest(data)})"


def _digest(data: bytes) -> str:
    import hashlib  # noqa: PLC0415 - OpenSSL is loaded when it is needed

    return hashlib.blake2b(data, digest_size=8).hexdigest()


async def transact(
    backend: Backend,
    runtime: Runtime,
    fold: Fold[S, E],
    id: str,
    decision: Callable[[S], Iterable[E]],
    cause: Cause,
    request: Request | None = None,
) -> Handled[S, E]:
    """Append what `decision` yields for the current state of the stream.

    The decision may run more than once: it must be a pure function of the state.

    Raises:
        Conflict: other writers were first a thousand times.
    """
    stream = stream_of(fold, id)
    if request and (outcome := await backend.request(request.key)):
        return await _recalled(backend, runtime, fold, id, request, outcome)
    asked = _Asked(stream, cause, request)
    known = take_over(backend, runtime, fold, stream) or await cached_state(backend, runtime, fold, stream)
    is_current = known is None
    loaded = await reached(backend, runtime, fold, stream) if known is None else known
    for left in reversed(range(ATTEMPTS)):
        decided = _decided(runtime, fold, decision, loaded, asked, is_current=is_current)
        if decided is None:
            loaded, is_current = await reached(backend, runtime, fold, stream), True
            continue
        events, after, append = decided
        if not events and request is None:
            return _handled(loaded, loaded.state, loaded.version, (), loaded.position)
        result = await commit(backend, runtime, append)
        match result:
            case Appended(positions):
                position = Position(positions[-1]) if positions else loaded.position
                version = loaded.version + len(events)
                hand_on(backend, runtime, fold, stream, Loaded(after, version, position))
                return _handled(loaded, after, version, events, position)
            case AlreadyAsked(outcome):
                return await _remembered(backend, runtime, fold, id, outcome)
            case Conflicted(failures):
                if not left:
                    raise Conflict(failures)
                loaded, is_current = await _after(backend, runtime, fold, loaded, stream, result), True
    raise AssertionError  # the last attempt returned or raised


async def cached_state(backend: Backend, runtime: Runtime, fold: Fold[S, E], stream: str) -> Loaded[S] | None:
    """What this process knows of the stream, which may have more: the store is asked only whether somebody was forgotten."""
    if not runtime.shortcuts or runtime.verifying:
        return None
    shortcut = runtime.shortcuts.get(fold)
    if shortcut is None or shortcut.cache is None or shortcut.cache.get(stream) is None:
        return None
    is_personal = runtime.codec.decoders(fold.event_types).personal
    known = shortcut.cache.known(stream, await known_at(backend, runtime) if is_personal else None)
    return None if known is None else as_loaded(known)


def _decided(
    runtime: Runtime,
    fold: Fold[S, E],
    decision: Callable[[S], Iterable[E]],
    loaded: Loaded[S],
    asked: _Asked,
    *,
    is_current: bool,
) -> tuple[tuple[E, ...], S, Append] | None:
    """The events, the state after them, and the append; `None` if the state may be old, and no append would find that out."""
    try:
        events = decided(decision(loaded.state))
        after = fold(
            events, loaded.state
        )  # before they are facts: what its own fold cannot take is no event of the stream
        if not events and not is_current:
            return None
        return events, after, _append(runtime, asked, events, loaded.version)
    except Exception:
        if is_current:
            raise
        return None


class _Asked(Struct, frozen=True):
    stream: str
    cause: Cause
    request: Request | None


def _append(runtime: Runtime, asked: _Asked, events: tuple[Any, ...], version: int) -> Append:
    rows = prepare(runtime, events, asked.cause)
    if rows:
        return Append((Write(asked.stream, rows, version),), runtime.clock.now(), request=asked.request)
    decided_on = StreamCheck(asked.stream, version)  # so that the outcome that is remembered is the one that is told
    return Append((), runtime.clock.now(), (decided_on,), asked.request)


def _handled(loaded: Loaded[Any], after: S, version: int, events: tuple[E, ...], position: Position) -> Handled[S, E]:
    return Handled(after, version, events, position, began=loaded.began, cost=loaded.cost, since=loaded.since)


async def _after(
    backend: Backend, runtime: Runtime, fold: Fold[S, E], loaded: Loaded[S], stream: str, conflicted: Conflicted
) -> Loaded[S]:
    """The state after what others appended: from the tail that came with the conflict, without a second load."""
    for failure in conflicted.failures:
        if isinstance(failure, StreamMoved) and failure.actual < loaded.version:
            return await reached(backend, runtime, fold, stream)  # events that were there are gone, and so the state
        if isinstance(failure, StreamMoved) and failure.tail:
            loaded = folded(fold, runtime.codec.decoders(fold.event_types), loaded, stream, failure.tail)
            if failure.complete:
                return loaded
    return await advance(backend, runtime, fold, loaded, stream)


async def _recalled(
    backend: Backend, runtime: Runtime, fold: Fold[S, E], id: str, request: Request, outcome: Outcome
) -> Handled[S, E]:
    asked_before(request, outcome)
    return await _remembered(backend, runtime, fold, id, outcome)


async def _remembered(backend: Backend, runtime: Runtime, fold: Fold[S, E], id: str, outcome: Outcome) -> Handled[S, E]:
    """The first outcome again: the state as it was after it, and its events."""
    before = await load(
        backend, runtime, fold, id, Position(outcome.first_position - 1) if outcome.first_position else outcome.version
    )
    decoders = runtime.codec.decoders(fold.event_types)
    after, events = before, list[E]()
    while after.version < outcome.version and (
        page := await backend.payloads(outcome.stream, after.version, outcome.version)
    ):
        after = folded(fold, decoders, after, outcome.stream, page)
        for version, position, type, schema_version, data in page:
            events += events_of(decoders, type, schema_version, data, outcome.stream, version, position)
    position = Position(outcome.last_position) if outcome.last_position else after.position
    return Handled(after.state, after.version, tuple(events), position, repeated=True)
