"""Retry and skip: what is parked is applied after all, in the order of its key, or given up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from refold.errors import Unreadable, UsageError
from refold.flows.prepare import Runtime
from refold.flows.projections.batch import HandlerFailed
from refold.flows.projections.builds import Build
from refold.flows.projections.dead_letters import COLUMNS, IN, PARKED, DeadLetter, letters_of
from refold.flows.projections.mending import deliver, handled_types, mendable, rows_at, settle, work_on
from refold.flows.projections.persevering import told
from refold.flows.projections.work import BATCH, Work, partitions
from refold.flows.read import opened
from refold.messages import Recorded
from refold.ports import PAGE, Backend, Own, Unclaimed
from refold.projection import Projection, slot_of
from refold.publication import Publication

_AT: Final = f"select {COLUMNS} {IN} and position = :position"
_OF_KEY: Final = (
    f"select {COLUMNS} {IN} and key = :key and {PARKED} and position <= :until order by position limit :limit"
)
_KEYS: Final = (
    f"select distinct key {IN} and {PARKED} and key >= :from and position <= :until order by key limit :limit"
)
_DONE: Final = f"delete {IN} and key = :key and {PARKED} and position between :first and :last"
_FAILED: Final = f"""
update {{refold}}dead_letters set state = 'failed', error = :error, attempts = attempts + 1
where projection = :projection and build = :build and position = :position and {PARKED}"""  # noqa: S608
_SKIP: Final = f"""
update {{refold}}dead_letters set state = 'skipped'
where projection = :projection and build = :build and position = :position and {PARKED} returning position"""  # noqa: S608
_END: Final = (1 << 62) - 1


class _Failure(Struct, frozen=True):
    """The event of a key that fails, and why: those behind it wait on."""

    position: int
    error: str


async def retry(
    source: Backend, target: Backend, runtime: Runtime, projection: Projection, key: str | None, until: int | None
) -> int:
    """Apply what is parked of a key, or of all, in its order up to a position; say how many events were applied.

    Raises:
        NoSuchProjection: nothing was begun under this name.
        ProjectionChanged: the read model was built by another version of the projection.
    """
    last = _END if until is None else until
    if key is not None:
        return await _retry_key(source, target, runtime, projection, key, last)
    applied, done = 0, ""
    build = await mendable(target, projection)
    while keys := await _keys(target, build, done, last):
        for each in keys:
            applied += await _retry_key(source, target, runtime, projection, each, last)
        if len(keys) < PAGE:
            return applied
        done = keys[-1]
    return applied


async def _keys(target: Backend, build: Build, done: str, until: int) -> Sequence[str]:
    """The next keys that have something parked, those after `done`; at first also the empty one."""
    rows: Any = await target.query(Own(_KEYS, {**build.key, "from": done, "until": until, "limit": PAGE + 1}))
    return [key for (key,) in rows if not done or key != done][:PAGE]


async def _retry_key(
    source: Backend, target: Backend, runtime: Runtime, projection: Projection, key: str, until: int
) -> int:
    most = 1 if isinstance(projection, Publication) else BATCH  # what was sent is not sent again for one behind it
    applied, size = 0, most
    failure: _Failure | None = None
    while True:
        build = await mendable(target, projection)
        work = work_on(projection, build, await partitions(target, build), slot_of(key))
        letters = await letters_of(target, build, _OF_KEY, key=key, until=until, limit=size)
        if work is None or not letters:
            return applied
        events, failure = await _readable(source, runtime, projection, letters, failure)
        try:
            await deliver(target, work, events, _settled(build, letters, failure))
        except Unclaimed:  # somebody else changed the partition: look again
            failure = None
        except HandlerFailed as failed:  # what comes before it is applied first, and then it is marked
            failure = _Failure(failed.recorded.position, told(failed, work))
        except UsageError:  # of one of them: smaller parts tell of which
            failure, size = None, max(1, size // 2)
        else:
            applied += len(events)
            if failure is not None:
                return applied
            size = min(most, size * 2)


async def _readable(
    source: Backend,
    runtime: Runtime,
    projection: Projection,
    letters: Sequence[DeadLetter],
    failure: _Failure | None,
) -> tuple[Sequence[Recorded[Any]], _Failure | None]:
    """The events up to the first that is known to fail, or that cannot be read."""
    decoders, names = runtime.codec.selecting(projection.event_types), handled_types(runtime, projection)
    rows = await rows_at(source, [letter.position for letter in letters])
    events: list[Recorded[Any]] = []
    for position in [letter.position for letter in letters]:
        if failure is not None and position >= failure.position:
            break
        if position not in rows:
            return events, _Failure(position, "Missing: the store holds no event at this position")
        if names is None or rows[position].type in names:  # a handler that is not there any more handles nothing
            try:
                events.extend(opened(decoders, rows[position]))
            except Unreadable as error:
                return events, _Failure(position, f"{type(error).__name__}: {error}")
    return events, failure


def _settled(build: Build, letters: Sequence[DeadLetter], failure: _Failure | None) -> Sequence[Own]:
    """What is kept of the letters: nothing of those applied, the error of the one that fails."""
    last = letters[-1].position if failure is None else failure.position - 1
    values = {**build.key, "key": letters[0].key, "first": letters[0].position, "last": last}
    if failure is None:
        return [Own(_DONE, values)]
    failed = Own(_FAILED, {**build.key, "position": failure.position, "error": failure.error})
    return [Own(_DONE, values), failed]


# Given up ---------------------------------------------------------------------


async def skip(source: Backend, target: Backend, runtime: Runtime, projection: Projection, position: int) -> int:
    """Give an event up for ever, and apply those of its key that waited behind it; say how many were applied.

    Raises:
        NoSuchProjection: nothing was begun under this name.
        ProjectionChanged: the read model was built by another version of the projection.
        UsageError: no event at this position is parked.
    """
    while True:
        build = await mendable(target, projection)
        parts = await partitions(target, build)
        found = await letters_of(target, build, _AT, position=position)
        if not found:
            raise UsageError(
                f"projection {projection.name!r} has no dead letter of position {position}, so there is nothing to skip: "
                "dead_letters() lists those that there are."
            )
        work = work_on(projection, build, parts, slot_of(found[0].key))
        if work is not None and await _given_up(target, work, found[0]):
            break
    first = await letters_of(target, build, _OF_KEY, key=found[0].key, until=_END, limit=1)
    if not first or first[0].position < position:  # those before it were not given up, and hold it up as they did
        return 0
    return await _retry_key(source, target, runtime, projection, found[0].key, _END)


async def _given_up(target: Backend, work: Work, letter: DeadLetter) -> bool:
    """Whether it is skipped now, by whomever."""
    if letter.state == "skipped":
        return True
    try:
        skipped = Own(_SKIP, {**work.build.key, "position": letter.position}, must=True)
        await settle(target, work, skipped)
    except Unclaimed:
        return False
    return True
