"""Perform: what instances ask of the world outside is done there, at least once, and its answer comes back to them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from inspect import isawaitable, iscoroutine
from typing import Any, Final, TypeAlias, cast

import msgspec
from msgspec import Struct

from refold.codec import as_json, object_of
from refold.errors import Archived, OutcomeUnknown, StoreError, UsageError, shortened
from refold.external import Breaker, Call, EffectHandler
from refold.flows.prepare import Runtime
from refold.flows.processes.delivering import NOBODY, Deciders, Untaken, failed, hindered, read, told
from refold.flows.processes.instance import Instance, loaded
from refold.flows.processes.journal import Delivered, Message
from refold.flows.processes.orchestrating import UNDOING, Orchestrated
from refold.flows.processes.outgoing import Outgoing, given_up, held_back, park, settle
from refold.fold import Send
from refold.messages import spec_of
from refold.ports import Backend
from refold.process import Process
from refold.replaying import Run, returned
from refold.steps import Declined, Step, Want

Effects: TypeAlias = Mapping[str, EffectHandler[Any]]
"""Handlers of external effects by their name."""
Calling: TypeAlias = Callable[[Callable[..., Any], Sequence[Any], timedelta], Coroutine[Any, Any, object]]
"""Calls a function with arguments, at most for so long: an edge, since only there is known what waiting means."""
_CLOSED: Final = timedelta()


class Fuse:
    """A circuit breaker: how often an effect has failed in a row, and until when it is left alone."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker, self._failures, self._until = breaker, 0, 0.0
        self.why = ""
        """How it failed last."""
        self._turns: list[None] = [None]
        """Who takes it out may try after a pause. A list, since threads share it: only one of them finds something there."""

    def left(self, now: float) -> timedelta:
        """How long it is still left alone; nothing, if it may be tried: after a pause by one, and that tells."""
        if self._failures < self._breaker.failures:
            return _CLOSED
        if self._until > now:
            return timedelta(seconds=self._until - now)
        try:
            self._turns.pop()
        except IndexError:
            return NOBODY
        return _CLOSED

    def failed(self, now: float, why: str) -> None:
        """One more failure; after a pause, a single one is enough."""
        self.why = why
        self._failures += 1
        if self._failures >= self._breaker.failures:
            self._until = now + self._breaker.pause.total_seconds()
        self._turns = [None]

    def worked(self) -> None:
        """It works again."""
        self._failures, self._turns = 0, [None]


class Outside(Struct, frozen=True):
    """Who takes what a process sends, how effects are called, and which of these are left alone for a while."""

    deciders: Deciders
    effects: Effects
    call: Calling
    fuses: dict[str, Fuse]


