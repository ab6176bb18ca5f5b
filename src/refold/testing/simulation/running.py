"""Running: one run of an application, from its first command to its rest, and what came of it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

from refold._bridge.blocking import blocking_engine
from refold._bridge.stepping import run_sync
from refold.app import App
from refold.codec import Codec
from refold.duties import Runs, assigned
from refold.errors import shortened
from refold.flows.prepare import Runtime
from refold.flows.processes import entries
from refold.flows.processes.consuming import consumer
from refold.flows.processes.journal import ENTRIES
from refold.flows.processes.orchestrating import as_process
from refold.flows.projections.splitting import repartition
from refold.flows.read import all_rows, opened
from refold.messages import Context, RawEvent
from refold.opening import open_blocking
from refold.ports import Backend, Own, Selection
from refold.projection import by_stream
from refold.publication import Publication
from refold.runner import LEASE, Tending
from refold.store import Store
from refold.testing.simulation.customers import Desk, Sent
from refold.testing.simulation.decisions import Decision, Decisions, Fate, Place
from refold.testing.simulation.findings import Finding, Findings
from refold.testing.simulation.judging import Check, Judge, MayWait, Opened
from refold.testing.simulation.network import SimulatedCrew, SimulatedStore
from refold.testing.simulation.watching import Invariant, States, Watched
from refold.testing.simulation.world import LATE, MOST, SECOND, Life, Party, World

CUSTOMERS: Final = 2
RUNNERS: Final = 2
_PARTS: Final = 3
_QUIET: Final = 3
"""So often everybody has looked and found nothing to do: then all is at rest."""
_PATIENCE: Final = 60
"""So often nobody has appended anything when time may pass that customers wait for."""
_LOOKS: Final = 2_000
"""So often they look at most, or move on to a timer."""
_PENDING: Final = """
select {what} from {{refold}}outgoing o where state = 'pending' and not exists (
  select 1 from {{refold}}outgoing b where b.process = o.process and b.instance = o.instance and b.lane = o.lane
    and b.state = 'parked' and b.position <= o.position)"""
"""What stands behind a parked message of its lane waits for an operator, too."""
_LEFT: Final = _PENDING.format(what="count(*)")
_DUE: Final = f"""
select min(due) from (select due from {{refold}}timers union all {_PENDING.format(what="due")} and due > :now) x"""  # noqa: S608 - texts of ours


@dataclass(frozen=True, slots=True)
class Question:
    """What is simulated, but for its seed: the application, and what must hold of it."""

    app: Callable[[], App]
    always: Sequence[Invariant]
    finally_: Sequence[Check]
    may_wait: MayWait


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of one run."""

    seed: int
    commands: Sequence[Sent]
    decisions: Mapping[Place, Decision]
    findings: Sequence[Finding]
    story: Sequence[str]
    events: int
    refused: int
    parked: int

    @property
    def faults(self) -> Counter[Fate]:
        """What befell calls, how often."""
        return Counter(decision.fate for decision in self.decisions.values())


def ran(question: Question, seed: int, commands: Sequence[Sent], given: Mapping[Place, Decision] | None = None) -> Ran:
    """Run it once. `given`: only these decisions are taken, and none is drawn."""
    decisions = Decisions(seed, given)
    world = World(decisions, lambda: run.next_due())  # noqa: PLW0108 - the run comes after the world
    app = question.app()
    engine = blocking_engine(open_blocking("sqlite:///:memory:"))
    runtime = Runtime(Codec(app.event_types, later=entries), world.clock)
    with _silent(), Store(engine, runtime, Context()) as store:
        run = Run(question, app, Opened(store, engine.view, runtime), world, commands)
        try:
            run.to_the_end()
        finally:
            world.close()
        return Ran(
            seed, commands, decisions.taken, tuple(run.findings.all), tuple(world.story), run.events, run.desk.refused,
            run.judge.parked(),
        )  # fmt: skip


