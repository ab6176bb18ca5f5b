"""Work on one partition of a build, step by step: read, apply, and move the checkpoint, all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from refold.columns import SqlValue
from refold.errors import UsageError
from refold.flows.prepare import Runtime
from refold.flows.projections.applied import NEWEST, Applied, kept
from refold.flows.projections.batch import AskedOutside, Batch, HandlerFailed, is_one
from refold.flows.projections.builds import Build
from refold.flows.projections.publishing import publish
from refold.flows.projections.traces import traces_of
from refold.flows.read import is_hidden, opened_all
from refold.messages import Recorded
from refold.ports import EVERYTHING, Backend, Matching, Own, Selection
from refold.projection import SLOTS, Projection, by_stream, slot_of
from refold.publication import Publication
from refold.query import Query
from refold.rows import Row

BATCH: Final = 500
"""How many events share a transaction."""
_SPARSE: Final = 8
"""Where fewer than one event in so many is wanted, they are looked up by their types."""


class Partition(Struct, frozen=True):
    """A range of a build's keys: how far it is, who works on it, and how it is."""

    first: int
    last: int
    position: int
    stop_at: int | None
    state: str
    reason: str
    fence: int
    owner: str
    leased_until: int
    moved_at: int
    applied: int
    rate: float


COLUMNS: Final = (
    "first_slot, last_slot, position, stop_at, state, reason, fence, owner, leased_until, moved_at, applied, rate"
)
_PARTITIONS: Final = (
    f"select {COLUMNS} from {{refold}}partitions where projection = :projection and build = :build order by first_slot"  # noqa: S608
)
PARKED: Final = """
select distinct key from {refold}dead_letters
where projection = :projection and build = :build and state in ('failed', 'waiting')"""
_PARK: Final = """
insert into {refold}dead_letters (projection, build, position, key, state, error, attempts, parked_at)
values (:projection, :build, :position, :key, :state, :error, :attempts, {now})"""
_MOVE: Final = """
update {refold}partitions set position = :to, applied = applied + :applied, rate = :rate, moved_at = {now}
where projection = :projection and build = :build and first_slot = :first and last_slot = :last and position = :after
  and fence = :fence and state = 'running' returning position"""


async def partitions(backend: Backend, build: Build) -> Sequence[Partition]:
    """The partitions of a build, by their slots."""
    rows: Any = await backend.query(Own(_PARTITIONS, build.key))
    return [Partition(*row) for row in rows]


class Work:
    """What one worker knows of the partition that it works on. Out of date, it is stopped by the fence or the position."""

    def __init__(
        self, projection: Projection, build: Build, partition: Partition, parked: Iterable[str], applied: Applied
    ) -> None:
        self.projection, self.build, self.partition = projection, build, partition
        self.parked, self.applied = set(parked), applied
        self.position = partition.position
        self.batch = BATCH
        self.doomed: dict[int, tuple[str, int]] = {}
        self.held: Exception | None = None
        self.rate = partition.rate
        self.asks = False
        self.sparse = False
        self.observed = False

    @property
    def is_whole(self) -> bool:
        """Whether every key is its own."""
        return (self.partition.first, self.partition.last) == (0, SLOTS - 1)

    def has(self, slot: int) -> bool:
        """Whether a slot is its own."""
        return self.partition.first <= slot <= self.partition.last


class Stepped(Struct, frozen=True):
    """What a step did: how far it came, how many events it applied, and put aside.

    Where it is observed, `traces` are the trace contexts of its events, and `error` is the class of what it failed with.
    """

    position: int
    applied: int
    parked: int = 0
    traces: tuple[str, ...] = ()
    error: str = ""


class _Done(Struct, frozen=True):
    """A step that is not committed yet, and what the worker will know when it is."""

    stepped: Stepped
    bits: Mapping[int, tuple[int, int]]
    parked: set[str]


async def take_up(backend: Backend, projection: Projection, build: Build, first: int) -> Work | None:
    """All that is to be known of a partition before it is worked on; `None` if there is none that begins there.

    The partition is read first: whatever changes the rest raises its fence.
    """
    found = [part for part in await partitions(backend, build) if part.first == first]
    if not found:
        return None
    parked: Any = await backend.query(Own(PARKED, build.key))
    newest: Any = await backend.query(Own(NEWEST, {**build.key, "first": first}))
    return Work(projection, build, found[0], (key for (key,) in parked), Applied(newest))


async def step(
    source: Backend, target: Backend, runtime: Runtime, work: Work, *, until: int | None = None
) -> Stepped | None:
    """Apply the next events, or say that there are none up to position `until`.

    Raises:
        Unclaimed: somebody else moved the partition on, or changed it; nothing was done.
        HandlerFailed: a handler raised, or the statements of the only event cannot be run; nothing was done.
        UsageError: the statements of one of the events cannot be run; nothing was done.
        ReceiverAway, ReceiverGone, AddressRefused: what it publishes is not taken now, or not any more.
    """
    stops = [stop for stop in (until, work.partition.stop_at) if stop is not None]
    rows, to = await _next(source, runtime, work, min(stops, default=None))
    if to <= work.position:
        return None
    if work.projection.beforehand is not None:
        await work.projection.beforehand(target)
    events = _wanted(runtime, work, rows)
    if isinstance(work.projection, Publication):
        to = await publish(runtime, work, work.projection, _sorted_out(runtime, work, events)[0], to)
        events = [recorded for recorded in events if recorded.position <= to]
    if not (work.asks or target.capabilities.inside):
        try:
            return _kept_in_mind(work, await _done(target, runtime, work, events, to, None))
        except AskedOutside:
            work.asks = True
    try:
        return _kept_in_mind(work, await target.within(lambda b: _done(b, runtime, work, events, to, b)))
    except UsageError as error:  # of what is checked at the commit
        if is_one(events):
            raise HandlerFailed(events[0], error) from error
        raise


