"""What became of the tests that carry a promise, or plant a fault, in one run of pytest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parents[2]
LAST: Final = ROOT / "build" / "promises.json"
"""Where `make test` writes them."""
BACKENDS: Final = {
    "SQLite": ("sqlite",),
    "PostgreSQL": ("postgres",),
    "JetStream": ("nats", "jetstream"),
    "memory": ("memory",),
}
"""How a test's name tells which of them it runs on; the first that it names, as SQLite in memory is SQLite."""
COLUMNS: Final = (*BACKENDS, "any")
"""`any`: the promise does not depend on the backend, or is tested apart from one."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of one test. `figures`: the lines of figures that it printed. `mutants`: the faults that it planted.

    `seconds`: how long it took, if it is the `long` form of a proof.
    """

    promises: tuple[str, ...]
    test: str
    outcome: str
    figures: tuple[str, ...] = ()
    mutants: tuple[str, ...] = ()
    long: bool = False
    seconds: float = 0

    @property
    def file(self) -> str:
        """Where the test stands."""
        return self.test.partition("::")[0]


class Run(msgspec.Struct, frozen=True):
    """All of them, and how many seconds the run took with all else that was in it."""

    seconds: float
    outcomes: tuple[Outcome, ...]

    def of(self, promise: str) -> Sequence[Outcome]:
        """What became of the tests of one promise."""
        return [outcome for outcome in self.outcomes if promise in outcome.promises]


def backend_of(test: str) -> str:
    """The backend that a test runs on, by its name: what is given to it says more than where it stands."""
    file, _, name = test.partition("::")
    for text in (name.lower(), file.lower()):
        for backend, words in BACKENDS.items():
            if any(word in text for word in words):
                return backend
    return "any"


def by_backend(outcomes: Iterable[Outcome]) -> list[Counter[str]]:
    """How many ended how, for each column of the table."""
    found = {column: Counter[str]() for column in COLUMNS}
    for outcome in outcomes:
        found[backend_of(outcome.test)][outcome.outcome] += 1
    return [found[column] for column in COLUMNS]
