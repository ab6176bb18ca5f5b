"""What must be so when nothing is left to be done: judged from the journals, the events and the world outside alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, TypeAlias
from uuid import UUID

from tests.faults.outside import Outside

from refold import Process, RawEvent, Recorded, Saga, Store
from refold.duties import Runs
from refold.flows.processes.journal import (
    ENTRIES,
    Compensating,
    Delivered,
    Ended,
    Ignored,
    Reacted,
    Refused,
    Sent,
    Started,
    TimersCancelled,
    TimerSet,
)
from refold.flows.processes.orchestrating import UNDO, as_process
from refold.flows.processes.reindexing import reindex
from refold.flows.read import all_rows, opened
from refold.ports import Backend, InCategory, Matching, Own, Selection
from refold.query import Query

Journal: TypeAlias = Sequence[Recorded[Any]]
_SETTLED: Final = Delivered, Refused
_OUTBOX: Final = """
select message, process, instance, slot, lane, position, kind, receiver, target, type, data, fallback, story, state,
  case when state = 'parked' then attempts end, case when state = 'parked' then error end
from {refold}outgoing where process = :process order by 1"""
_INDEX: Final = (
    "select process, instance, version, state, reason, inputs from {refold}processes where process = :process order by 2",
    "select timer, process, instance, slot, due, type, data from {refold}timers where process = :process order by 1",
    _OUTBOX,
)
"""All but how often was tried in vain, and when: these are in no journal."""
_DUE: Final = "select instance, lane, receiver, error from {refold}outgoing where state = 'pending'"


def own(store: Store, text: str, **params: Any) -> Sequence[tuple[Any, ...]]:
    """Read Refold's own tables."""
    return store._engine.outside(lambda b: b.query(Own(text, params)))


def processes(parts: Sequence[Runs]) -> Sequence[Process[Any, Any]]:
    """Those that a runner runs, sagas as what runs them."""
    return [as_process(part) for part in parts if isinstance(part, Process | Saga)]


def journals(store: Store, process: Process[Any, Any]) -> Mapping[str, Journal]:
    """By instance: every entry, and every event that came into it."""
    return store._engine.outside(lambda b: _journals(b, store, process))


async def _journals(backend: Backend, store: Store, process: Process[Any, Any]) -> Mapping[str, Journal]:
    decoders = store._runtime.codec.selecting((*ENTRIES, *process.event_types, RawEvent))
    found: dict[str, list[Recorded[Any]]] = defaultdict(list)
    async for row in all_rows(backend, Selection(InCategory(process.journal("x").category))):
        for recorded in opened(decoders, row):
            found[recorded.stream.id].append(recorded)
    return found


async def _events(backend: Backend, store: Store, name: str) -> Sequence[Recorded[Any]]:
    decoders, selection = store._runtime.codec.selecting((RawEvent,)), Selection(Matching(Query.of(types=[name])))
    return [recorded async for row in all_rows(backend, selection) for recorded in opened(decoders, row)]


def subjects(store: Store, name: str) -> list[str]:
    """Which orders the events of a type are about, in their order."""
    events = store._engine.outside(lambda b: _events(b, store, name))
    return [each.data.data.get("order", each.stream.id) for each in events]


def index(store: Store, process: Process[Any, Any]) -> Sequence[Sequence[tuple[Any, ...]]]:
    """The rows of a process."""
    return [own(store, text, process=process.name) for text in _INDEX]


# What any process must hold -------------------------------------------------------------------------------------------


def contradictions(store: Store, parts: Sequence[Runs], outside: Outside) -> list[str]:
    """All that is wrong, in sentences."""
    found = [f"still to be done: {row}" for row in own(store, _DUE)]
    for process in processes(parts):
        for id, journal in journals(store, process).items():
            found += [f"{process.name}-{id}: {wrong}" for wrong in _wrong(store, process, id, journal)]
        found += _index_wrong(store, process)
        placed, begun = set(subjects(store, "order.placed")), set(journals(store, process))
        if placed != begun:
            found.append(f"{process.name}: begun are {sorted(begun)}, placed {sorted(placed)}")
    for verb, subject, keys in outside.asked():
        if keys > 1:
            found.append(f"{verb} was asked of {subject} with {keys} keys")
    return [*found, *_orders_wrong(store, outside)]


