"""Listing: where the instances of a process stand, by the index and the dead letters, and which of them are stuck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from refold.clock import as_datetime
from refold.columns import SqlValue
from refold.flows.prepare import Runtime
from refold.flows.processes.consuming import consumer_name
from refold.flows.processes.instance import State
from refold.flows.processes.outgoing import tries
from refold.flows.projections.builds import builds, with_role
from refold.flows.projections.dead_letters import IN, PARKED, DeadLetter, letters_of
from refold.ports import Backend, Own

Standing: TypeAlias = State | Literal["unbegun"]
"""How an instance is. It has not begun if all that came to it is parked."""
QUIET: Final = timedelta(hours=1)
"""Nothing moved for so long, and nothing is to come: that counts as stuck."""
OVERDUE: Final = timedelta(seconds=30)
"""A timer that is due for so long comes back to nobody."""

_LETTERS: Final = f"position, key, state, error, attempts, parked_at {IN}"
_OF_KEY: Final = f"select {_LETTERS} and key = :key and {PARKED} order by position"
_FAILED: Final = f"select {_LETTERS} and state = 'failed' and key between :first and :last order by position"
_UNBEGUN: Final = f"""
select key, min(parked_at), max(parked_at) {IN} and {PARKED} and key > :after
  and not exists (select 1 from {{refold}}processes p where p.process = :process and p.instance = key)