async def perform(
    backend: Backend, runtime: Runtime, process: Process[Any, Any], outside: Outside, message: Outgoing,
    now: Callable[[], float],
) -> None:  # fmt: skip
    """Do what one message asks for, and let its answer come back. `now`: seconds, for the circuit breaker.

    Raises:
        StoreError, OutcomeUnknown: the store is away; it will be done again, with the same key.
        Unclaimed: somebody else has done it.
    """
    if isinstance(process, Orchestrated) and message.kind in {"step", "undo"}:
        return await perform_step(backend, runtime, process, message, outside.call)
    handler = outside.effects.get(message.receiver)
    if handler is None:
        why = f"no effect {message.receiver!r} is run here: name it in store.run(...), or in the App"
        return await held_back(backend, runtime, message, NOBODY, why)
    try:
        request = read(handler.request_types, message)
    except Untaken as error:
        return await held_back(backend, runtime, message, NOBODY, str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is: nothing was asked
        return await hindered(backend, runtime, process, message, error, handler.retry)
    fuse = outside.fuses.setdefault(handler.name, Fuse(handler.breaker))
    if (left := fuse.left(now())) > _CLOSED:
        why = f"effect {handler.name!r} failed too often in a row, and is left alone for a while: {fuse.why}"
        return await held_back(backend, runtime, message, left, why)
    try:
        answer = await outside.call(handler.function, (request, str(message.id)), handler.timeout)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and tried again
        fuse.failed(now(), told(error))
        return await failed(backend, runtime, process, message, error, handler.retry)
    except BaseException as error:  # it was cut off: whoever tries next must not wait for it
        fuse.failed(now(), type(error).__name__)
        raise
    fuse.worked()
    try:
        await _answered(backend, runtime, process, message, answer)
    except UsageError as error:
        await hindered(backend, runtime, process, message, error, handler.retry)


async def perform_step(
    backend: Backend, runtime: Runtime, process: Orchestrated, message: Outgoing, call: Calling
) -> None:
    """Take, or undo, one step of a saga. Its function and its arguments are found by running the saga's code up to it.

    Raises:
        StoreError, OutcomeUnknown, Unclaimed: as `perform`.
    """
    try:
        instance = await loaded(backend, runtime, process, message.instance)
        want = step_named(process, instance, message.target)
    except Archived as error:
        return await park(backend, runtime, process, message, told(error))
    except (StoreError, OutcomeUnknown):
        raise
    except Exception as error:  # noqa: BLE001 - of the saga's code, or of its journal
        # Nothing was tried: told that it failed, the saga would keep to that also when its code is right again.
        return await park(backend, runtime, process, message, told(error))
    function, retry = (want.function, want.retry) if message.kind == "step" else (want.undo, UNDOING)
    assert callable(function)  # noqa: S101 - else there would be no such message
    try:
        value = await call(function, want.args, want.timeout)
    except Declined as declined:  # what must be done, an undo or a step after the pivot, has no fallback, and is parked
        return await given_up(backend, runtime, process, message, f"declined: {declined}", declined=True)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and tried again
        return await failed(backend, runtime, process, message, error, retry)
    try:
        result = _as_result(want, message, value)
    except UsageError as error:
        return await park(backend, runtime, process, message, told(error))
    try:
        await settle(backend, runtime, process, message, Delivered(message.id, 0, 0, message.lane, result))
    except UsageError as error:
        await hindered(backend, runtime, process, message, error, retry)


def step_named(process: Orchestrated, instance: Instance, name: str) -> Want:
    """A step of an instance, as its code asks for it.

    Raises:
        UsageError: the code does not come to it.
    """
    want = Run(process.saga, instance.id, instance.state).met.get(name)
    if want is None:
        raise UsageError(f"saga {process.name!r}, version {process.version}, does not come to step {name!r} any more.")
    return want


def _as_result(want: Want, message: Outgoing, value: object) -> Any:
    """What a step gave, as JSON that reads back equal.

    Raises:
        UsageError: it cannot be kept, or nothing was done yet that it asks for.
    """
    _check_done(f"{message.kind} {want.name!r}", value)
    if message.kind == "undo":
        return None
    hint = returned(want.function)
    try:
        result = as_json(value, hint)
        same = hint is None or msgspec.convert(result, hint) == value
    except Exception as error:
        raise UsageError(f"what step {want.name!r} returned cannot be kept as JSON: {value!r} ({error}).") from error
    if not same:
        raise UsageError(f"what step {want.name!r} returned would not read back equal as {hint}: {value!r}.")
    return result


def _check_done(what: str, value: object) -> None:
    """Raises `UsageError` if it is something that does nothing by itself."""
    if isinstance(value, Send | Call):
        raise UsageError(
            f"{what} gave {shortened(value)}, and nobody sends that: a process yields it, a saga has .command(...)."
        )
    if isinstance(value, Step):
        raise UsageError(f"{what} gave a step, and nobody takes that: await it in the code of the saga.")
    if isawaitable(value):
        _let_go(value)
        raise UsageError(f"{what} gave {shortened(value)}, which is to be awaited: AsyncStore does, Store cannot.")


def _let_go(value: object) -> None:
    if iscoroutine(value):
        value.close()


async def _answered(
    backend: Backend, runtime: Runtime, process: Process[Any, Any], message: Outgoing, answer: object
) -> None:
    try:
        answers = [_message(runtime, process, message, event) for event in _events(answer)]
    except Exception as error:  # noqa: BLE001 - what was done is done: neither would calling again help, nor has it failed
        return await park(backend, runtime, process, message, told(error))
    return await settle(backend, runtime, process, message, Delivered(message.id, 0, 0), answers)


def _events(answer: object) -> Sequence[object]:
    if isinstance(answer, list | tuple):
        return cast("Sequence[object]", answer)
    return () if answer is None else (answer,)


def _message(runtime: Runtime, process: Process[Any, Any], message: Outgoing, event: object) -> Message:
    _check_done(f"effect {message.receiver!r}", event)
    cls = type(event)
    if cls not in process.event_types:
        raise UsageError(
            f"effect {message.receiver!r} returned {event!r}, and process {process.name!r} does not react to that: name "
            f"{spec_of(cls).name!r} ({cls.__qualname__}) in the annotation of `react`."
        )
    form = runtime.codec.form(cls)
    return {"type": form.spec.name, "version": form.spec.version, "data": object_of(form.written(event))}
