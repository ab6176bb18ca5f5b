"""Show: one instance whole. Its state, what it waits for, what it has under way, and all that happened to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from refold.clock import as_datetime
from refold.errors import NoSuchInstance
from refold.flows.prepare import Runtime
from refold.flows.processes.histories import Happening, happenings
from refold.flows.processes.instance import Instance, beginning, inputs_of, journal_of, replayed
from refold.flows.processes.journal import TimerSet
from refold.flows.processes.listing import Standing, parked_inputs
from refold.flows.processes.outgoing import Outgoing, outgoing
from refold.flows.processes.timers import ALL, Timer, timers
from refold.flows.projections.dead_letters import DeadLetter
from refold.messages import JOURNALS, Recorded, spec_of
from refold.ports import Backend
from refold.process import Process


class InstanceView(Struct, frozen=True):
    """One instance. Times are UTC; `state` is folded by the version that it keeps to, and `None` if it has not begun.

    `waiting_for` is a sentence; `messages` are under way or parked; `parked` are inputs that could not be taken in.
    """

    process: str
    id: str
    version: int
    status: Standing
    reason: str
    state: Any
    waiting_for: str
    timers: tuple[Timer, ...]
    messages: tuple[Outgoing, ...]
    parked: tuple[DeadLetter, ...]
    history: tuple[Happening, ...]
    started_at: datetime | None
    moved_at: datetime | None


async def shown(backend: Backend, runtime: Runtime, process: Process[Any, Any], id: str) -> InstanceView:
    """One instance.

    Raises:
        NoSuchInstance: nothing of it is known.
        UsageError: it is of a version that is not known here.
        UnknownEventType, UndecodableEvent: an input cannot be read any more.
    """
    entries, own = await journal_of(backend, runtime, process, id)
    parked = await parked_inputs(backend, process.name, id)
    begins = None if parked else beginning(process, entries, own)
    if not entries and not parked and begins is None:
        raise NoSuchInstance(process.name, id)
    inputs = await inputs_of(backend, runtime, process, own, (each.data for each in entries))
    instance = replayed(process, id, entries, inputs)
    pending = await timers(backend, process, id, ALL)
    return InstanceView(
        process.name, id, 0 if instance.process is None else instance.process.version, _standing(instance), instance.reason,
        instance.state, _waiting_for(instance, entries, pending, runtime.clock.now(), begins), pending,
        tuple(await outgoing(backend, process, id, ALL)), tuple(parked), tuple(happenings(entries, inputs)),
        instance.started_at, instance.moved_at,
    )  # fmt: skip


def _standing(instance: Instance) -> Standing:
    return "unbegun" if instance.process is None else instance.status


def _waiting_for(
    instance: Instance,
    entries: Sequence[Recorded[Any]],
    pending: Sequence[Timer],
    now: int,
    begins: Recorded[Any] | None,
) -> str:
    if instance.process is None:
        return "an event that begins it" if begins is None else f"a runner that takes in {begins.type}"
    if instance.status != "running":
        return f"nothing: it is {instance.status}"
    own = {each.data.timeout["type"] for each in entries if isinstance(each.data, TimerSet)}
    names = [spec_of(cls).name for cls in instance.process.named]
    events = [name for name in names if name not in own and not name.startswith(JOURNALS)]
    return _either([*events, *(_when(timer, as_datetime(now)) for timer in pending)])


def _when(timer: Timer, now: datetime) -> str:
    left = timer.due - now
    return f"{timer.type} in {_clock(left)}" if left > timedelta() else f"{timer.type}, due since {_clock(-left)}"


def _clock(span: timedelta) -> str:
    """A span as a clock shows it, with days before it."""
    hours, seconds = divmod(int(span.total_seconds()), 3_600)
    days, hours = divmod(hours, 24)
    return f"{f'{days} d ' if days else ''}{hours:02}:{seconds // 60:02}:{seconds % 60:02}"


def _either(names: Sequence[str]) -> str:
    *others, last = names or ("nothing",)
    match others:
        case []:
            return last
        case [first]:
            return f"{first} or {last}"
        case _:
            return f"{', '.join(others)}, or {last}"
