"""Scheduling: schedules as instances of one process, which sends their commands when their times have come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from refold.clock import as_datetime
from refold.codec import as_json
from refold.errors import InvalidName, UsageError
from refold.flows.load import load
from refold.flows.prepare import Runtime
from refold.flows.processes.journal import Sent
from refold.flows.processes.listing import standing
from refold.flows.processes.reactions import Noting
from refold.flows.processes.timers import timers
from refold.flows.transact import handle
from refold.fold import Decider
from refold.messages import NAME_LIMIT, Context, Recorded, StreamName, checked_name, spec_of
from refold.ports import PAGE, Backend
from refold.process import At, Finish, Process
from refold.schedule import (
    SCHEDULE,
    FinishSchedule,
    Plan,
    Planned,
    RemoveSchedule,
    RenewSchedule,
    Schedule,
    ScheduleDue,
    ScheduleEnded,
    ScheduleSet,
    SetSchedule,
)

MISSED: Final = timedelta(minutes=1)
"""Who comes so much later than planned has missed it."""
TURNS: Final = 200
"""After so many times an instance ends, and another one goes on: what it did need not be read again for ever."""

Input: TypeAlias = ScheduleSet | ScheduleEnded | ScheduleDue
Told: TypeAlias = Noting | At | Finish


class Round(Struct, frozen=True):
    """What one instance has to remember: the schedule's name, its plan, and how many times have come."""

    name: str = ""
    number: int = 0
    plan: Plan | None = None
    turns: int = 0


class Scheduling(Process[Input, Round]):
    """The process that sends scheduled commands; the decider of schedules comes with it."""

    @property
    def own(self) -> tuple[Decider[Any, Any, Any], ...]:
        """The decider that keeps schedules."""
        return (SCHEDULE,)

    def taken(self, state: Round, recorded: Recorded[Input]) -> Round:
        """The round after an input."""
        match recorded.data:
            case ScheduleSet(number, plan):
                return Round(recorded.stream.id, number, plan)
            case ScheduleDue():
                return replace(state, turns=state.turns + 1)
            case _:
                return state

    def reacting(self, recorded: Recorded[Input], state: Round, steps: AbstractSet[str]) -> Iterable[Told]:
        """What follows from an input."""
        after = self.taken(state, recorded)
        match recorded.data:
            case ScheduleSet(after=since):
                return _waiting(after, since or recorded.recorded_at)
            case ScheduleDue(planned):
                return _turn(after, planned, recorded.recorded_at)
            case _:
                return (Finish(),)


def _turn(round: Round, planned: datetime, now: datetime) -> Iterator[Told]:
    """Send, and wait for the next time. Times go by the plan, since a timeout may come a little early by another clock."""
    plan = round.plan
    assert plan is not None  # noqa: S101 - a round begins with its plan
    if plan.misfire != "skip" or now - planned < MISSED:
        message = {"type": plan.type, "version": plan.version, "data": plan.data}
        yield Noting(Sent("command", plan.receiver, plan.target, message, lane=planned.isoformat()))
    passed = planned if plan.misfire == "all" else max(planned, now)
    if plan.cron is None:
        yield from _over(round)
    elif round.turns < TURNS:
        yield from _waiting(round, passed)
    else:
        yield _told(round, RenewSchedule(round.number, passed))
        yield Finish()


def _waiting(round: Round, after: datetime) -> Iterator[Told]:
    moment = None if round.plan is None else round.plan.next_after(after)
    if moment is None:
        yield from _over(round)
    else:
        yield At(moment, ScheduleDue(moment))


def _over(round: Round) -> Iterator[Told]:
    yield _told(round, FinishSchedule(round.number))
    yield Finish()


def _told(round: Round, command: RenewSchedule | FinishSchedule) -> Noting:
    message = {"type": spec_of(type(command), "command").name, "version": 1, "data": as_json(command)}
    return Noting(Sent("command", SCHEDULE.category, round.name, message, lane="$schedule"))


def _key(recorded: Recorded[Any]) -> str:
    return _instance(recorded.stream.id, recorded.data.round)


def _instance(name: str, round: int) -> str:
    return f"{name}.{round}"


def _nothing(*_: object) -> Any:
    raise AssertionError


schedules: Final = Scheduling(
    "schedules", Round, _nothing, _nothing, _key,
    events=(ScheduleSet, ScheduleEnded, ScheduleDue), starts_on=(ScheduleSet,),
)  # fmt: skip
"""The process that sends scheduled commands: name it in `store.run(schedules, ...)`, beside the deciders that take them."""


_DIGITS: Final = 9
"""So many the number of a round may have."""
LONGEST: Final = NAME_LIMIT - len(f"{schedules.journals}-") - len(".") - _DIGITS
"""So many characters the name of a schedule may have: the journals of its rounds are named for it."""


async def schedule(backend: Backend, runtime: Runtime, name: str, plan: Plan, context: Context) -> Schedule:
    """Let a plan hold under a name, in place of what held before; the same plan again changes nothing.

    Raises:
        InvalidName: the name.
        UsageError: the plan has no time any more.
        Unsupported: the backend has no SQL, so nothing runs there.
    """
    if len(checked_name("schedule name", name)) > LONGEST:
        raise InvalidName("schedule name", name, f"it has {len(name)} characters, {LONGEST} are allowed")
    runtime.codec.decoders(SCHEDULE.event_types)
    if (await _shown(backend, runtime, name, Planned(0, plan), plan)).next is None:  # before anything is written
        raise UsageError(f"schedule {name!r} has no time: {plan.cron!r} comes to none within fifty years.")
    planned = (await handle(backend, runtime, SCHEDULE, name, SetSchedule(plan), context)).state
    return await _shown(backend, runtime, name, planned, plan)


async def unschedule(backend: Backend, runtime: Runtime, name: str, context: Context) -> bool:
    """End a schedule, and say whether there was one. What it has sent already is delivered.

    Raises:
        InvalidName: the name.
    """
    checked_name("schedule name", name)
    runtime.codec.decoders(SCHEDULE.event_types)
    return bool((await handle(backend, runtime, SCHEDULE, name, RemoveSchedule(), context)).events)


async def scheduled(backend: Backend, runtime: Runtime) -> tuple[Schedule, ...]:
    """All schedules, by name."""
    runtime.codec.decoders(SCHEDULE.event_types)
    found: list[Schedule] = []
    prefix, after = f"{SCHEDULE.category}-", ""
    while infos := await backend.streams(after, prefix, PAGE):
        for id in (StreamName.parse(info.stream).id for info in infos):
            planned = (await load(backend, runtime, SCHEDULE, id)).state
            if planned.plan is not None:
                found.append(await _shown(backend, runtime, id, planned, planned.plan))
        after = infos[-1].stream
    return tuple(found)


async def _shown(backend: Backend, runtime: Runtime, name: str, planned: Planned, plan: Plan) -> Schedule:
    return Schedule(
        name, plan.receiver, plan.target, plan.type, plan.data, plan.cron, plan.timezone, plan.at, plan.misfire,
        await _next(backend, runtime, _instance(name, planned.round), planned, plan),
    )  # fmt: skip


async def _next(backend: Backend, runtime: Runtime, instance: str, planned: Planned, plan: Plan) -> datetime | None:
    """When it is sent next. As long as no runner has looked, no timer is set."""
    if pending := await timers(backend, schedules, instance, 1):
        return pending[0].due
    if await standing(backend, schedules.name, instance) is not None:
        return None
    return plan.next_after(planned.after or as_datetime(runtime.clock.now()))