def _kept_in_mind(work: Work, done: _Done) -> Stepped:
    """What is committed now, the worker knows."""
    work.applied.keep(done.bits)
    work.parked |= done.parked
    work.position = done.stepped.position
    return done.stepped


async def _next(source: Backend, runtime: Runtime, work: Work, until: int | None) -> tuple[Sequence[Row], int]:
    """The next rows, and the position up to which these are all that matter."""
    after, names = work.position, runtime.codec.selecting(work.projection.event_types).names
    if work.sparse and names is not None:
        head = await source.head()  # before the rows: what comes in between is left for the next step
        end = head if until is None else min(head, until)
        rows = await source.read(
            Selection(Matching(Query.of(types=names)), after, limit=work.batch, position_until=end)
        )
        work.sparse = len(rows) * _SPARSE < max(1, (rows[-1].position if rows else end) - after)
        return rows, rows[-1].position if len(rows) == work.batch else end
    rows = await source.read(Selection(EVERYTHING, after, limit=work.batch, position_until=until))
    if names is not None and len(rows) == BATCH:
        work.sparse = sum(row.type in names for row in rows) * _SPARSE < len(rows)
    return rows, rows[-1].position if rows else after


def _wanted(runtime: Runtime, work: Work, rows: Sequence[Row]) -> Sequence[Recorded[Any]]:
    """The events of this partition that have a handler.

    Raises:
        UsageError: the parts of a stored event have different keys.
    """
    decoders = runtime.codec.selecting(work.projection.event_types)
    if decoders.names is not None:
        names = decoders.names
        rows = [row for row in rows if row.type in names]
    if decoders.raw:
        rows = [row for row in rows if not is_hidden(decoders, row)]
    if work.projection.key is by_stream:  # known without opening it
        mine = rows if work.is_whole else [row for row in rows if work.has(slot_of(row.stream))]
        return list(opened_all(decoders, mine))
    events = list(opened_all(decoders, rows))
    if decoders.splits:
        _check_keys(work.projection, events)
    return events if work.is_whole else [recorded for recorded in events if work.has(work.projection.slot(recorded))]


def _check_keys(projection: Projection, events: Sequence[Recorded[Any]]) -> None:
    """What is stored once is taken in once, so it belongs to one key, whatever it is read as."""
    keys: dict[int, str] = {}
    for recorded in events:
        if recorded.parts > 1 and (key := projection.key_of(recorded)) != keys.setdefault(recorded.position, key):
            raise UsageError(
                f"projection {projection.name!r} gives the parts of one stored event, at position {recorded.position}, the keys "
                f"{keys[recorded.position]!r} and {key!r}: one of them would be taken in by another worker. Give them one key."
            )


async def _done(
    target: Backend, runtime: Runtime, work: Work, events: Sequence[Recorded[Any]], to: int, inside: Backend | None
) -> _Done:
    batch = Batch(work.projection, work.build.suffix, inside)
    fresh, letters, parked = _sorted_out(runtime, work, events)
    claim = [_claim(runtime, work, to, len(fresh))]
    if inside is not None:  # whoever comes second waits here, and not in what the handlers do
        await inside.work(claim)
        claim = []
    await batch.look_up(target, fresh)
    await batch.apply(fresh, effects_after=work.build.causes_after)
    bits = work.applied.with_positions(batch.applied)
    try:
        await target.work([*claim, *kept(work.build, work.partition.first, bits), *letters, *batch.taken()])
    except UsageError as error:
        if is_one(fresh):  # then it is known whose fault it is
            raise HandlerFailed(fresh[0], error) from error
        raise
    traces = traces_of(events) if work.observed else ()
    return _Done(Stepped(to, len(fresh), len(letters), traces), bits, parked)


def _claim(runtime: Runtime, work: Work, to: int, applied: int) -> Own:
    part = work.partition
    return Own(
        _MOVE,
        {
            **work.build.key, "first": part.first, "last": part.last, "fence": part.fence, "after": work.position, "to": to,
            "applied": applied, "rate": work.rate, "now": runtime.clock.now(),
        },
        must=True,
    )  # fmt: skip


def _sorted_out(
    runtime: Runtime, work: Work, events: Sequence[Recorded[Any]]
) -> tuple[Sequence[Recorded[Any]], list[Own], set[str]]:
    """The events to apply; and of those that failed, or wait behind one of their key that did, what is kept of them."""
    if not work.parked and not work.doomed:
        return events, [], set()
    fresh: list[Recorded[Any]] = []
    letters: list[Own] = []
    parked: set[str] = set()
    for recorded in events:
        if letters and recorded.position == letters[-1].params["position"]:  # a further part of what is parked
            continue
        key = work.projection.key_of(recorded)
        error, attempts = work.doomed.get(recorded.position, ("", 0))
        if key in work.parked or key in parked:
            letters.append(_letter(runtime, work.build, recorded, key, "waiting", "", 0))
        elif attempts:
            letters.append(_letter(runtime, work.build, recorded, key, "failed", error, attempts))
            parked.add(key)
        else:
            fresh.append(recorded)
    return fresh, letters, parked


def _letter(
    runtime: Runtime, build: Build, recorded: Recorded[Any], key: str, state: str, error: str, attempts: int
) -> Own:
    values: dict[str, SqlValue] = {
        "position": recorded.position,
        "key": key,
        "state": state,
        "error": error,
        "attempts": attempts,
    }
    return Own(_PARK, {**build.key, **values, "now": runtime.clock.now()})
