"""Schedule: a command that is sent at a time, or again and again by a cron expression."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias, assert_never, cast

from msgspec import Struct

from refold.codec import form_of, object_of
from refold.cron import next_time, zone_of
from refold.errors import UsageError, shortened
from refold.fold import OwnDecider, Send
from refold.messages import StreamName, command, event, spec_of

Misfire: TypeAlias = Literal["once", "all", "skip"]
"""What becomes of times that passed while nobody ran: one command for all of them, one for each, or none."""


class Plan(Struct, frozen=True):
    """Which command is sent, to whom, and when. `at` stands alone; a `cron` expression is read in `timezone`."""

    receiver: str
    target: str
    type: str
    version: int
    data: dict[str, Any]
    cron: str | None = None
    timezone: str = "UTC"
    at: datetime | None = None
    misfire: Misfire = "once"

    @staticmethod
    def of(send: Send, cron: str | None, timezone: str, at: datetime | None, misfire: Misfire) -> Plan:
        """A command and its times, checked.

        Raises:
            UsageError: the times cannot be read, or there are none; the command cannot be sent.
            InvalidName: whom it is sent to.
            MissingExtra: a cron expression needs cronsim.
        """
        if not isinstance(cast("object", send), Send):
            raise UsageError(f"send={shortened(send)} goes to nobody: take what a decider's send(id, command) gives.")
        if (cron is None) == (at is None):
            raise UsageError("a schedule has times either by cron='0 3 * * *' or at=datetime(...), one of the two.")
        if misfire not in {"once", "all", "skip"}:
            raise UsageError(f"misfire={misfire!r} is none of 'once', 'all' and 'skip'.")
        if at is not None and at.tzinfo is None:
            raise UsageError(
                f"the schedule is due at {at.isoformat()}, which has no time zone: write datetime(..., tzinfo=UTC)."
            )
        if send.fallback is not None:
            raise UsageError(
                f"a schedule has nobody who would take {send.fallback!r} back: send the command without otherwise(...)."
            )
        zone_of(timezone)
        StreamName(send.category, send.id)
        spec = spec_of(type(send.command), "command")
        data = object_of(form_of(type(send.command), spec).written(send.command))
        moment = None if at is None else at.astimezone(UTC)
        return Plan(send.category, send.id, spec.name, spec.version, data, cron, timezone, moment, misfire)

    def next_after(self, moment: datetime) -> datetime | None:
        """The first time after another one; that of `at` whenever it is; `None` if there is none."""
        return self.at if self.cron is None else next_time(self.cron, self.timezone, moment)


class Schedule(Struct, frozen=True):
    """A schedule as it stands. `receiver`, `target`: the decider and the id that the command goes to, `data` its JSON.

    `next`: when it is sent next, UTC; `None` while it is being sent.
    """

    name: str
    receiver: str
    target: str
    command: str
    data: dict[str, Any]
    cron: str | None
    timezone: str
    at: datetime | None
    misfire: Misfire
    next: datetime | None


# What happened ----------------------------------------------------------------


@event("$schedule.set")
class ScheduleSet:
    """From here on it is sent by this plan, at the times after `after`, or else after this was recorded.

    A schedule is followed in rounds, each with a journal of its own, so that none grows without end.
    """

    round: int
    plan: Plan
    after: datetime | None = None


@event("$schedule.ended")
class ScheduleEnded:
    """Nothing is sent any more. It is `done` if no time was left."""

    round: int
    why: Literal["replaced", "removed", "done"]


@event("$schedule.due")
class ScheduleDue:
    """A timeout: the time for which something was planned has come."""

    planned: datetime


ScheduleEvent: TypeAlias = ScheduleSet | ScheduleEnded


# What can be asked ------------------------------------------------------------


@command("$schedule.set")
class SetSchedule:
    plan: Plan


@command("$schedule.remove")
class RemoveSchedule: ...


@command("$schedule.renew")
class RenewSchedule:
    """A round has come to its end: the next one goes on after this time."""

    round: int
    after: datetime


@command("$schedule.finish")
class FinishSchedule:
    """A round has come to its end, and no time is left."""

    round: int


ScheduleCommand: TypeAlias = SetSchedule | RemoveSchedule | RenewSchedule | FinishSchedule


# The rules --------------------------------------------------------------------


class Planned(Struct, frozen=True):
    """What holds for one name: the number of its last round, and its plan, if there is one. `after`: since when.

    `done`: the plan that had no time left, so that setting it again sends nothing twice.
    """

    round: int = 0
    plan: Plan | None = None
    after: datetime | None = None
    done: Plan | None = None


def decide(command: ScheduleCommand, planned: Planned) -> Iterator[ScheduleEvent]:
    """What a round asks for when another one has taken its place no longer matters."""
    match command:
        case SetSchedule(plan) if plan in (planned.plan, planned.done):
            return
        case SetSchedule(plan):
            if planned.plan is not None:
                yield ScheduleEnded(planned.round, "replaced")
            yield ScheduleSet(planned.round + 1, plan)
        case RemoveSchedule():
            if planned.plan is not None:
                yield ScheduleEnded(planned.round, "removed")
        case RenewSchedule(round, after):
            if planned.plan is not None and round == planned.round:
                yield ScheduleSet(round + 1, planned.plan, after)
        case FinishSchedule(round):
            if planned.plan is not None and round == planned.round:
                yield ScheduleEnded(round, "done")
        case _:
            assert_never(command)


def evolve(planned: Planned, event: ScheduleEvent) -> Planned:
    """What holds after an event."""
    match event:
        case ScheduleSet(round, plan, after):
            return Planned(round, plan, after)
        case ScheduleEnded(why=why):
            return Planned(planned.round, done=planned.plan if why == "done" else None)
        case _:
            assert_never(event)


SCHEDULE: Final = OwnDecider("$schedule", initial=Planned, evolve=evolve, decide=decide)
"""The decider of schedules: a stream for each name."""
