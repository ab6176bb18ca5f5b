"""Write a golden history with the code of today: `python -m tests.guarantees.golden.writing NAME RESTS`.

Orders of every kind are placed, one after another in time, and a runner works until nothing could be done for so many times;
there everything stands still, with each order somewhere on its way. What a later code must read is what this one wrote.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from tests.faults.checkout import EVENTS, Approved, order, parts
from tests.faults.driving import Driven, waited
from tests.faults.outside import Outside
from tests.guarantees.golden.histories import HERE, write

from refold import Store
from refold._bridge.stepping import run_sync
from refold._version import __version__
from refold.testing import ManualClock

KINDS = ("plain", "poor", "dumb", "torn", "mean", "lost", "ask", "rare", "late", "rare", "rare", "ask")


def stand_still(name: str, rests: int, seed: int = 1) -> None:
    """At the end of so many rests."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open("sqlite:///:memory:", events=EVENTS, clock=(clock := ManualClock())) as store,
    ):
        world = Outside(str(Path(folder) / "outside.db"), seed, 0.0)
        driven = Driven(store._engine.view, store._runtime, parts(world))
        for round in (1, 2):
            for number, kind in enumerate(KINDS):
                id = f"{kind}-{round}{number}"
                store.append(f"order-{id}", [order(id), *([Approved()] if kind == "ask" and number % 2 else [])])
            for _ in range(rests if round == 1 else 1):
                while run_sync(driven.round()):
                    pass
                waited(store, clock)
            clock.move(timedelta(milliseconds=1))
        run_sync(driven.round())  # not to its end: some things are just begun
        about = {"refold": __version__, "rests": rests, "seed": seed, "now": clock.now()}
        write(HERE / f"{name}.jsonl", store, world, about)


if __name__ == "__main__":
    stand_still(sys.argv[1], int(sys.argv[2]))
