"""Undo and redo: read what the plan needs to know, and append what it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from refold.errors import CannotUndo, Conflict, IdReused, UsageError, shortened
from refold.flows.again import plainly, was_written
from refold.flows.append import Receipt
from refold.flows.periods import newest_of
from refold.flows.prepare import Cause, Runtime, prepare
from refold.flows.read import all_rows, opened_all
from refold.flows.together import append_all
from refold.flows.trail import Trail, as_facts, begun, rows_of
from refold.flows.transact import ATTEMPTS
from refold.fold import Fold, checked_fold
from refold.inverse import Way
from refold.marks import REDOES, UNDOES, Fact, Marks
from refold.messages import Context, Metadata, NewEvent, parsed, several
from refold.ports import Backend, InStory, InStream, Selection, StreamMoved, Write
from refold.query import AppendCondition, Query
from refold.rows import Row
from refold.undoing import History, Obstacle, Plan, UndoStep, caused, id_of, planned

P = TypeVar("P", bound=Plan)


async def plan_of(
    backend: Backend,
    runtime: Runtime,
    kind: type[P],
    ids: Sequence[UUID],
    correlation_id: str | None,
    folds: Iterable[Fold[Any, Any]],
) -> P:
    """How some events, or all of a story, are undone or redone; what is in the way is in the plan.

    Raises:
        UsageError: it is not said what, or both ways; or two folds have one category.
        UnknownEventType, UndecodableEvent: a fold cannot read its stream.
    """
    if bool(ids) == (correlation_id is not None):
        raise UsageError(f"say what to {kind.way}: ids of events, or correlation_id=..., and not both.")
    by_category = _by_category(folds)
    rows = await _asked(backend, ids, correlation_id)
    histories, facts = await _histories(backend, runtime, rows, by_category)
    trail = await (await begun(backend, kind.way, as_facts(rows))).further(backend)
    marks = Marks({**facts, **trail.facts}.values())
    if correlation_id is None:
        chosen, missing = _of_ids(kind.way, marks, ids)
    else:
        chosen, missing = _of_story(kind.way, marks, correlation_id, histories)
    return planned(kind, marks, histories, chosen, missing)


def _by_category(folds: Iterable[Fold[Any, Any]]) -> Mapping[str, Fold[Any, Any]]:
    found: dict[str, Fold[Any, Any]] = {}
    for fold in several("folds", folds):
        checked_fold(fold)
        if found.setdefault(fold.category, fold) is not fold:
            raise UsageError(f"two folds of category {fold.category!r} were given: give the one with the inverses.")
    return found


async def _asked(backend: Backend, ids: Sequence[UUID], correlation_id: str | None) -> Sequence[Row]:
    if correlation_id is None:
        return await rows_of(backend, ids)
    return [row async for row in all_rows(backend, Selection(InStory(correlation_id)))]


async def _histories(
    backend: Backend, runtime: Runtime, asked: Iterable[Row], folds: Mapping[str, Fold[Any, Any]]
) -> tuple[Mapping[str, History], dict[UUID, Fact]]:
    histories: dict[str, History] = {}
    facts: dict[UUID, Fact] = {}
    for stream in sorted({row.stream for row in asked}):
        name = parsed(stream)
        fold = folds.get(name.category)
        if fold is not None:
            rows = [row async for row in all_rows(backend, Selection(InStream(stream)))]
            decoders = runtime.codec.decoders(fold.event_types)
            newest = await newest_of(backend, name)
            histories[stream] = History.of(fold, rows[-1].version, opened_all(decoders, rows), newest)
            facts |= as_facts(rows)
    return histories, facts


def _of_ids(way: Way, marks: Marks, ids: Sequence[UUID]) -> tuple[Sequence[Fact], Sequence[Obstacle]]:
    """What stands, or is undone, of these events."""
    chosen: dict[UUID, Fact] = {}
    missing: list[Obstacle] = []
    for id in ids:
        fact = marks.facts.get(id)
        if fact is None:
            missing.append(Obstacle(None, f"event {id}", "it is not in this store"))
        elif way == "undo":
            found = [now for now in marks.latest(id) if marks.stands(now)]
            missing += [] if found else [Obstacle(id, fact.place, _why_not_undone(marks, fact))]
            chosen |= {now.id: now for now in found}
        else:
            found = [now for now in marks.latest(fact.undoes or id) if marks.is_undone(now)]
            missing += [] if found else [Obstacle(id, fact.place, "it stands, so there is nothing to redo")]
            chosen |= {now.id: now for now in found}
    return tuple(chosen.values()), missing


def _why_not_undone(marks: Marks, fact: Fact) -> str:
    if fact.undoes is not None:
        undone = marks.facts.get(fact.undoes)
        return f"it undoes {undone.place if undone else fact.undoes}: redo that instead"
    by = next(undoing for now in marks.latest(fact.id) for undoing in marks.undoing[now.id])
    return f"it was undone already, by {by.place}"


def _of_story(
    way: Way, marks: Marks, story: str, histories: Mapping[str, History]
) -> tuple[Sequence[Fact], Sequence[Obstacle]]:
    """All of a story that stands, or is undone; left out are streams of Refold's own, and what is read as nothing."""
    told = [
        fact
        for fact in marks.facts.values()
        if fact.story == story
        and not fact.is_own
        and (fact.stream not in histories or fact.id in histories[fact.stream].events)
    ]
    chosen = [fact for fact in told if (marks.stands(fact) if way == "undo" else marks.is_undone(fact))]
    if chosen:
        return chosen, ()
    why = "there is none" if not told else "nothing of it stands" if way == "undo" else "nothing of it is undone"
    return (), [Obstacle(None, f"story {story!r}", why)]


