"""The journal of an instance: what it saw and did, as events in a stream of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid5

from refold.messages import JOURNALS, StreamName, event

Message: TypeAlias = dict[str, Any]
"""A message as JSON: its `type`, `version` and `data`."""


@event("$process.started")
class Started:
    """The first input has come. The instance keeps to this version of its process, unless it is migrated."""

    process_version: int


@event("$process.migrated")
class Migrated:
    """From here on it is an instance of another version."""

    process_version: int


@event("$process.reacted")
class Reacted:
    """An input was taken in: the state after it is folded from all inputs, in the order of these entries."""

    input: UUID
    type: str
    position: int
    part: int


@event("$process.kept")
class Kept:
    """An input came before the one that begins the instance; it will be reacted to after that."""

    input: UUID
    type: str
    position: int
    part: int


@event("$process.ignored")
class Ignored:
    """An input came that did not concern it, or no longer, and why."""

    input: UUID
    type: str
    position: int
    part: int
    reason: str


@event("$process.sent")
class Sent:
    """A command, or the call of an effect, is to be delivered. This entry's id is the message's, and its idempotency key.

    What is sent in one lane is delivered in order; a saga's steps have each a lane of their own, by their names. `tells`: the
    instance is told if it cannot be delivered, and nothing is parked.
    """

    kind: str
    receiver: str
    target: str
    message: Message
    fallback: Message | None = None
    lane: str = ""
    tells: bool = False


@event("$process.delivered")
class Delivered:
    """A message has had its effect; for a command, up to which version and position of the stream that took it.

    `step` and `result`, as JSON, are those of a saga's step.
    """

    message: UUID
    version: int
    position: int
    step: str = ""
    result: Any = None


@event("$process.parked")
class Parked:
    """A message could not be delivered, and waits for an operator."""

    message: UUID
    attempts: int
    error: str


@event("$process.refused")
class Refused:
    """A message could not be delivered, and its fallback came back, or the saga was told.

    `declined`: certainly nothing happened, so there is nothing to undo.
    """

    message: UUID
    attempts: int
    error: str
    step: str = ""
    declined: bool = False


@event("$process.retried")
class Retried:
    """An operator lets a parked message be tried again."""

    message: UUID
    reason: str


@event("$process.skipped")
class Skipped:
    """An operator has given up on a parked message: it will not be delivered. A saga goes on as if it had been."""

    message: UUID
    reason: str
    step: str = ""


@event("$process.timer-set")
class TimerSet:
    """A timeout will come back. This entry's id is the timer's, and the cause of the timeout."""

    due: datetime
    timeout: Message
    step: str = ""


@event("$process.timers-cancelled")
class TimersCancelled:
    """Timeouts of this type will not come back any more."""

    type: str
    timers: list[UUID]


@event("$process.ended")
class Ended:
    """Nothing concerns it any more. `state` is finished, failed, cancelled or compensated; `result` is a saga's, as JSON."""

    state: str
    reason: str
    result: Any = None


@event("$process.compensating")
class Compensating:
    """A saga failed, and these steps will be undone, in this order."""

    undo: list[str]
    reason: str


@event("$process.timed-out")
class TimedOut:
    """A timeout of a saga: it has slept, or waited in vain."""

    step: str
    waited: bool


@event("$process.cancel")
class CancelAsked:
    """An operator wants it to end here."""

    reason: str


@event("$process.inputs-retried")
class InputsRetried:
    """An operator lets the inputs that are parked be taken in again."""

    reason: str


@event("$process.inputs-skipped")
class InputsSkipped:
    """An operator has given up on inputs that were parked: it will never know of them."""

    positions: list[int]
    reason: str


Entry: TypeAlias = (
    Started | Migrated | Reacted | Kept | Ignored | Sent | Delivered | Parked | Refused | Retried | Skipped | TimerSet
    | TimersCancelled | Ended | CancelAsked | Compensating | InputsRetried | InputsSkipped
)  # fmt: skip
ENTRIES: Final[tuple[type[Any], ...]] = (
    Started, Migrated, Reacted, Kept, Ignored, Sent, Delivered, Parked, Refused, Retried, Skipped, TimerSet, TimersCancelled,
    Ended, CancelAsked, Compensating, InputsRetried, InputsSkipped,
)  # fmt: skip


def is_journal(stream: str | StreamName) -> bool:
    """Whether a stream is the journal of an instance."""
    return str(stream).startswith(JOURNALS)


_NAMES: Final = UUID("0e8fb0de-6c83-5a3f-9a4f-0f7f3b3a9b51")


def derived_id(journal: str, cause: UUID, name: str) -> UUID:
    """The id of what an instance does because of an input: a function of committed data, so the same however often it is made."""
    return uuid5(_NAMES, f"{journal} {cause} {name}")


def as_id(text: str) -> UUID | None:
    """The id of what caused something; `None` if its cause has no such id."""
    try:
        return UUID(text)
    except ValueError:
        return None
