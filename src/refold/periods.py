"""The blocking face of things whose books are closed: one thing, whatever the period."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from refold._bridge.blocking import BlockingEngine
from refold._bridge.native import NativeBlockingEngine
from refold.closing import Closing
from refold.commands import Commands
from refold.flows.load import AsOf, Loaded
from refold.flows.periods import handle_in_period, load_period, periods
from refold.flows.prepare import Runtime
from refold.flows.read import Wanted, page
from refold.flows.redecide import Redecision, redeciding
from refold.flows.transact import Handled, kind_of
from refold.messages import Context, Recorded, StreamName
from refold.ports import InStream, Selection

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")
Engine: TypeAlias = BlockingEngine | NativeBlockingEngine


class Periods(Generic[C, S, E]):
    """Things whose streams are closed and go on in new ones; each is known by its id alone."""

    def __init__(
        self,
        engine: Engine,
        runtime: Runtime,
        closing: Closing[C, S, E],
        context: Context,
        keeping: Commands | None = None,
    ) -> None:
        self._engine, self._runtime, self._closing, self._context = engine, runtime, closing, context
        self._keeping = keeping

    def state(self, id: str, *, as_of: AsOf | None = None, valid_at: datetime | None = None) -> S:
        """The state of one thing, whatever the period.

        `as_of`: by what the store knew then; a time, a `Position`, or after so many of the events that `read` gives (a plain
        int, over all periods). `valid_at`: by what was true in the world then. Both: what we knew then of how it was then. Now,
        or at a time or a position, it takes two reads, however many periods there were; for the rest all of them are read.

        Raises:
            NoSuchVersion: there are not so many events.
            UnknownEventType, UndecodableEvent: the decider cannot read a period.
        """
        return self.load(id, as_of=as_of, valid_at=valid_at).state

    def load(self, id: str, *, as_of: AsOf | None = None, valid_at: datetime | None = None) -> Loaded[S]:
        """The state of one thing, with the version in its period's stream. Options as for `state`."""
        return self._engine.outside(lambda b: load_period(b, self._runtime, self._closing, id, as_of, valid_at))

    def periods(self, id: str) -> Sequence[StreamName]:
        """The streams of all periods of one thing, oldest first; the last one is the current."""
        return self._engine.outside(lambda b: periods(b, self._closing, id))

    def read(self, id: str) -> Iterator[Recorded[Any]]:
        """The events of all periods of one thing, oldest first."""
        for stream in self.periods(id):
            rest: Wanted | None = Wanted(Selection(InStream(str(stream))), None)
            while rest is not None:
                got = self._engine.outside(partial(page, runtime=self._runtime, wanted=rest))
                yield from got.events
                rest = got.rest

    def handle(self, id: str, command: C, *, idempotency_key: str | None = None) -> Handled[S, E]:
        """Let the decider decide upon a command, and append what it yields. It may run more than once.

        If it yields the event that closes the period, the next one is opened in the same append. What is given is the period
        that was decided upon. With an `idempotency_key`, a repeated command gives the first outcome, also in a later period.

        Raises:
            UsageError: something follows the closing event, or the opening event does not carry the state over; or commands are
                kept, and this one is of no class that `decide` is annotated with.
            Conflict: other writers were first too often.
            KeyReused: the key belongs to another command or stream.
            Refused, OutcomeUnknown, StoreError: as `append`. What the decider raises comes out as it is.
        """
        return self._engine.inside(
            lambda b: handle_in_period(
                b, self._runtime, self._closing, id, command, self._context, idempotency_key, keeping=self._keeping
            ),
            kind_of(self._closing.decider.decide),
            str(self._closing.stream(id)),
        )

    def redecide(self, id: str) -> Iterator[Redecision[C, E]]:
        """Each kept command of one thing, decided again on the state that it met, period after period.

        Commands are kept by `bind(..., keep_commands=True)`; those that led to no event are not there. Nothing is written, and
        memory stays constant.

        Raises:
            UsageError: `decide` is not annotated with classes that are marked with `@command`.
            UnknownEventType, UndecodableEvent: the decider cannot read an event, when it is that event's turn.
            What the decider raises upon a command is in its `error`; what `evolve` does comes out as it is, with a note where.
        """
        for stream in self.periods(id):
            begun = partial(redeciding, runtime=self._runtime, decider=self._closing.decider, id=stream.id, as_of=None)
            way = self._engine.outside(begun)
            while rows := self._engine.outside(way.page):
                yield from way.taken(rows)
            yield from way.taken(())