def _index_wrong(store: Store, process: Process[Any, Any]) -> Iterator[str]:
    before = index(store, process)
    store._engine.outside(lambda b: reindex(b, store._runtime, process))
    for old, new in zip(before, index(store, process), strict=True):
        yield from (
            f"{process.name}: the index has {set(old) - set(new)}, and made anew {set(new) - set(old)}"
            for _ in range(sorted(map(str, old)) != sorted(map(str, new)))
        )


def _wrong(store: Store, process: Process[Any, Any], id: str, journal: Journal) -> Iterator[str]:
    entries = [each.data for each in journal]
    ended = [entry for entry in entries if isinstance(entry, Ended)]
    parked = own(
        store, "select error from {refold}outgoing where process = :process and instance = :id and state = 'parked'",
        process=process.name, id=id,
    )  # fmt: skip
    if len(ended) > 1 or (not ended and not (parked and parked[0][0])):
        yield f"it ended {len(ended)} times, and of its messages {len(parked)} are parked"
    if sum(isinstance(entry, Started) for entry in entries) != 1:
        yield "it began more than once, or never"
    yield from _inputs_wrong(journal)
    yield from _timers_wrong(journal, ended=bool(ended))
    yield from _messages_wrong(journal, len(parked))
    yield from _undone_wrong(journal, ended=bool(ended))


def _inputs_wrong(journal: Journal) -> Iterator[str]:
    taken = Counter((each.data.input, each.data.part) for each in journal if isinstance(each.data, Reacted | Ignored))
    if twice := [input for input, times in taken.items() if times > 1]:
        yield f"inputs {twice} were taken in more than once"
    positions = [each.data.position for each in journal if isinstance(each.data, Reacted)]
    if positions != sorted(positions):
        yield f"inputs were taken in out of order: {positions}"
    if after_the_end := [
        each.type for each in _after_the_end(journal) if isinstance(each.data, Reacted | Sent | TimerSet)
    ]:
        yield f"after its end came {after_the_end}"


def _after_the_end(journal: Journal) -> Journal:
    ends = [number for number, each in enumerate(journal) if isinstance(each.data, Ended)]
    return journal[ends[0] + 1 :] if ends else ()


def _timers_wrong(journal: Journal, *, ended: bool) -> Iterator[str]:
    """Each came back once and not too early, or was cancelled, or its instance ended; and what came back was taken in."""
    taken = {each.data.input for each in journal if isinstance(each.data, Reacted | Ignored)}
    cancelled = {timer for each in journal if isinstance(each.data, TimersCancelled) for timer in each.data.timers}
    back: dict[UUID, list[Recorded[Any]]] = defaultdict(list)
    for each in journal:
        if not isinstance(each.data, ENTRIES) and each.metadata.causation_id is not None:
            back[UUID(each.metadata.causation_id)].append(each)
    for each in journal:
        if isinstance(each.data, TimerSet):
            came = back[each.id]
            if len(came) > 1 or (not came and each.id not in cancelled and not ended):
                yield f"timer {each.data} came back {len(came)} times"
            if any(one.recorded_at < each.data.due for one in came):
                yield f"timer {each.data} came back at {came[0].recorded_at}"
            if any(one.id not in taken for one in came):
                yield f"timer {each.data} came back to nobody"


def _messages_wrong(journal: Journal, parked: int) -> Iterator[str]:
    """Each is settled once, or parked."""
    sent = {each.id: each.data for each in journal if isinstance(each.data, Sent)}
    settled = Counter(each.data.message for each in journal if isinstance(each.data, _SETTLED))
    if set(settled) - set(sent) or any(times > 1 for times in settled.values()):
        yield f"settled was what was not sent, or more than once: {settled}"
    if len(sent) - len(settled) != parked:
        yield f"{len(sent)} messages were sent, {len(settled)} are settled, {parked} parked"


