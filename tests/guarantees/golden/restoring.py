"""A store with a golden history in it, and the code that is to go on with it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from tests.faults.checkout import EVENTS, parts
from tests.faults.driving import run
from tests.faults.judging import contradictions, own, processes
from tests.faults.outside import Outside
from tests.guarantees.golden.histories import History, read, rows_of

from refold import Process, Saga, Store
from refold.duties import Runs
from refold.flows.projections.persevering import GivenUp
from refold.rows import Row
from refold.testing import ManualClock

Code: TypeAlias = Callable[[Outside], Sequence[Runs]]


class Restored:
    """A store with a history in it, and the index made of its journals."""

    def __init__(self, store: Store, clock: ManualClock, history: History, world: Outside) -> None:
        self.store, self.clock, self.history, self.world = store, clock, history, world

    def go_on(self, code: Code) -> Sequence[Runs]:
        """With this code, until nothing is left to be done. Where too many fail in a row, that is no reason to end."""
        some = code(self.world)
        run(self.store, self.clock, *some, gone=(GivenUp,))
        return some

    def is_kept(self) -> bool:
        """Whether every event is still what it was, up to where the history stood still."""
        there, before = rows_of(self.store), self.history.rows
        return list(map(_told, there[: len(before)])) == list(map(_told, before))

    def stuck(self, some: Sequence[Runs], name: str) -> dict[str, str]:
        """Which instances are parked, and why."""
        process: Any = next(each for each in some if isinstance(each, Process | Saga) and each.name == name)
        return {each.id: each.stuck for each in self.store.process(process).list(stuck=True)}

    def retry(self, some: Sequence[Runs], name: str) -> None:
        process: Any = next(each for each in some if isinstance(each, Process | Saga) and each.name == name)
        for id in self.stuck(some, name):
            self.store.process(process).retry(id, "the code is right again")

    def states(self, name: str) -> dict[str, str]:
        text = "select instance, state from {refold}processes where process = :name"
        return {str(id): str(state) for id, state in own(self.store, text, name=name)}


def _told(row: Row) -> Sequence[Any]:
    """A row but for its place, which is another one in another store."""
    return row[1:]


@contextmanager
def restored(url: str, file: Path, place: Path) -> Generator[Restored]:
    history = read(file)
    with Store.open(url, events=EVENTS, clock=(clock := history.clock())) as store:
        world = history.world(place / "outside.db")
        history.put_into(store, processes(parts(world)))
        yield Restored(store, clock, history, world)


def contradictions_but_for_order(store: Store, some: Sequence[Runs], world: Outside) -> Sequence[str]:
    """What is wrong, where the code is not in the order in which steps were sent: the judge takes the one for the other."""
    return [each for each in contradictions(store, some, world) if "to be undone is" not in each]