class Run:
    """One run, under way."""

    def __init__(self, question: Question, app: App, opened: Opened, world: World, commands: Sequence[Sent]) -> None:
        self._question, self._app, self._world = question, app, world
        self._backend, self._runtime = opened.backend, opened.runtime
        self.findings, self.events = Findings(self._found), 0
        self._watched = Watched(app, self.findings)
        self._states = States(self._watched.folds, question.always, self.findings)
        self.desk = Desk(commands, self._watched.deciders, self._runtime, self.findings)
        self.judge = Judge(opened, self.findings)
        self._decoders = self._runtime.codec.selecting((*app.event_types, RawEvent))

    def to_the_end(self) -> None:
        """Send all commands, let faults stop, let all come to rest, and judge."""
        self._in_parts()
        for number in range(1, RUNNERS + 1):
            self._world.enter(Party(f"runner {number}", self._runner))
        for number in range(1, CUSTOMERS + 1):
            self._world.enter(Party(f"customer {number}", self._customer))
        if self._under_way() and self._came_to_rest():
            self._judged()

    def next_due(self) -> int | None:
        """When the next timer comes back, or the next message is sent again, in microseconds."""
        ((due,),) = self._asked(_DUE, now=self._world.clock.now())
        return None if due is None else int(str(due))

    def _found(self) -> None:
        self._world.is_over = True

    # Who acts -----------------------------------------------------------------

    def _customer(self, life: Life) -> Coroutine[Any, Any, None]:
        return self.desk.customer(life, self._seen_by(life))

    def _runner(self, life: Life) -> Coroutine[Any, Any, None]:
        backend, crew = self._seen_by(life), SimulatedCrew(life)
        projections, duties = assigned(backend, self._runtime, crew, self._parts())
        name = f"{life.party.name}, process {life.number}"
        return Tending(backend, backend, self._runtime, projections, crew, name=name, duties=duties).tend()

    def _parts(self) -> Sequence[Runs]:
        takers = (*self._watched.deciders.values(), *self._watched.closings.values(), *self._app.effects.values())
        return [*takers, *self._app.projections.values(), *self._watched.processes]

    def _seen_by(self, life: Life) -> Backend:
        return cast("Backend", SimulatedStore(self._backend, life, self._changed))

    def _in_parts(self) -> None:
        """What can be worked on side by side is, in as many parts as the seed says."""
        processes = (consumer(self._runtime, as_process(each)) for each in self._watched.processes)
        for projection in (*self._app.projections.values(), *processes):
            parts = 1 + self._world.decisions.number(f"parts of {projection.name}", _PARTS)
            if projection.key is not by_stream and not isinstance(projection, Publication):
                run_sync(repartition(self._backend, self._backend, self._runtime, projection, parts))

    # What happens -------------------------------------------------------------

    def _changed(self) -> None:
        """Take note of events that were appended."""
        head = run_sync(self._backend.head())
        if head > self._world.head:
            after, self._world.head = self._world.head, head
            run_sync(self._take(after))

    async def _take(self, after: int) -> None:
        rows = [row async for row in all_rows(self._backend, Selection(after=after))]
        events = [each for row in rows for each in opened(self._decoders, row)]
        self.events += len(rows)
        for each in events:
            if not isinstance(each.data, (RawEvent, *ENTRIES)):
                self._world.say(f"{each.stream}@{each.version}: {shortened(each.data)}")
        self._states.take(events)

    def _under_way(self) -> bool:
        """Go on up to the last answer. Where all only wait for a time to come, it comes at once."""
        quiet, head = 0, 0
        while self._world.work():
            if self.desk.is_done:
                return True
            quiet = quiet + 1 if head == self._world.head else 0
            head = self._world.head
            if quiet > _PATIENCE and self.desk.opens > self._world.clock.now():
                self._world.pass_up_to(self.desk.opens)
                quiet = 0
            self._world.wait()
        return self._is_no_rest()

    def _came_to_rest(self) -> bool:
        """Let what is late arrive, leases run out and timers come, until all have looked several times in vain."""
        self._world.is_calm = True
        self._world.say("All commands are answered. From here on nothing fails.")
        self._world.pass_time(max(LATE) + 2 * LEASE.seconds * SECOND)
        quiet = 0
        for _ in range(_LOOKS):
            head = self._world.head
            if not self._world.work():
                break
            is_quiet = head == self._world.head and not self._asked(_LEFT)[0][0]
            quiet = quiet + 1 if is_quiet else 0
            if quiet >= _QUIET and not self._world.pass_to_next_timer():
                return True
            if quiet < _QUIET:
                self._world.pass_time(SECOND)
            else:
                quiet = 0
        return self._is_no_rest()

    def _is_no_rest(self) -> bool:
        if not self._world.is_over:
            self.findings.note("no rest", f"there is still something to do after {MOST:,} calls, or {_LOOKS:,} looks.")
        return False

    def _judged(self) -> None:
        self.judge.finally_(self._question.finally_)
        self._watched.decide_again()
        self.judge.projections([*self._app.projections.values()])
        self.judge.processes(self._watched.processes, self._question.may_wait)

    def _asked(self, text: str, **params: int) -> Sequence[tuple[Any, ...]]:
        return run_sync(self._backend.query(Own(text, params)))


@contextmanager
def _silent() -> Generator[None, None, None]:
    """What runners would warn of is what the simulation does to them."""
    log = logging.getLogger("refold.runner")
    log.addFilter(_nothing)
    try:
        yield
    finally:
        log.removeFilter(_nothing)


def _nothing(_record: logging.LogRecord) -> bool:
    return False
