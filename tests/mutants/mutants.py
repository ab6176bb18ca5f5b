"""The faults that are planted on purpose: what each does, and which promise it breaks.

A test with `@pytest.mark.mutant(name)` plants one, and passes only if the check of the promise finds it. A check that no
fault can fail proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Mutant(NamedTuple):
    """One fault. `breaks`: the number of the promise."""

    breaks: str
    does: str


MUTANTS: Final[Mapping[str, Mutant]] = {
    "autocommit-per-event": Mutant("G1", "each event of an append is committed by itself"),
    "lying-fsync": Mutant("G2", "the disk says that it has written, and has not"),
    "acknowledged-before-commit": Mutant("G3", "an append is told to be done before its commit"),
    "retry-without-id": Mutant("G4", "what may have been written is sent again under new ids"),
    "version-check-outside-the-lock": Mutant("G5", "the version is looked at before the lock is taken"),
    "lock-per-type-and-tag": Mutant(
        "G5", "conditions lock pairs of type and tag, so that a query by tag alone meets none"
    ),
    "stale-read-cache": Mutant("G5", "a state is decided on that was read before the last append"),
    "spurious-conflict": Mutant("G5", "a conflict is told where there is none"),
    "position-only-cursor": Mutant(
        "G6", "a reader goes on behind the last position it saw, whatever is still to be committed below"
    ),
    "dispatch-then-checkpoint": Mutant("G15", "effects in one transaction, the checkpoint in a later one"),
    "checkpoint-then-dispatch": Mutant("G15", "the checkpoint in one transaction, effects in a later one"),
    "sent-after-the-checkpoint": Mutant(
        "G16", "the checkpoint of a publication is moved, and then the messages are sent"
    ),
    "new-key-for-each-attempt": Mutant("G16", "what is asked of the world outside has another key each time"),
    "no-fence": Mutant("G17", "whoever stands at the right position may write, also if it was taken for dead"),
    "parked-key-forgotten": Mutant("G18", "what waits behind a parked event is applied by the next step"),
    "all-made-ready": Mutant("G19", "a server makes all events ready for a client that takes its time"),
    "switch-in-two-parts": Mutant(
        "G20", "the roles of two versions change in one transaction, their tables in a later one"
    ),
    "running-without-due-time": Mutant("G21", "an instance waits, and nothing says until when"),
    "undo-registered-after-success": Mutant(
        "G22", "the undoing of a step is noted when the step has succeeded, not before"
    ),
    "results-found-by-order": Mutant("G24", "a saga's results are found by the order of its steps, not by their names"),
    "timer-before-its-time": Mutant("G23", "timers come back a little too early"),
}
