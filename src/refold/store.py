"""The blocking face: signatures and docstrings. Every operation lives in `refold.flows`, once for both faces."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeAlias, TypeVar, TypeVarTuple, overload
from uuid import UUID

from msgspec.structs import replace

from refold._bridge.blocking import BlockingEngine, blocking_engine
from refold._bridge.native import NativeBlockingEngine
from refold._bridge.pacing import BlockingPace
from refold._bridge.targets import blocking_target
from refold.clock import Clock, SystemClock
from refold.closing import Closing
from refold.codec import Codec
from refold.columns import SqlValue
from refold.commands import Commands, commands_of
from refold.errors import UsageError
from refold.flows.append import Receipt, append
from refold.flows.decide import Decided, decide, handle_within, state_within
from refold.flows.follow import Start, checked_timeout, follower
from refold.flows.forgetting import Forgotten, forget
from refold.flows.history import Step, diff, walk
from refold.flows.load import AsOf, Loaded, load
from refold.flows.prepare import Runtime
from refold.flows.processes import entries
from refold.flows.projections.inline import Inline
from refold.flows.projections.status import (
    ProjectionStatus,
    RunnerStatus,
    Token,
    position_of,
    runners,
    statuses,
    wait_for,
)
from refold.flows.read import Direction, Wanted, page, wanted
from refold.flows.redecide import Redecision, redeciding
from refold.flows.snapshotting import (
    SnapshotCheck,
    afterwards,
    check_snapshots,
    drop_snapshots,
    snapshot,
    with_shortcuts,
)
from refold.flows.survey import find, streams_page, verify_page
from refold.flows.together import StreamWrite, append_all
from refold.flows.transact import Handled, do, handle, kind_of
from refold.flows.undo import carry_out, plan_of
from refold.flows.whatif import SHOWN, Edits, WhatIf, whatif
from refold.fold import Decider, DecisionModel, Fold, Scoped, ScopedDecider, Send, checked_fold
from refold.limits import Limits
from refold.live import LiveModel, LiveState
from refold.messages import Context, Position, Recorded, StreamName, checked_name
from refold.opening import open_blocking, sealing_of
from refold.patching import Operation
from refold.periods import Periods
from refold.ports import Backend, Check, Damage, Durability, Stats, StreamInfo, Target, Write
from refold.process import Process
from refold.projection import Projection, Statement
from refold.query import ANY, AppendCondition, ExpectedVersion, Query
from refold.read_model import ReadModel
from refold.runner import LEASE, Observe
from refold.snapshot import Snapshots
from refold.subscription import Subscription
from refold.undoing import Redo, Undo

if TYPE_CHECKING:
    from refold.arrow.table import ArrowTable, DataAs
    from refold.cloudevents import CloudEvent
    from refold.copying.report import Copied, Equivalence
    from refold.copying.stored import Transform
    from refold.duties import Runs
    from refold.instances import Instances
    from refold.received import Received
    from refold.running import Running
    from refold.sagas import Saga
    from refold.schedule import Misfire, Schedule

_log = logging.getLogger("refold.snapshots")

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")
P = ParamSpec("P")
Ss = TypeVarTuple("Ss")
Engine: TypeAlias = BlockingEngine | NativeBlockingEngine


class Streams(Generic[S, E]):
    """The streams of one fold."""

    def __init__(
        self, engine: Engine, runtime: Runtime, fold: Fold[S, E], context: Context, keeping: Commands | None = None
    ) -> None:
        self._engine, self._runtime, self._fold, self._context = engine, runtime, fold, context
        self._keeping = keeping

    def state(self, id: str, *, as_of: AsOf | None = None, valid_at: datetime | None = None) -> S:
        """The state of one stream.

        `as_of`: by what the store knew then; a time, a `Position`, or a version (a plain int). `valid_at`: by what was
        true in the world then. Both: what we knew then of how it was then.

        Raises:
            NoSuchVersion: the stream has not reached the version.
            UnknownEventType, UndecodableEvent: the fold cannot read the stream.
        """
        return self.load(id, as_of=as_of, valid_at=valid_at).state

    def load(self, id: str, *, as_of: AsOf | None = None, valid_at: datetime | None = None) -> Loaded[S]:
        """The state of one stream, with the version and position of the last event in it. Options as for `state`."""
        loaded = self._engine.outside(lambda b: load(b, self._runtime, self._fold, id, as_of, valid_at))
        if valid_at is None:
            self._keep(id, loaded, newest=as_of is None)
        return loaded

    def snapshot(self, id: str, *, as_of: AsOf | None = None) -> int:
        """Save the state of one stream, now or as of then, and give its version. Loads begin there if the fold has `Snapshots`.

        Raises:
            Unsupported: the backend has no SQL.
            UsageError: the state would not read back the same.
            NoSuchVersion: the stream has not reached the version.
        """
        return self._engine.outside(lambda b: snapshot(b, self._runtime, self._fold, id, as_of))

    def check_snapshots(self, id: str | None = None) -> Sequence[SnapshotCheck]:
        """Every saved state of one stream, or of all, held against the fold of all events up to it.

        Raises:
            Unsupported: the backend has no SQL.
            UnknownEventType, UndecodableEvent: the fold cannot read a stream.
        """
        return self._engine.outside(lambda b: check_snapshots(b, self._runtime, self._fold, id))

    def drop_snapshots(self, id: str | None = None, *, outdated: bool = False) -> int:
        """Drop the saved states of one stream, or of all, and say how many; `outdated`: those by other versions of the fold.

        Raises:
            Unsupported: the backend has no SQL.
        """
        return self._engine.outside(lambda b: drop_snapshots(b, self._runtime, self._fold, id, outdated=outdated))

    def _keep(self, id: str, told: Loaded[S] | Handled[S, E], *, newest: bool = True) -> None:
        flow = afterwards(self._runtime, self._fold, id, told, newest=newest)
        if flow is not None and (problem := self._engine.outside(flow)):
            _log.warning(problem)

    def history(self, id: str, *, after: AsOf | None = None, until: AsOf | None = None) -> Iterator[Step[S, E]]:
        """What each event of one stream did to the state: the event, the states before and after it, and the `diff`.

        `after` is exclusive, `until` inclusive, both as `as_of` of `state`. Memory stays constant.

        Raises:
            NoSuchVersion: the stream has not reached a version.
            UnknownEventType, UndecodableEvent: the fold cannot read the stream, when it is that event's turn.
        """
        way = self._engine.outside(lambda b: walk(b, self._runtime, self._fold, id, after, until))
        while rows := self._engine.outside(way.page):
            for row in rows:
                yield from way.steps(row)

    def diff(self, id: str, old: AsOf, new: AsOf) -> tuple[Operation, ...]:
        """What makes the state of one stream at one point of that at another, as a JSON Patch; each as `as_of` of `state`.

        Raises:
            NoSuchVersion: the stream has not reached a version.
            UnknownEventType, UndecodableEvent: the fold cannot read the stream.
            UsageError: a state holds what JSON has no form for.
        """
        return self._engine.outside(lambda b: diff(b, self._runtime, self._fold, id, old, new))

    def whatif(
        self,
        id: str,
        *,
        drop: Iterable[int] = (),
        replace: Mapping[int, E | Iterable[E]] | None = None,
        insert: Mapping[int, E | Iterable[E]] | None = None,
        as_of: AsOf | None = None,
        limit: int = SHOWN,
    ) -> WhatIf[S, E]:
        """What would be if the history of one stream had been otherwise, beside what is. Nothing is written.

        `drop` and `replace` name events by their versions; what is to `insert` follows the version given, 0 for the
        beginning. A stored event that is read as several is one version: they go together, and any number may replace them.
        `as_of`: only what the store knew then, as for `state`. `limit`: how many steps that differ are kept.

        Raises:
            NoSuchVersion: the stream has not reached a version.
            UsageError: an event is of no class of the fold, or both dropped and replaced; or a version is no number.
            UnknownEventType, UndecodableEvent: the fold cannot read the stream.
            What the fold raises on the hypothetical history comes out as it is, with a note where.
        """
        edits = Edits[E].of(drop, {} if replace is None else replace, {} if insert is None else insert)
        return self._engine.outside(lambda b: whatif(b, self._runtime, self._fold, id, edits, as_of, limit))

    def do(
        self, id: str, decision: Callable[Concatenate[S, P], Iterable[E]], *args: P.args, **kwargs: P.kwargs
    ) -> Handled[S, E]:
        """Let a method of the state decide, and append what it yields. It may run more than once.

        Raises:
            Conflict: other writers were first too often.
            UsageError: commands are to be kept, and a method is none.
            Refused, OutcomeUnknown, StoreError: as `append`. What the decision raises comes out as it is.
        """
        name = getattr(decision, "__name__", type(decision).__name__)
        handled = self._engine.inside(
            lambda b: do(
                b,
                self._runtime,
                self._fold,
                id,
                name,
                lambda s: decision(s, *args, **kwargs),
                self._context,
                keeping=self._keeping,
            ),
            kind_of(decision),
            str(self._fold.stream(id)),
        )
        self._keep(id, handled)
        return handled


class CommandStreams(Streams[S, E], Generic[C, S, E]):
    """The streams of one decider."""

    def __init__(
        self,
        engine: Engine,
        runtime: Runtime,
        decider: Decider[C, S, E],
        context: Context,
        keeping: Commands | None = None,
    ) -> None:
        super().__init__(engine, runtime, decider, context, keeping)
        self._decider = decider

    def handle(self, id: str, command: C, *, idempotency_key: str | None = None) -> Handled[S, E]:
        """Let the decider decide upon a command, and append what it yields. It may run more than once.

        With an `idempotency_key`, a repeated command gives the first outcome and appends nothing, for ever.

        Raises:
            Conflict: other writers were first too often.
            KeyReused: the key belongs to another command or stream.
            UsageError: commands are kept, and this one is of no class that `decide` is annotated with.
            Refused, OutcomeUnknown, StoreError: as `append`. What the decider raises comes out as it is.
        """
        handled = self._engine.inside(
            lambda b: handle(
                b, self._runtime, self._decider, id, command, self._context, idempotency_key, keeping=self._keeping
            ),
            kind_of(self._decider.decide),
            str(self._decider.stream(id)),
        )
        self._keep(id, handled)
        return handled

    def redecide(self, id: str, *, as_of: AsOf | None = None) -> Iterator[Redecision[C, E]]:
        """Each kept command of one stream, decided again on the state that it met, beside the events that it led to.

        Commands are kept by `bind(..., keep_commands=True)`; those that led to no event are not there. Nothing is written, and
        memory stays constant. `as_of`: those that had led to events by what the store knew then, as for `state`.

        Raises:
            NoSuchVersion: the stream has not reached the version.
            UsageError: `decide` is not annotated with classes that are marked with `@command`.
            UnknownEventType, UndecodableEvent: the decider cannot read an event, when it is that event's turn.
            What the decider raises upon a command is in its `error`; what `evolve` does comes out as it is, with a note where.
        """
        way = self._engine.outside(lambda b: redeciding(b, self._runtime, self._decider, id, as_of))
        while rows := self._engine.outside(way.page):
            yield from way.taken(rows)
        yield from way.taken(())


class Boundary(Generic[C, S, E]):
    """A decider over what its types and some tags select, in place of one stream."""

    def __init__(self, engine: Engine, runtime: Runtime, decider: ScopedDecider[C, S, E], context: Context) -> None:
        self._engine, self._runtime, self._decider, self._context = engine, runtime, decider, context

    def state(self, *, as_of: datetime | Position | None = None) -> S:
        """The state after all that is selected, now or by what the store knew `as_of`.

        Raises:
            UsageError: `as_of` is a version, which only one stream has.
        """
        return self._engine.outside(lambda b: state_within(b, self._runtime, self._decider, as_of))

    def handle(self, command: C, *, stream: StreamName | str, idempotency_key: str | None = None) -> Decided[E]:
        """Let the decider decide upon a command, and append to `stream` what it yields. It may run more than once.

        It holds only if nothing that the decider selects was appended meanwhile. With an `idempotency_key`, a repeated
        command gives the first outcome and appends nothing, for ever.

        Raises:
            Conflict: other writers were first too often.
            KeyReused: the key belongs to another command or stream.
            Refused, OutcomeUnknown, StoreError: as `append`. What the decider raises comes out as it is.
        """
        return self._engine.inside(
            lambda b: handle_within(b, self._runtime, self._decider, command, stream, self._context, idempotency_key),
            kind_of(self._decider.decide),
            "",
        )


class Store:
    """An event store, for blocking code; any number of threads may share one."""

    def __init__(self, engine: Engine, runtime: Runtime, context: Context) -> None:
        self._engine, self._runtime, self._context = engine, runtime, context

    @classmethod
    def open(
        cls,
        url: str,
        *,
        events: Sequence[type[Any]] = (),
        clock: Clock | None = None,
        limits: Limits | None = None,
        verify_snapshots: bool = False,
        archive: str | None = None,
    ) -> Self:
        """Open the store at a URL: `sqlite:///shop.db`, `sqlite:///:memory:`, `memory://`.

        `events`: classes to read beside those that bound folds bring along; `RawEvent` among them reads every other type,
        too. Settings of a backend stand in the URL: `sqlite:///shop.db?durability=best-effort&busy_timeout=10&mode=ro`.
        `verify_snapshots`, for tests: a load that begins with what was kept, saved or cached, also folds all events, and raises
        `SnapshotMismatch` if that is another state. `archive`: the directory that streams were archived to, so that reads find
        their events, too; without it, a read that would miss some raises `Archived`. Whoever keeps personal data says in the
        URL where their keys are: `sqlite:///shop.db?keys=sqlite:///shop-keys.db`.

        Raises:
            UsageError: the URL has no backend, or an event has personal fields and the URL no keys.
            Unsupported: this backend has no archive.
            MissingExtra: an archive needs pyarrow.
            StoreError: it cannot be opened, is locked, not ours, or of a newer format; nothing was changed.
        """
        sealing = sealing_of(url)
        try:
            codec = Codec(events, later=entries, sealing=sealing)
            engine = blocking_engine(open_blocking(url, archive))
        except BaseException:
            sealing.close()
            raise
        runtime = Runtime(codec, clock or SystemClock(), limits or Limits(), verifying=verify_snapshots)
        return cls(engine, runtime, Context())

    def context(
        self,
        *,
        actor: str | None = None,
        cause: Recorded[Any] | None = None,
        valid_at: datetime | None = None,
        correlation_id: str | None = None,
        **free: str,
    ) -> Self:
        """The same store, whose appends say in whose name, because of which event, and since when in the world.

        `cause` brings its correlation id along, unless another is given: that of a request, say. `valid_at` is for facts that are
        learnt late, or ahead of time; `free` are metadata keys of your own.
        """
        return type(self)(self._engine, self._runtime, Context.of(cause, actor, valid_at, free, correlation_id))

    def tenant(self, name: str) -> Self:
        """The store of one tenant, made if it is new, which cannot tell that there are others.

        Its streams, positions, idempotency keys, checkpoints and read models are its own: another file beside this one in
        SQLite, another schema in PostgreSQL. It is closed with this store.

        Raises:
            InvalidName: the tenant's name breaks the grammar that all names share.
        """
        codec = self._runtime.codec.for_tenant(name)
        runtime = replace(self._runtime, codec=codec, inline=None, caches={})
        tenant = type(self)(self._engine.tenant(checked_name("tenant", name)), runtime, self._context)
        return tenant.inline(*self._runtime.inline.projections) if self._runtime.inline else tenant

    def inline(self, *projections: Projection) -> Self:
        """The same store, whose appends bring these read models along in their own transaction: readers never wait for them.

        They are caught up first. An append costs more then, and fails, writing nothing, if a handler does: for the few read
        models that must never be behind. Everyone who appends should keep them inline; what others append is made up for.

        Raises:
            Unsupported: this backend has no SQL.
            ProjectionChanged, ProjectionStopped, UsageError: as `catch_up`.
        """
        inline = Inline(projections)
        self._engine.outside(lambda b: inline.begin(b, self._runtime))
        return type(self)(self._engine, replace(self._runtime, inline=inline), self._context)

    def join(self, connection: object) -> Self:
        """The same store inside the transaction that is open on a connection of the application's own database driver.

        `connection` is psycopg's, or SQLAlchemy's or Django's around it. What is appended becomes visible, or vanishes,
        with everything else in that transaction; until then other appends wait, so append last. Closing it is not needed.

        Raises:
            Unsupported: this backend has no such transactions.
            UsageError: it is no connection of the backend's driver.
        """
        return type(self)(self._engine.joined(connection), replace(self._runtime, caches=None), self._context)

    @overload
    def bind(
        self,
        subject: Decider[C, S, E],
        *,
        snapshots: Snapshots | None = None,
        cache: int = 0,
        keep_commands: bool = False,
    ) -> CommandStreams[C, S, E]: ...
    @overload
    def bind(self, subject: Fold[S, E], *, snapshots: Snapshots | None = None, cache: int = 0) -> Streams[S, E]: ...
    @overload
    def bind(self, subject: ScopedDecider[C, S, E]) -> Boundary[C, S, E]: ...
    @overload
    def bind(self, subject: Closing[C, S, E], *, keep_commands: bool = False) -> Periods[C, S, E]: ...
    def bind(
        self,
        subject: Fold[Any, Any] | ScopedDecider[Any, Any, Any] | Closing[Any, Any, Any],
        *,
        snapshots: Snapshots | None = None,
        cache: int = 0,
        keep_commands: bool = False,
    ) -> Streams[Any, Any] | Boundary[Any, Any, Any] | Periods[Any, Any, Any]:
        """The streams of a fold or decider in this store, which knows their events from now on.

        A decider that is `tagged(...)` is bound to what its types and tags select, in place of its streams. `snapshots`: when
        states are saved, so that loads begin there; the memory backend saves none. `cache`: of so many streams the newest states
        are kept in this process, for all who bind the fold to this store; commands then ask the store for nothing that they know.
        `keep_commands`: the events that a command leads to bring it along in their metadata, for `redecide`. Of a `Closing`, the
        things whose books it closes.

        Raises:
            UsageError: the classes of its events cannot be read, or a wire name of theirs belongs to another class; its states
                cannot be saved as JSON, or be changed in place and so not be cached; its commands have no wire names, or it is
                no decider that has any.
        """
        if isinstance(subject, Closing):
            if snapshots is not None or cache:
                raise UsageError(
                    "books that are closed keep their streams short: they have neither snapshots nor a cache."
                )
            self._runtime.codec.decoders(subject.decider.event_types)
            keeping = commands_of(subject.decider) if keep_commands else None
            return Periods(self._engine, self._runtime, subject, self._context, keeping)
        if isinstance(subject, ScopedDecider):
            if snapshots is not None or cache or keep_commands:
                raise UsageError(
                    "what tags select is no stream: it has neither snapshots nor a cache, and commands upon it are not kept."
                )
            self._runtime.codec.decoders(subject.fold.event_types)
            return Boundary(self._engine, self._runtime, subject, self._context)
        checked_fold(subject)
        self._runtime.codec.decoders(subject.event_types)
        runtime = with_shortcuts(self._runtime, subject, snapshots, cache)
        keeping = commands_of(subject) if keep_commands else None
        face: Any = CommandStreams if isinstance(subject, Decider) else Streams
        bound: Streams[Any, Any] = face(self._engine, runtime, subject, self._context, keeping)
        return bound

    def append(
        self,
        stream: StreamName | str,
        events: Iterable[object],
        *,
        expected: ExpectedVersion = ANY,
        condition: AppendCondition | None = None,
    ) -> Receipt:
        """Append events to one stream, all or none; `NewEvent` around one sets its id, tags or times.

        Repeating it with the same ids is safe: it gives the first positions and writes nothing.

        Raises:
            Conflict: the stream is not as expected, or the condition does not hold.
            Refused: nothing was written.
            OutcomeUnknown: it may have been written; repeat it.
            StoreError: the store cannot do it now; nothing was written.
        """
        return self._engine.outside(
            lambda b: append(
                b, self._runtime, stream, events, expected=expected, condition=condition, context=self._context
            )
        )

    def append_all(self, writes: Iterable[StreamWrite | Write], *, checks: Sequence[Check] = ()) -> tuple[Receipt, ...]:
        """Append to several streams, all or none, if all that is expected of them and all `checks` hold.

        `checks`: a `StreamCheck` for a stream that is not written, an `AppendCondition` for a query. One receipt a write,
        in their order. Repeating it with the same ids is safe, as for `append`. A `Write` is what an import prepared.

        Raises:
            Conflict: every write and check that does not hold, with what is there instead.
            UsageError: a stream is written twice.
            Refused, OutcomeUnknown, StoreError: as `append`.
        """
        return self._engine.outside(
            lambda b: append_all(b, self._runtime, writes, checks=checks, context=self._context)
        )

    def plan_undo(self, *ids: UUID, correlation_id: str | None = None, folds: Iterable[Fold[Any, Any]]) -> Undo:
        """What would undo these events, or all of a story that stands, and what is in the way; nothing is appended.

        `folds`: those of the streams, with their `inverses`. In the way is what needs an event or was caused by it, and still
        stands; an inverse that refuses; a type that has none; what is undone already. To know what was caused, the store is read
        from the first of the events on.

        Raises:
            UsageError: neither ids nor a correlation id is given, or both; or two folds have one category.
            UnknownEventType, UndecodableEvent: a fold cannot read its stream.
        """
        return self._engine.outside(lambda b: plan_of(b, self._runtime, Undo, ids, correlation_id, folds))

    def undo(self, plan: Undo) -> tuple[Receipt, ...]:
        """Append what undoes events, to all streams of the plan or to none; one receipt a step.

        Each event is caused by the one that it undoes, and goes on with its story; `$undoes` in its metadata names it. Nothing is
        deleted. Repeating it with the same plan is safe: it gives the first outcome and appends nothing.

        Raises:
            CannotUndo: something is in the way, or has come into it since the plan: `reasons` holds what.
            Conflict: a stream is no longer what the plan was made for: plan anew.
            UsageError: the plan was made for another store.
            Refused, OutcomeUnknown, StoreError: as `append`.
        """
        return self._engine.outside(lambda b: carry_out(b, self._runtime, Undo, plan, self._context))

    def forget(self, subject: str, *, only_look: bool = False) -> Forgotten:
        """Destroy the key of a subject: what is personal about it reads as `None` from now on, in copies and backups, too.

        Snapshots of its streams are dropped, and a `SubjectForgotten` is appended, for read models that hold its data. It cannot
        be undone; doing it again is safe, and finishes what was interrupted. `only_look`: tell what it would come to, and do
        nothing. Personal data written later are sealed by a new key.

        Raises:
            UsageError: the store was opened without keys, or the subject has none.
            InvalidName: it cannot be the name of a subject.
            StoreError: the keys, or the store, cannot be reached now.
        """
        return self._engine.outside(lambda b: forget(b, self._runtime, subject, self._context, only_look=only_look))

    def plan_redo(self, *ids: UUID, correlation_id: str | None = None, folds: Iterable[Fold[Any, Any]]) -> Redo:
        """What would redo these events, or all of a story that is undone, and what is in the way; nothing is appended.

        An id is that of the event that was undone, or of one that undid it. In the way is an event that it needs or was caused by
        and that is undone, what undoing it caused and still stands, a `@redoes` that refuses; and that it stands.

        Raises:
            UsageError, UnknownEventType, UndecodableEvent: as `plan_undo`.
        """
        return self._engine.outside(lambda b: plan_of(b, self._runtime, Redo, ids, correlation_id, folds))

    def redo(self, plan: Redo) -> tuple[Receipt, ...]:
        """Append undone events again, to all streams of the plan or to none; as `undo`, with `$redoes` in the metadata.

        Raises:
            CannotUndo, Conflict, Refused, OutcomeUnknown, StoreError: as `undo`.
        """
        return self._engine.outside(lambda b: carry_out(b, self._runtime, Redo, plan, self._context))

    def decide(
        self,
        model: DecisionModel[*Ss],
        decision: Callable[[*Ss], Iterable[E]],
        *,
        stream: StreamName | str,
        idempotency_key: str | None = None,
    ) -> Decided[E]:
        """Decide on the states of a composed model, and append to `stream` what the decision yields.

        Fails, or rather decides again, if an event within the model's boundary was appended meanwhile. With an
        `idempotency_key`, a repeated decision gives the first outcome and appends nothing, for ever. It is told from another
        by its stream and the tags of its model alone, since what a function decides cannot be seen: let the key say that.

        Raises:
            Conflict: other writers were first too often.
            KeyReused: the key belongs to a command, or to a decision on another stream or other tags.
            Refused, OutcomeUnknown, StoreError: as `append`. What the decision raises comes out as it is.
        """
        return self._engine.inside(
            lambda b: decide(b, self._runtime, model, decision, stream, self._context, idempotency_key),
            kind_of(decision),
            "",
        )

    def read(
        self,
        stream: StreamName | str | None = None,
        *,
        category: str | None = None,
        query: Query | None = None,
        correlation_id: str | None = None,
        after: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        direction: Direction = "forward",
        limit: int | None = None,
        journals: bool = False,
    ) -> Iterator[Recorded[Any]]:
        """Events of one stream, a category, a query or a correlation id, or of the whole store; memory stays constant.

        `after` is exclusive: a version of the stream, or else a position; backward, events before it are read.
        `since` and `until` are inclusive times of recording. `journals`: also what processes keep for themselves, their streams
        `$process.NAME-ID` and `$schedule-NAME`; a stream, category, story or type that is named is read as it is.

        Raises:
            UnknownEventType: no class is known; bind its fold, or open the store with `events=[...]`.
            UndecodableEvent: the data do not fit the class.
        """
        rest = wanted(
            stream, category, query, correlation_id,
            after=after, since=since, until=until, direction=direction, limit=limit, journals=journals,
        )  # fmt: skip
        return self._read(rest)

    def _read(self, rest: Wanted | None) -> Iterator[Recorded[Any]]:
        while rest is not None:
            got = self._engine.outside(partial(page, runtime=self._runtime, wanted=rest))
            yield from got.events
            rest = got.rest

    def to_arrow(
        self,
        stream: StreamName | str | None = None,
        *,
        category: str | None = None,
        query: Query | None = None,
        correlation_id: str | None = None,
        after: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
        journals: bool = False,
        data: DataAs = "json",
    ) -> ArrowTable:
        """Events as a `pyarrow.Table`, for DuckDB, Polars, pandas and Parquet: one row each, in their order.

        They are selected as by `read`, from what the store holds when this is called, and no classes are needed. `data`:
        "json" for a column of text, "struct" for one whose fields and types follow from the values.

        Raises:
            MissingExtra: pyarrow is not installed.
            UsageError: the data have over 1,000 different keys, too many for a struct.
        """
        from refold.arrow.table import assembled, gathered  # noqa: PLC0415 - pyarrow is loaded when it is asked for

        rest = wanted(
            stream, category, query, correlation_id,
            after=after, since=since, until=until, direction="forward", limit=limit, journals=journals,
        )  # fmt: skip
        got = self._engine.outside(lambda b: gathered(b, rest, data))
        return assembled(got)

    def subscribe(
        self,
        stream: StreamName | str | None = None,
        *,
        category: str | None = None,
        query: Query | None = None,
        correlation_id: str | None = None,
        after: Start = None,
        since: datetime | None = None,
        idle: float | None = None,
        journals: bool = False,
    ) -> Subscription:
        """Events as `read` gives them, then those to come: each once, in order, none left out. It waits for what is not there.

        `after` is exclusive: a version of the stream, or else a position, or "end" for only what comes after the
        subscription was entered or first asked. `since` is an inclusive time of recording. It ends when it is closed or,
        with `idle`, when nothing came for so many seconds: 0 for all there is. A page is read when it is asked for. `journals`:
        as for `read`.

        Raises:
            UnknownEventType, UndecodableEvent: as `read`, when it is that event's turn; it stays the next one.
        """
        asked = follower(
            self._runtime, stream, category, query, correlation_id,
            after=after, since=since, idle=idle, journals=journals,
        )  # fmt: skip
        return Subscription(self._engine, asked)

    def find(self, *ids: UUID) -> tuple[Recorded[Any], ...]:
        """The events with these ids, by position; ids that are not there are left out."""
        return self._engine.outside(lambda b: find(b, self._runtime, ids))

    def head(self) -> Position:
        """The position of the newest event; 0 if there is none."""
        return Position(self._engine.outside(lambda b: b.head()))

    def wait(self, after: int, *, timeout: float) -> Position:
        """Wait until an event stands above position `after`, and give the head; after `timeout` seconds, the head as it is.

        In one process an append wakes it within milliseconds, whatever the backend; from another process SQLite is looked
        at every 10 ms, and PostgreSQL calls.
        """
        return Position(self._engine.wait(after, checked_timeout(timeout)))

    def streams(self, prefix: str = "", *, after: str = "") -> Iterator[StreamInfo]:
        """The streams whose names begin with `prefix`, and come after a name, by name."""
        while infos := self._engine.outside(partial(streams_page, after=after, prefix=prefix)):
            yield from infos
            after = infos[-1].stream

    def model(self, projection: Projection, *, into: Self | Target | None = None) -> ReadModel:
        """The read model of a projection: to be kept up to date, watched, mended, built anew.

        `into`: the database that it lives in, opened as a store of its own: `Store.open("sqlite:///reports.db")`; or that of
        the application's ORM: `SessionTarget(engine)`, `DjangoTarget()`. Without it, the database of this store. In each its
        tables and its checkpoint change in one transaction.
        """
        return ReadModel(self._engine, self._target(into), self._runtime, projection)

    def _target(self, into: Self | Target | None) -> Backend:
        if into is None:
            return self._engine.view
        return into._engine.view if isinstance(into, Store) else blocking_target(into)  # noqa: SLF001 - a store's own

    def process(self, process: Process[Any, Any] | Saga[Any]) -> Instances:
        """The instances of a process: to be listed, looked at, steered, caught up."""
        from refold.flows.processes.orchestrating import as_process  # noqa: PLC0415
        from refold.instances import Instances  # noqa: PLC0415 - who does not ask for it need not wait for it

        return Instances(self._engine, self._runtime, as_process(process), self._context)

    def catch_up(self, projection: Projection, *, into: Self | Target | None = None) -> int:
        """Apply to the read model every event that it has not seen, each once, and say how many were applied.

        `into`: as for `model`.

        Raises:
            ProjectionChanged: the read model was built by another version of the projection.
            ProjectionStopped: it is paused, or failed for too many keys in a row.
            UsageError: a statement cannot be run, or touches the store's own tables; its batch was not applied.
        """
        return self.model(projection, into=into).catch_up()

    @overload
    def live(self, subject: Projection, *, as_of: datetime | Position | None = None) -> LiveModel: ...
    @overload
    def live(
        self, subject: Fold[S, Any] | Scoped[S, Any], *, as_of: datetime | Position | None = None
    ) -> LiveState[S]: ...
    def live(
        self, subject: Projection | Fold[Any, Any] | Scoped[Any, Any], *, as_of: datetime | Position | None = None
    ) -> LiveModel | LiveState[Any]:
        """A read model, or a state, that is folded from the events into this process when it is read; nothing of it is stored.

        A fold takes in every event of its types, whatever the stream; one that is `tagged(...)`, those with its tags. `as_of`:
        by what the store knew then, at a time or a position, and so for ever. Works on any backend, also on a store that may
        only be read.

        Raises:
            UsageError: the classes of its events cannot be read, or a wire name of theirs belongs to another class.
        """
        if isinstance(subject, Projection):
            return LiveModel(self._engine, self._runtime, subject, as_of)
        return LiveState(self._engine, self._runtime, subject, as_of)

    def wait_for(self, projection: str | Projection, token: Token, *, timeout: float) -> None:
        """Return as soon as a projection's read model has taken in what a command or an append wrote: read your writes.

        Raises:
            NotCaughtUp: it had not after `timeout` seconds; the error says how far it is, and whether anybody works on it.
            ProjectionStopped: it is paused or failed, or could not apply that very event.
            NoSuchProjection: nothing was begun under that name, and nothing was until the time was over.
        """
        name, position = projection if isinstance(projection, str) else projection.name, position_of(token)
        self._engine.outside(lambda b: wait_for(b, b, self._runtime, BlockingPace(), name, position, timeout))

    def projections(self, *, into: Self | Target | None = None) -> Sequence[ProjectionStatus]:
        """Every build of every projection in one database, `into` as for `model`: how far, how far behind, and why."""
        return self._engine.outside(lambda b: statuses(b, self._target(into), self._runtime))

    def runners(self, *, into: Self | Target | None = None) -> Sequence[RunnerStatus]:
        """Who keeps read models in one database running, of whatever process. `into`: as for `model`."""
        return self._engine.outside(lambda _: runners(self._target(into), self._runtime))

    def run(
        self,
        *parts: Runs,
        into: Self | Target | None = None,
        lease: timedelta = LEASE,
        observe: Observe | None = None,
    ) -> Running:
        """Keep projections and processes running, beside the caller, until the block is left or `stop` is called.

        Beside them name the deciders, closings and effects that take what the processes send:
        `store.run(sold, abandonment, carts)`.

        Any number of processes may do this: each partition has one owner at a time. One that is not heard of for as long as
        `lease` loses what it had to the others, and nothing that it still tries to write is accepted. A new version of a
        projection is built beside the old one, and switched to. What can heal is tried again; an event that cannot be applied
        parks its key, see `model(...).dead_letters()`. `observe` is told of each step.

        Raises:
            UsageError: processes are to run in another database than the store's; or two parts of one kind have one name.
        """
        from refold.duties import at_home  # noqa: PLC0415
        from refold.running import Running  # noqa: PLC0415 - who does not ask for it need not wait for it

        return Running(self._engine, self._target(into), self._runtime, at_home(parts, into), lease, observe)

    def received(self, consumer: str, message: CloudEvent) -> Received:
        """A message from elsewhere, as `consumer` takes it: what it leads to is stored once, however often it comes.

        What that leads to belongs to the message's story, if it tells one, and is caused by it. Consumers know nothing of each
        other: one that sends two commands for a message takes two names.

        Raises:
            InvalidName: the consumer's.
        """
        from refold.received import Received  # noqa: PLC0415 - who does not ask for it need not wait for it

        return Received(self._engine, self._runtime, self._context, consumer, message)

    def schedule(
        self,
        name: str,
        *,
        send: Send,
        cron: str | None = None,
        at: datetime | None = None,
        timezone: str = "UTC",
        misfire: Misfire = "once",
    ) -> Schedule:
        """Let a command be sent at a time, or again and again by a cron expression of five fields, read in a time zone.

        `send` is what a decider's `send(id, command)` gives. It is sent by whoever runs the process: `store.run(schedules, ...)`.
        What held under the name before is replaced; the same again changes nothing. `misfire`: for times that passed while nobody
        ran, or came a minute late, it is sent "once" for all of them, for "all" of them one by one, or not at all: "skip".

        Raises:
            InvalidName: the name.
            UsageError: it has no time; the expression or the time zone cannot be read; the command is none, or has a fallback.
            MissingExtra: an expression needs cronsim.
            Unsupported: this backend has no SQL.
            Refused, OutcomeUnknown, StoreError: as `append`.
        """
        from refold.flows.processes.scheduling import schedule  # noqa: PLC0415 - who does not ask for it need not wait for it
        from refold.schedule import Plan  # noqa: PLC0415

        plan = Plan.of(send, cron, timezone, at, misfire)
        return self._engine.outside(lambda b: schedule(b, self._runtime, name, plan, self._context))

    def unschedule(self, name: str) -> bool:
        """Send nothing more by a schedule, and say whether there was one. What it has sent already is still delivered.

        Raises:
            InvalidName: the name.
            Refused, OutcomeUnknown, StoreError: as `append`.
        """
        from refold.flows.processes.scheduling import unschedule  # noqa: PLC0415 - who does not ask for it need not wait for it

        return self._engine.outside(lambda b: unschedule(b, self._runtime, name, self._context))

    def schedules(self) -> tuple[Schedule, ...]:
        """The schedules that hold, by name, and when each is due next.

        Raises:
            Unsupported: this backend has no SQL.
        """
        from refold.flows.processes.scheduling import scheduled  # noqa: PLC0415 - who does not ask for it need not wait for it

        return self._engine.outside(lambda b: scheduled(b, self._runtime))

    def query(self, text: str, /, **params: SqlValue) -> Sequence[tuple[SqlValue, ...]]:
        """Read from read models with SQL, its parameters written `:name`.

        Raises:
            UsageError: it cannot be run, or would write.
            Unsupported: this backend has no SQL.
        """
        return self._engine.outside(lambda b: b.query(Statement(text, params)))

    def stats(self) -> Stats:
        """How much the store holds."""
        return self._engine.outside(lambda b: b.stats())

    def verify(self) -> Iterator[tuple[Position, Sequence[Damage]]]:
        """Check the whole store, stretch by stretch: up to which position, and what is wrong in it."""
        after: int | None = 0
        while after is not None:
            damages, after = self._engine.outside(partial(verify_page, after=after))
            yield (self.head() if after is None else Position(after)), damages

    def copy_to(
        self, target: Self, *, transform: Transform | None = None, tell: Callable[[Copied], object] | None = None
    ) -> Copied:
        """Copy every event that the target does not hold yet into it, in order; the target begins as a new, empty store.

        Ids, times, tags, stories, causes, actors and metadata are kept; versions and positions are counted anew. Ended at any
        moment, the next call goes on where it ended, and takes in what was appended meanwhile. A `transform` makes of each
        event nothing, another one, or several; of several, the first keeps the id. `tell` is called after each page.

        Raises:
            NotACopy: the target holds something else, or somebody else writes to it.
            TransformFailed: on one event, up to which all was copied, but for a page at most.
            StoreError, OutcomeUnknown: what was copied stays; call it again.
        """
        from refold.flows.copying.copy import copy  # noqa: PLC0415 - seldom needed

        return self._engine.outside(lambda b: copy(b, target._engine.view, target._runtime, transform, tell))

    def check_copy(
        self,
        target: Self,
        *,
        transform: Transform | None = None,
        until: Position | None = None,
        folds: Sequence[Fold[Any, Any]] = (),
        tell: Callable[[str, int, int], object] | None = None,
    ) -> Equivalence:
        """Read both stores, and compare by digests what a copy holds with what it should hold of this store up to `until`.

        `until`: a position, the head if it is not given. `folds`: those of which the states of all streams are compared, too.
        `tell` is told "source" or "target", how far it is, and how far it goes.

        Raises:
            TransformFailed: as `copy_to`.
        """
        from refold.flows.copying.compare import compare  # noqa: PLC0415 - seldom needed

        return self._engine.outside(
            lambda b: compare(
                b,
                target._engine.view,
                self._runtime,
                target._runtime,
                transform=transform,
                until=until,
                folds=folds,
                tell=tell,
            )
        )

    @property
    def limits(self) -> Limits:
        """How much one event and one append may hold."""
        return self._runtime.limits

    @property
    def durability(self) -> Durability:
        """What an acknowledged append survives: "disk", "quorum-disk", "quorum-memory" or "best-effort"."""
        return self._engine.capabilities.durability

    def close(self) -> None:
        """Let go of files and sockets. Closing twice is fine."""
        self._engine.close()
        if self._runtime.codec.sealing is not None:
            self._runtime.codec.sealing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