group by key order by key limit :limit"""  # noqa: S608 - texts of ours, here and below
_IS: Final = "t.process = p.process and t.instance = p.instance"
_FAILS: Final = "(t.state = 'parked' or t.error <> '')"
_STUCK: Final = f"""
(exists (select 1 from {{refold}}dead_letters d where d.projection = :projection and d.build = :build and d.key = p.instance
   and d.state = 'failed')
 or exists (select 1 from {{refold}}outgoing t where {_IS} and {_FAILS})
 or exists (select 1 from {{refold}}timers t where {_IS} and t.due < :overdue)
 or (p.state = 'running' and p.moved_at < :quiet and not exists (select 1 from {{refold}}timers t where {_IS})))"""  # noqa: S608
_PAGE: Final = f"""
select instance, version, state, reason, inputs, started_at, moved_at from {{refold}}processes p
where process = :process and instance > :after and (:state = '' or state = :state) and (:stuck = 0 or {_STUCK})
order by instance limit :limit"""  # noqa: S608
_MESSAGES: Final = f"""
select instance, state, receiver, type, attempts, error from {{refold}}outgoing t
where process = :process and instance between :first and :last and {_FAILS} order by position desc"""  # noqa: S608
_PENDING: Final = """
select instance, count(*) from {refold}outgoing
where process = :process and instance between :first and :last group by instance"""
_TIMERS: Final = """
select instance, type, due from {refold}timers
where process = :process and instance between :first and :last order by due desc"""
_ONE: Final = "select state, reason from {refold}processes where process = :process and instance = :instance"


class InstanceStatus(Struct, frozen=True):
    """Where an instance stands. Times are UTC.

    `reason` tells why it ended as it did; `stuck`, why it does not go on, and is empty if it does. `inputs`: how many it took in.
    """

    process: str
    id: str
    version: int
    state: Standing
    reason: str
    inputs: int
    started_at: datetime
    moved_at: datetime
    stuck: str


async def standing(backend: Backend, process: str, id: str) -> tuple[State, str] | None:
    """How an instance is, and why; `None` if it has not begun."""
    rows: Any = await backend.query(Own(_ONE, {"process": process, "instance": id}))
    return (rows[0][0], rows[0][1]) if rows else None


async def parked_inputs(backend: Backend, process: str, id: str) -> Sequence[DeadLetter]:
    """The inputs that an instance could not take in, and those that wait behind them, by position."""
    active = with_role(await builds(backend, consumer_name(process)), "active")
    return () if active is None else await letters_of(backend, active, _OF_KEY, key=id)


async def instances(
    backend: Backend, runtime: Runtime, process: str, *, state: Standing | None, stuck: bool, after: str, limit: int,
    stuck_after: timedelta = QUIET,
) -> tuple[InstanceStatus, ...]:  # fmt: skip
    """A page of the instances of a process after an id, by their ids."""
    active = with_role(await builds(backend, consumer_name(process)), "active")
    values: Mapping[str, SqlValue] = {
        "process": process, "projection": consumer_name(process), "build": 0 if active is None else active.number,
        "after": after, "limit": limit,
    }  # fmt: skip
    look = _Look(backend, runtime.clock.now(), stuck_after, values)
    begun = [] if state == "unbegun" else await look.begun(state or "", stuck=stuck)
    unbegun = [] if state not in {None, "unbegun"} else await look.unbegun()
    return tuple(sorted([*begun, *unbegun], key=lambda status: status.id)[:limit])


class _Look:
    """One look at the index."""

    def __init__(self, backend: Backend, now: int, stuck_after: timedelta, values: Mapping[str, SqlValue]) -> None:
        self._backend, self._values = backend, values
        self._overdue = now - OVERDUE // timedelta(microseconds=1)
        self._quiet = now - stuck_after // timedelta(microseconds=1)

    async def begun(self, state: str, *, stuck: bool) -> list[InstanceStatus]:
        rows = await self._rows(_PAGE, state=state, stuck=int(stuck), overdue=self._overdue, quiet=self._quiet)
        if not rows:
            return []
        whys = await self._whys(rows[0][0], rows[-1][0], {row[0]: row[6] for row in rows if row[2] == "running"})
        return [self._status(row[0], row[1:], whys.get(row[0], "")) for row in rows]

    async def unbegun(self) -> list[InstanceStatus]:
        rows = await self._rows(_UNBEGUN)
        if not rows:
            return []
        whys = await self._whys(rows[0][0], rows[-1][0], {})
        return [self._status(id, (0, "unbegun", "", 0, first, last), whys.get(id, "")) for id, first, last in rows]

    async def _rows(self, text: str, **values: SqlValue) -> Any:
        return await self._backend.query(Own(text, {**self._values, **values}))

    def _status(self, id: str, row: Sequence[Any], stuck: str) -> InstanceStatus:
        version, state, reason, inputs, started, moved = row
        process, begun, last = str(self._values["process"]), as_datetime(started), as_datetime(moved)
        return InstanceStatus(process, id, version, state, reason, inputs, begun, last, stuck)

    async def _whys(self, first: str, last: str, moved: Mapping[str, int]) -> Mapping[str, str]:
        """How the instances between two ids are stuck: what is said last counts most. `moved`: when each that runs moved."""
        span = {"first": first, "last": last}
        timers = await self._rows(_TIMERS, **span)
        pending = dict(await self._rows(_PENDING, **span))
        whys = self._quiet_ones(moved, {id for id, _, _ in timers}, pending)
        for id, type, due in timers:
            if due < self._overdue:
                whys[id] = (
                    f"timer {type} is due since {as_datetime(due):%Y-%m-%d %H:%M:%S}, and nobody lets it come back"
                )
        for failing in (True, False):
            for id, state, receiver, type, attempts, error in await self._rows(_MESSAGES, **span):
                if (state == "pending") == failing:
                    whys[id] = _message_why(state, receiver, type, attempts, error)
        for position, id, _, error, _, _ in reversed(await self._rows(_FAILED, **span)):
            whys[id] = f"the input at position {position} is parked: {error}"
        return whys

    def _quiet_ones(self, moved: Mapping[str, int], timed: set[str], pending: Mapping[str, int]) -> dict[str, str]:
        found = [(id, when) for id, when in moved.items() if when < self._quiet and id not in timed]
        return {
            id: f"nothing has moved since {as_datetime(when):%Y-%m-%d %H:%M:%S}, and "
            + (f"{pending[id]} of its messages are not delivered" if id in pending else "nothing is to come")
            for id, when in found
        }


def _message_why(state: str, receiver: str, type: str, attempts: int, error: str) -> str:
    if state == "parked":
        return f"{type} to {receiver} is parked after {tries(attempts)}: {error}"
    return f"{type} to {receiver} fails, {tries(attempts)} so far: {error}"
