"""A runner stopped in the middle of a step for longer than its lease, and woken when others have done it, or undone it."""

from __future__ import annotations

import contextlib
import signal
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from tests.faults.checkout import EVENTS, parts
from tests.faults.judging import contradictions, own
from tests.faults.killed_sagas import place, undo_in_haste
from tests.faults.outside import Outside
from tests.faults.processes import Process, tell, until

from refold import Store, duties
from refold._bridge.blocking import BlockingEngine
from refold.flows.processes.outgoing import Outgoing
from refold.ports import Unclaimed

LEASE: Final = 0.4
_STATE: Final = (
    "select state from {refold}processes where process = 'checkout' and instance = :id and state <> 'running'"
)


def stalled_round(url: str, id: str) -> tuple[Sequence[str], list[str]]:
    """What whoever was stopped has told, and what is wrong in the end."""
    with tempfile.TemporaryDirectory() as folder, Store.open(url, events=EVENTS) as store, ExitStack() as left:
        runners = [left.enter_context(Process(stall, url=url, folder=folder, lease=LEASE)) for _ in (0, 1)]
        place(store, id)
        until("one stops", lambda: any(each.has_told("stopped") for each in runners))
        (zombie,) = (each for each in runners if each.has_told("stopped"))
        until("the other has ended it", lambda: own(store, _STATE, id=id))
        zombie.send(signal.SIGCONT)
        until("it is told something", lambda: zombie.has_told("refused") or zombie.has_told("let in"))
        until("the watch has ended", lambda: not own(store, "select 1 from {refold}processes where state = 'running'"))
        until("nothing is left", lambda: not own(store, "select 1 from {refold}outgoing"))
        world = Outside(f"{folder}/outside.db", 1, 0.0)
        return zombie.told, contradictions(store, parts(world), world)


# A role --------------------------------------------------------------------------


class Stalling(Outside):
    """The first that takes money stops before it does."""

    def __init__(self, folder: str, store: Store) -> None:
        super().__init__(f"{folder}/outside.db", 1, 0.0)
        self._stopped, self._engine = Path(folder) / "stopped", store._engine
        self.key = ""
        """The key of the step in which this process stopped."""

    def charge(self, order: str, key: str) -> str:
        with contextlib.suppress(FileExistsError):
            self._stopped.touch(exist_ok=False)
            self.key = key
            tell("stopped")
            self._stand_still()
        return super().charge(order, key)

    def _stand_still(self) -> None:
        """Without a lock that others would wait for."""
        engine: Any = self._engine
        with engine._writer._work if isinstance(engine, BlockingEngine) else contextlib.nullcontext():
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # this thread first, within the lock


def stall(url: str, folder: str, lease: float) -> None:
    """Run sagas, stop once, and tell how that ended."""
    undo_in_haste()
    here: Any = duties
    with Store.open(url, events=EVENTS) as store:
        world = Stalling(folder, store)
        here.perform = _telling(here.perform, world)
        with store.run(*parts(world), lease=timedelta(seconds=lease)) as running:
            running.join()


def _telling(whole: Any, world: Stalling) -> Any:
    """Tell what becomes of the call that stopped."""

    async def perform(*of: Any) -> None:
        (message,) = (each for each in of if isinstance(each, Outgoing))
        try:
            await whole(*of)
        except Unclaimed:
            if message.target == "charge" and world.key:
                tell("refused")
            raise
        if message.target == "charge" and world.key:
            tell("let in")

    return perform
