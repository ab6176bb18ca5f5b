"""given / when / then for sagas: what came of their steps, and what they ask for next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, TypeVar
from uuid import UUID, uuid5

from refold.codec import as_json
from refold.flows.processes.journal import Compensating, Delivered, Ended, Entry, Refused, Sent, TimedOut, TimerSet
from refold.flows.processes.orchestrating import UNDO, Orchestrated, process_of
from refold.flows.processes.reactions import Noting
from refold.fold import Send
from refold.messages import Metadata, Position, Recorded, spec_of
from refold.replaying import Record, Run
from refold.sagas import Saga

B = TypeVar("B")

_BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_IDS: Final = UUID("5f3f2a57-8a1c-5b4e-9d52-1f9b6a2a7c11")


@dataclass(frozen=True, slots=True)
class SagaCase(Generic[B]):
    """A saga after some results. Each verb gives the case after one more; each `then` fails if it is not so."""

    process: Orchestrated
    id: str
    record: Record
    asked: tuple[Entry, ...] = ()
    """Every entry of its journal so far."""
    count: int = 0

    # What comes

    def gives(self, step: str, value: object = None) -> SagaCase[B]:
        """A step was taken, and returned this."""
        self._check_open(step)
        return self.after(Delivered(_ID, 0, 0, step, as_json(value)))

    def fails(self, step: str, error: str = "it failed") -> SagaCase[B]:
        """A step failed, as often as it was tried."""
        self._check_told(step)
        return self.after(Refused(_ID, 1, error, step))

    def declines(self, step: str, error: str = "declined") -> SagaCase[B]:
        """A step raised `Declined`: certainly nothing happened."""
        self._check_told(step)
        return self.after(Refused(_ID, 1, error, step, declined=True))

    def wakes(self, step: str) -> SagaCase[B]:
        """A sleep is over."""
        self._check_open(step)
        return self.after(TimedOut(step, waited=False))

    def times_out(self, step: str) -> SagaCase[B]:
        """What was waited for did not come in time."""
        self._check_open(step)
        return self.after(TimedOut(step, waited=True))

    def hears(self, event: object) -> SagaCase[B]:
        """An event came."""
        saga, cls = self.process.saga, type(event)
        assert cls in saga.event_types, f"saga {saga.name!r} does not hear {event!r}: write hears=[{cls.__qualname__}]"
        return self.after(event)

    # What follows

    def then_asks(self, step: str, function: object, *args: object) -> SagaCase[B]:
        """It now waits for this step: a function with these arguments, or a command."""
        want = self._run.open.get(step)
        assert want is not None, f"it does not wait for {step!r}, but for {self.waits_for}"
        if isinstance(function, Send):
            assert want.command == function, f"step {step!r} sends {want.command!r}, not {function!r}"
        else:
            assert (want.function, want.args) == (function, args), f"step {step!r} calls {want.function!r}{want.args!r}"
        return self

    def then_waits_for(self, *steps: str) -> SagaCase[B]:
        """It now waits for exactly these steps."""
        assert self.waits_for == steps, f"it waits for {self.waits_for}, not {steps}"
        return self

    def then_undoes(self, *steps: str) -> SagaCase[B]:
        """It undoes exactly these steps, in this order, and is compensated when each is undone."""
        plans = [entry.undo for entry in self.asked if isinstance(entry, Compensating)]
        plan = tuple(plans[0]) if plans else ()
        assert plan == steps, f"it undoes {plan}, not {steps}"
        case = self
        for step in steps:
            last = case.asked[-1]
            assert isinstance(last, Sent), f"it does not undo {step!r} next"
            assert last.lane == UNDO + step, f"it undoes {last.lane!r} next, not {step!r}"
            case = case.after(Delivered(_ID, 0, 0, UNDO + step))
        end = case.end
        assert end is not None, "it does not end when all is undone"
        assert end.state == "compensated", f"it ends {end.state}: {end.reason}"
        return case

    def then_finishes(self, result: object = None) -> SagaCase[B]:
        """It has come to its end, and returned this."""
        end = self.end
        assert end is not None, f"it goes on, and waits for {self.waits_for}"
        assert (end.state, end.result) == ("finished", as_json(result)), f"it ended {end}"
        return self

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The names of the steps that it waits for."""
        return () if self.end or self.record.undo is not None else tuple(self._run.open)

    # Inside

    @property
    def _run(self) -> Run:
        return Run(self.process.saga, self.id, self.record)

    @property
    def end(self) -> Ended | None:
        """How it ended; `None` if it goes on."""
        return next((entry for entry in self.asked if isinstance(entry, Ended)), None)

    def _check_open(self, step: str) -> None:
        assert step in self.waits_for, f"nothing can come of {step!r}: it waits for {self.waits_for}"

    def _check_told(self, step: str) -> None:
        """What fails after the pivot is parked, and the code is never told."""
        self._check_open(step)
        asked = [entry for entry in self.asked if isinstance(entry, Sent) and entry.lane == step]
        assert all(entry.tells for entry in asked), (
            f"step {step!r} is asked for after the pivot: if it fails it is parked until an operator retries or skips it, and "
            "the code is not told"
        )

    def after(self, event: object) -> SagaCase[B]:
        """One more event was taken in."""
        recorded = self._recorded(event)
        effects = self.process.reacting(recorded, self.record, self._steps)
        entries = tuple(effect.entry for effect in effects if isinstance(effect, Noting))
        case = replace(
            self, record=self.process.taken(self.record, recorded), asked=(*self.asked, *entries), count=self.count + 1
        )
        plan = next((entry for entry in entries if isinstance(entry, Compensating)), None)
        return case if plan is None else case.after(plan)

    @property
    def _steps(self) -> frozenset[str]:
        sent = {entry.lane for entry in self.asked if isinstance(entry, Sent)}
        return frozenset(sent | {entry.step for entry in self.asked if isinstance(entry, TimerSet)})

    def _recorded(self, event: object) -> Recorded[Any]:
        spec, number = spec_of(type(event)), self.count + 1
        return Recorded(
            event, spec.name, spec.version, self.process.journal(self.id), number, Position(number),
            _BEGAN + number * timedelta(seconds=1), uuid5(_IDS, str(number)), frozenset(), Metadata("story"),
        )  # fmt: skip


_ID: Final = uuid5(_IDS, "message")


class SagaSpec(Generic[B]):
    """`given(...)` for a saga."""

    def __init__(self, saga: Saga[B]) -> None:
        self._process = process_of(saga)

    def __call__(self, event: B, *, id: str = "1") -> SagaCase[B]:
        """Begun by this event."""
        begun: SagaCase[B] = SagaCase(self._process, id, Record())
        return begun.after(event)
