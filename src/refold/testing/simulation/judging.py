"""Judging: what must be so when all has come to rest, read from the store alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from refold._bridge.stepping import run_sync
from refold.errors import NoSuchProjection, ProjectionChanged, UsageError, shortened
from refold.flows.prepare import Runtime
from refold.flows.processes.consuming import consumer, consumer_name
from refold.flows.processes.instance import loaded
from refold.flows.processes.journal import Reacted
from refold.flows.processes.orchestrating import as_process
from refold.flows.read import all_rows, opened
from refold.ports import Backend, InCategory, Own, Rows, Selection
from refold.process import Process
from refold.projection import Projection
from refold.publication import Publication
from refold.store import Store
from refold.testing.simulation.findings import Findings, asserting, few, told

MayWait: TypeAlias = Mapping[str, Callable[[Any], bool]]
"""By the name of a process: whether an instance in a state may still wait for events in the end."""
Check: TypeAlias = Callable[[Store], object]

_LETTERS: Final = """
select position, key, error from {refold}dead_letters where projection = :projection and state = 'failed' order by position"""
_STOPPED: Final = "select reason from {refold}partitions where projection = :projection and state = 'failed'"
_RUNNING: Final = """
select p.instance from {refold}processes p where p.process = :process and p.state = 'running'
  and not exists (select 1 from {refold}outgoing o where o.process = p.process and o.instance = p.instance and o.state = 'parked')
order by p.instance"""
_PARKED: Final = "select count(*) from {refold}outgoing where state = 'parked'"


class Opened(NamedTuple):
    """A store, and what its flows are handed."""

    store: Store
    backend: Backend
    runtime: Runtime


class Judge:
    """Looks for what is wrong in a store in which nothing is left to be done."""

    def __init__(self, opened: Opened, findings: Findings) -> None:
        self._store, self._backend, self._runtime = opened
        self._findings = findings

    def finally_(self, checks: Sequence[Check]) -> None:
        """What the application says of the end; first, since looking at read models makes some of them anew."""
        for check in checks:
            if wrong := asserting(check, self._store):
                self._findings.note("invariant", f"{check.__name__} does not hold in the end: {wrong}.")

    def projections(self, projections: Sequence[Projection]) -> None:
        """Each event is taken in once, and what came of them is what comes of them when they are read anew."""
        for projection in projections:
            if self._went_on(projection.name, f"projection {projection.name!r}"):
                self._took_each_once(projection)
                if not isinstance(projection, Publication):
                    self._same_anew(projection)

    def processes(self, processes: Sequence[Any], may_wait: MayWait) -> None:
        """Each instance has ended, or may still wait, or waits for an operator; none took anything in twice."""
        for process in map(as_process, processes):
            if self._went_on(consumer_name(process.name), f"process {process.name!r}"):
                self._took_each_once(consumer(self._runtime, process))
            self._ended(process, may_wait.get(process.name))
            self._journals(process)

    def parked(self) -> int:
        """How many messages wait for an operator."""
        ((count,),) = self._query(_PARKED)
        return int(str(count))

    # Projections --------------------------------------------------------------

    def _went_on(self, name: str, what: str) -> bool:
        letters = [f"position {int(str(at))}: {error!s}" for at, _, error in self._query(_LETTERS, projection=name)]
        if letters:
            self._findings.note("dead letter", f"{what} could not take in {few(letters)}.")
        stopped = [str(reason) for (reason,) in self._query(_STOPPED, projection=name)]
        if stopped:
            self._findings.note("stopped", f"{what} stands still: {few(stopped)}.")
        return not letters and not stopped

    def _took_each_once(self, projection: Projection) -> None:
        try:
            audit = self._store.model(projection).audit()
        except (NoSuchProjection, ProjectionChanged) as error:
            return self._findings.note("stopped", f"projection {projection.name!r} was not run: {error}")
        if not audit.is_sound:
            self._findings.note(
                "skipped or doubled", f"projection {projection.name!r} did not take each event in once: {audit}."
            )
        return None

    def _same_anew(self, projection: Projection) -> None:
        try:
            anew = self._store.model(projection).verify()
        except UsageError:  # its tables cannot stand beside themselves: there is nothing to compare
            return None
        except Exception as error:  # noqa: BLE001 - what a handler raises when it is run again
            return self._findings.note(
                "read model", f"projection {projection.name!r} cannot be built anew: {told(error)}."
            )
        if not anew.is_equal:
            rows = [
                f"{row.table} {dict(row.key) or ''} is {_row(row.old)}, and would be {_row(row.new)}"
                for row in anew.rows
            ]
            self._findings.note(
                "read model", f"projection {projection.name!r} holds other rows than its events give: {few(rows)}."
            )
        return None

    # Processes ----------------------------------------------------------------

    def _ended(self, process: Process[Any, Any], may_wait: Callable[[Any], bool] | None) -> None:
        states = {str(id): self._state(process, str(id)) for (id,) in self._query(_RUNNING, process=process.name)}
        waiting = [
            f"{id} ({shortened(state)})" for id, state in states.items() if may_wait is None or not may_wait(state)
        ]
        if waiting:
            self._findings.note(
                "waiting",
                f"process {process.name!r} waits for ever, with no timer and nothing on its way: {few(waiting)}.",
            )

    def _state(self, process: Process[Any, Any], id: str) -> Any:  # noqa: ANN401 - of the application's class
        return run_sync(loaded(self._backend, self._runtime, process, id)).state

    def _journals(self, process: Process[Any, Any]) -> None:
        for id, taken in self._taken(process).items():
            if twice := [str(input) for input, times in Counter(taken).items() if times > 1]:
                self._findings.note("journal", f"process {process.name!r} took in twice for {id}: {few(twice)}.")

    def _taken(self, process: Process[Any, Any]) -> Mapping[str, Sequence[tuple[Any, int]]]:
        decoders = self._runtime.codec.selecting((Reacted,))
        found: dict[str, list[tuple[Any, int]]] = defaultdict(list)

        async def read() -> None:
            async for row in all_rows(self._backend, Selection(InCategory(process.journals))):
                for each in opened(decoders, row):
                    found[each.stream.id].append((each.data.input, each.data.part))

        run_sync(read())
        return found

    def _query(self, text: str, **params: str) -> Rows:
        return run_sync(self._backend.query(Own(text, params)))


def _row(values: Mapping[str, object] | None) -> str:
    return "missing" if values is None else shortened(dict(values))
