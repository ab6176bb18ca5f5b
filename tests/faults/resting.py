"""Sagas and processes at rest: nothing can be done now, so each that has not ended waits for something that has its time."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.faults.checkout import EVENTS, Approved, order, parts
from tests.faults.driving import Driven, waited
from tests.faults.judging import contradictions, own
from tests.faults.outside import Outside

from refold import Store
from refold._bridge.stepping import run_sync
from refold.testing import ManualClock

KINDS: Final = ("plain", "poor", "dumb", "torn", "mean", "lost", "ask", "rare", "late")
_RUNNING: Final = "select count(*) from {refold}processes where state = 'running'"
_FOR_NOTHING: Final = """
select process, instance from {refold}processes p where state = 'running'
  and not exists (select 1 from {refold}timers t where t.process = p.process and t.instance = p.instance)
  and not exists (select 1 from {refold}outgoing o where o.process = p.process and o.instance = p.instance)"""


def rests(url: str, sagas: int, seed: int) -> tuple[int, int, list[str]]:
    """How often all was at rest, how many instances waited then, taken together, and what was wrong there, or in the end."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(url, events=EVENTS, clock=(clock := ManualClock())) as store,
    ):
        world, ids = (
            Outside(str(Path(folder) / "outside.db"), seed, 0.2),
            [f"{KINDS[n % len(KINDS)]}-{n}" for n in range(sagas)],
        )
        for id in ids:
            store.append(f"order-{id}", [order(id), *([Approved()] if id.startswith("ask") and seed % 2 else [])])
        driven = Driven(store._engine.view, store._runtime, parts(world))
        count, waiting, wrong = 0, 0, list[str]()
        while True:
            while run_sync(driven.round()):
                pass
            count += 1
            waiting += int(own(store, _RUNNING)[0][0])
            wrong += [f"at rest {count}: {each}" for each in for_nothing(store)]
            if not waited(store, clock):
                return count, waiting, [*wrong, *contradictions(store, parts(world), world)]


def for_nothing(store: Store) -> Sequence[str]:
    """Instances that run, and for which nothing will ever be looked at again, nor is anything parked."""
    return [
        f"{process} {instance} waits, and nothing says until when" for process, instance in own(store, _FOR_NOTHING)
    ]