def _undone_wrong(journal: Journal, *, ended: bool) -> Iterator[str]:
    """What was done, or may have been, is undone in reverse, one after another."""
    plans = [each.data.undo for each in journal if isinstance(each.data, Compensating)]
    undone = [each.data.lane for each in journal if isinstance(each.data, Sent) and each.data.lane.startswith(UNDO)]
    if len(plans) > 1 or (undone and not plans):
        yield f"it was decided {len(plans)} times what to undo"
        return
    plan = [f"{UNDO}{step}" for step in plans[0]] if plans else []
    if undone != plan[: len(undone)] or (ended and undone != plan):
        yield f"undone was {undone}, to be undone {plan}"
    steps = [
        each.data.lane
        for each in journal
        if isinstance(each.data, Sent) and each.data.lane and each.data.lane not in undone
    ]
    if plan != [f"{UNDO}{step}" for step in reversed(steps) if _may_be_done(journal, step)] and plans:
        yield f"to be undone is {plan}, after {steps}"
    for before, after in pairwise(undone):
        if _at(journal, Delivered, before) > _at(journal, Sent, after):
            yield f"{after!r} did not wait for {before!r}"


def _may_be_done(journal: Journal, step: str) -> bool:
    settled = [each.data for each in journal if isinstance(each.data, _SETTLED) and each.data.step == step]
    kinds = {each.data.kind for each in journal if isinstance(each.data, Sent) and each.data.lane == step}
    if not settled:
        return False
    if isinstance(settled[0], Refused):
        return kinds == {"step"} and not settled[0].declined
    return True


def _at(journal: Journal, cls: type[Any], step: str) -> int:
    """Where it stands; behind all, if it does not."""
    for number, each in enumerate(journal):
        if isinstance(each.data, cls) and step in {getattr(each.data, "lane", None), getattr(each.data, "step", None)}:
            return number
    return len(journal)


# What must hold of orders ---------------------------------------------------------------------------------------------


def _orders_wrong(store: Store, outside: Outside) -> Iterator[str]:
    """Reserved is shipped or released, and charged is delivered or given back."""
    stock = {name: Counter(subjects(store, f"stock.{name}")) for name in ("reserved", "released", "shipped")}
    there = {verb: Counter(outside.effects(verb)) for verb in ("charge", "refund", "deliver", "label", "unlabel")}
    states = dict(own(store, "select instance, state from {refold}processes where process = 'checkout'"))
    for id, state in states.items():
        reserved, released, shipped = (stock[name][id] for name in ("reserved", "released", "shipped"))
        charge, refund, deliver = (there[verb][id] for verb in ("charge", "refund", "deliver"))
        counts = {"stock": (reserved, released, shipped), "money": (charge, refund, deliver)}
        if max(reserved, released, shipped, charge, refund, deliver) > 1:
            yield f"order {id}, {state}, was served more than once: {counts}"
        if state == "finished" and counts != {"stock": (1, 0, 1), "money": (1, 0, 1)}:
            yield f"order {id} is finished with {counts}"
        if state == "compensated" and (reserved != released or shipped or charge > refund or deliver):
            yield f"order {id} is compensated with {counts}"
        if state == "compensated" and there["label"][id] > there["unlabel"][id]:
            yield f"order {id} is compensated, and still has a label"
        if state not in {"finished", "compensated"} and (released and shipped):
            yield f"order {id}, {state}, has {counts}"
    notes = store._engine.outside(lambda b: _events(b, store, "log.noted"))
    twice = Counter((each.stream.id, each.data.data["text"]) for each in notes)
    yield from (f"noted {times} times: {note}" for note, times in twice.items() if times > 1)


def entries(store: Store, subject: Saga[Any] | Process[Any, Any], id: str, *classes: type[Any]) -> list[Any]:
    """The entries of a journal that are of these classes."""
    return [each.data for each in journals(store, as_process(subject))[id] if isinstance(each.data, classes)]