async def carry_out(
    backend: Backend, runtime: Runtime, kind: type[Plan], plan: Plan, context: Context
) -> tuple[Receipt, ...]:
    """Append what a plan says, to all its streams or none; one receipt a step.

    Its events have ids that follow from those of the events that they undo, so repeating it appends nothing twice.

    Raises:
        CannotUndo: something is in the way, or has come into it, or the events were undone by another plan meanwhile.
        Conflict: a stream is no longer what the plan was made for.
        UsageError: it is a plan for the other way, or for another store.
    """
    if not isinstance(plan, kind):
        raise UsageError(f"store.{kind.way}() takes what store.plan_{kind.way}() gives, not {shortened(plan)}.")
    if plan.obstacles:
        raise CannotUndo(*plan.obstacles)
    rows = await rows_of(backend, [step.event.id for step in plan.steps])
    if len(rows) < len(plan.steps):
        raise UsageError(
            f"the events of this plan are not in this store: {kind.way} it in the one that it was made for."
        )
    trail = await (await begun(backend, kind.way, as_facts(rows))).further(backend)
    stale = tuple(_stale(runtime, plan, rows))  # before anything is sealed: that makes a key for whoever was forgotten
    try:
        writes = [_write(plainly(runtime) if stale else runtime, step, plan, context) for step in plan.steps]
        if stale and not await was_written(backend, runtime, writes):
            raise CannotUndo(*stale)
        stale = stale or tuple(_stale(runtime, plan, rows))  # for who was forgotten just now
        if backend.capabilities.together:
            return await backend.within(lambda inside: _done(inside, runtime, plan, writes, trail, stale, context))
        return await _done(backend, runtime, plan, writes, trail, stale, context)
    except IdReused as error:
        raise CannotUndo(
            f"some of these events were {plan.way}ne meanwhile, by another plan: make a new one"
        ) from error


def _stale(runtime: Runtime, plan: Plan, rows: Sequence[Row]) -> Iterator[Obstacle]:
    """A plan is kept in mind for as long as somebody thinks it over: whom its events are about may be forgotten meanwhile."""
    meant = {step.event.id: [part.data for part in (step.event, *step.rest)] for step in plan.steps}
    classes = {data.__class__: None for parts in meant.values() for data in parts}
    read: dict[UUID, list[Any]] = {}
    for event in opened_all(runtime.codec.decoders(tuple(classes)), rows):
        read.setdefault(event.id, []).append(event.data)
    for fact in as_facts(rows).values():
        if read.get(fact.id) != meant[fact.id]:
            yield Obstacle(fact.id, fact.place, "it does not read as it did when this was planned: make a new plan")


async def _done(
    backend: Backend,
    runtime: Runtime,
    plan: Plan,
    writes: Sequence[Write],
    trail: Trail,
    stale: Sequence[Obstacle],
    context: Context,
) -> tuple[Receipt, ...]:
    """Look whether anything has come into the way since the plan, and append if nothing comes between; else look again.

    In a transaction that is at most twice: whoever was refused once holds the lock.
    """
    for left in reversed(range(ATTEMPTS)):
        trail = await trail.further(backend)
        obstacles = (*stale, *_in_the_way(plan, trail))
        if obstacles and not await backend.find([row.id for write in writes for row in write.rows]):
            raise CannotUndo(*obstacles)
        unseen = AppendCondition(Query.all(), trail.reached)
        try:
            return await append_all(backend, runtime, writes, checks=(unseen,), context=context)
        except Conflict as conflict:
            moved = tuple(failure for failure in conflict.failures if isinstance(failure, StreamMoved))
            if moved or not left:
                raise Conflict(moved or conflict.failures) from None
    raise AssertionError  # the last attempt returned or raised


def _in_the_way(plan: Plan, trail: Trail) -> Iterator[Obstacle]:
    marks, chosen = Marks(trail.facts.values()), {step.event.id for step in plan.steps}
    for fact in map(trail.facts.__getitem__, sorted(chosen)):
        for reason in caused(plan.way, marks, fact, chosen):
            yield Obstacle(fact.id, fact.place, reason)


def _write(runtime: Runtime, step: UndoStep, plan: Plan, context: Context) -> Write:
    stream, undone, metadata = str(step.event.stream), step.event.id, _metadata(step, plan, context)
    events = [
        NewEvent(data, id_of(plan.way, undone, number), tags=_tags(step, data), metadata=metadata)
        for number, data in enumerate(step.proposed)
    ]
    return Write(stream, prepare(runtime, events, Cause.of(context)), plan.versions[stream])


def _metadata(step: UndoStep, plan: Plan, context: Context) -> Metadata:
    id, story = str(step.event.id), step.event.metadata.correlation_id
    free = {**context.free, UNDOES if plan.way == "undo" else REDOES: id}
    if context.causation_id:
        free["$cause"] = context.causation_id
    return Metadata(story, id, context.actor, context.valid_at, free)


def _tags(step: UndoStep, data: object) -> frozenset[str]:
    """An event that is appended again keeps its tags."""
    return step.event.tags if any(data == part.data for part in (step.event, *step.rest)) else frozenset()
