"""Deliver: commands that instances have sent reach their deciders, each with its effect once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, TypeAlias

from msgspec.structs import replace

from refold.codec import form_of
from refold.errors import Archived, OutcomeUnknown, ProjectionStopped, RefoldError, Refused, StoreError, UsageError
from refold.external import Retry
from refold.flows.prepare import Runtime
from refold.flows.processes.journal import Delivered
from refold.flows.processes.outgoing import Outgoing, given_up, held_back, later, settled
from refold.flows.projections.persevering import shortened_text
from refold.flows.taking import Taker, decider_of, take
from refold.messages import Context, spec_of
from refold.ports import Backend, Unclaimed
from refold.process import Process

Deciders: TypeAlias = Mapping[str, Taker]
"""Deciders by their category, or what closes their books."""
NOBODY: Final = timedelta(seconds=2)
"""A message that nobody here can take is looked at again after so long: another program may have its receiver."""


class Untaken(Exception):
    """Nobody here takes such a message: a program of another version may."""


class Undelivered(Exception):
    """A command could not be delivered: its decider refused it, or was not even asked."""

    def __init__(self, message: Outgoing, error: Exception) -> None:
        self.message, self.error = message, error
        super().__init__(message, error)


async def deliver(
    backend: Backend,
    runtime: Runtime,
    process: Process[Any, Any],
    deciders: Deciders,
    messages: Sequence[Outgoing],
) -> int:
    """Deliver commands, all in one transaction if none is refused, else each in its own; say how many were taken.

    Raises:
        StoreError, OutcomeUnknown: the store is away; whoever delivers them again does no harm.
        Unclaimed: somebody else delivered one of them.
    """
    deciders = {**deciders, **{decider.category: decider for decider in process.own}}
    known = [message for message in messages if message.receiver in deciders]
    for message in messages:
        if message.receiver not in deciders:
            why = f"no decider of category {message.receiver!r} is run here: name it in store.run(...), or in the App"
            await held_back(backend, runtime, message, NOBODY, why)
    if not known:
        return 0
    try:
        await backend.within(lambda inside: _delivered(inside, runtime, process, deciders, known))
    except Undelivered:
        return sum([await _deliver_alone(backend, runtime, process, deciders, each) for each in known])
    return len(known)


async def _deliver_alone(
    backend: Backend, runtime: Runtime, process: Process[Any, Any], deciders: Deciders, message: Outgoing
) -> bool:
    try:
        await backend.within(lambda inside: _delivered(inside, runtime, process, deciders, (message,)))
    except Undelivered as undelivered:
        await _judged(backend, runtime, process, message, undelivered.error)
        return False
    except Unclaimed:
        return False
    return True


async def _delivered(
    inside: Backend, runtime: Runtime, process: Process[Any, Any], deciders: Deciders, messages: Sequence[Outgoing]
) -> None:
    for message in messages:
        await _handled(inside, runtime, process, deciders[message.receiver], message)


async def _handled(
    inside: Backend, runtime: Runtime, process: Process[Any, Any], taker: Taker, message: Outgoing
) -> None:
    context = Context(correlation_id=message.story, causation_id=str(message.id))
    try:
        command = read(decider_of(taker).command_types, message)
        handled = await take(inside, runtime, taker, message.target, command, context, str(message.id))
    except Archived as error:  # it concerns this command alone
        raise Undelivered(message, error) from error
    except (StoreError, OutcomeUnknown, Unclaimed):
        raise
    except ProjectionStopped as error:  # a read model that is kept inline: that passes
        raise StoreError(str(error)) from error
    except Exception as error:
        raise Undelivered(message, error) from error
    result = handled.version if message.lane else None  # what a saga's `command` gives
    done = Delivered(message.id, handled.version, int(handled.position), message.lane, result)
    try:
        await settled(inside, runtime, process, message, done)
    except UsageError as error:
        raise Undelivered(message, error) from error


async def _judged(
    backend: Backend, runtime: Runtime, process: Process[Any, Any], message: Outgoing, error: Exception
) -> None:
    """What raises because of what this program is, or has, is no refusal: another one may take the command."""
    if isinstance(error, Untaken):
        await held_back(backend, runtime, message, NOBODY, str(error))
    elif isinstance(error, RefoldError) and not isinstance(error, Refused | Archived):
        await hindered(backend, runtime, process, message, error, process.retry)
    else:
        await failed(backend, runtime, process, message, error, None if message.fallback else process.retry)


async def failed(
    backend: Backend,
    runtime: Runtime,
    process: Process[Any, Any],
    message: Outgoing,
    error: Exception,
    retry: Retry | None,
) -> None:
    """Try a message again later, or give it up: after so many attempts, or at once."""
    wait = None if retry is None else retry.wait(message.attempts + 1)
    if wait is None:
        await given_up(backend, runtime, process, message, told(error))
    else:
        await later(backend, runtime, message, wait, told(error))


async def hindered(
    backend: Backend,
    runtime: Runtime,
    process: Process[Any, Any],
    message: Outgoing,
    error: Exception,
    retry: Retry | None,
) -> None:
    """The same of what nobody has refused, or is done: it is parked in the end, whatever was to come back of a refusal."""
    await failed(backend, runtime, process, replace(message, fallback=""), error, retry)


def told(error: Exception) -> str:
    """Its class and its own words."""
    return f"{type(error).__name__}: {shortened_text(error)}".removesuffix(": ")


def read(classes: Sequence[type[Any]], message: Outgoing) -> Any:
    """A message as an instance of one of its receiver's classes.

    Raises:
        Untaken: none has its name.
        UsageError: it does not fit.
    """
    for cls in classes:
        spec = spec_of(cls, "command")
        if spec.name == message.type:
            try:
                return form_of(cls, spec).decode(message.data.encode())
            except RefoldError:
                raise
            except Exception as error:
                raise UsageError(f"{message.type!r} does not fit {cls.__qualname__}: {error}.") from error
    names = ", ".join(spec_of(cls, "command").name for cls in classes)
    raise Untaken(f"{message.receiver!r}, as it is run here, takes no {message.type!r}, only {names}")
