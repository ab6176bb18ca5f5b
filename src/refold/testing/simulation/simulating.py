"""simulate: an application run by many seeds; the first one that fails is shrunk, and told as a story."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from refold.app import App
from refold.testing.simulation.customers import Commands, drawn
from refold.testing.simulation.decisions import Fate
from refold.testing.simulation.findings import Finding
from refold.testing.simulation.judging import Check
from refold.testing.simulation.running import Question, Ran, ran
from refold.testing.simulation.shrinking import shrunk
from refold.testing.simulation.watching import Invariant

SEEDS: Final = 100
SECONDS: Final = 20.0


@dataclass(slots=True)
class Simulated:
    """What was simulated: so many seeds, and in all of them so much. `story` is that of the last run, a sentence a line."""

    seeds: int = 0
    commands: int = 0
    refused: int = 0
    events: int = 0
    parked: int = 0
    faults: Counter[Fate] = field(default_factory=Counter[Fate])
    story: str = ""

    def add(self, run: Ran) -> None:
        """Count a run."""
        self.seeds += 1
        self.commands += len(run.commands)
        self.refused += run.refused
        self.events += run.events
        self.parked += run.parked
        self.faults += run.faults
        self.story = "\n".join(run.story)


class SimulationFailed(AssertionError):
    """A seed led to something wrong. `story`: the smallest run that does, a sentence a line; `findings`: all that it found."""

    def __init__(self, seed: int, whole: Ran, smallest: Ran) -> None:
        self.seed, self.findings, self.story = seed, tuple(smallest.findings), "\n".join(smallest.story)
        self.commands, self.faults = smallest.commands, smallest.faults
        self.unshrunk = "\n".join(whole.story)
        """The story of the seed itself."""
        super().__init__(_told(seed, whole, smallest))

    @property
    def finding(self) -> Finding:
        """The first of them."""
        return self.findings[0]


def simulate(
    app: App | Callable[[], App],
    *,
    commands: Commands,
    seed: int | None = None,
    seeds: int = SEEDS,
    always: Sequence[Invariant] = (),
    finally_: Sequence[Check] = (),
    may_wait: Mapping[str, Callable[[Any], bool]] | None = None,
    shrink_for: float = SECONDS,
) -> Simulated:
    """Run the application in simulated worlds: two customers, two runners, a store, a clock, and everything that can go wrong.

    `app`: or what makes it anew for each run, with the world outside that its effects use. `commands`: see `Commands`. At each
    call of the store or of the world outside a seed decides: it goes on, others go first, the process dies before or after,
    no answer comes, the store is busy, an effect fails before or after it happened, time passes up to the next timer, a
    command is sent again with its key. Then faults stop, all comes to rest, and is judged. `always`: invariants of states,
    each annotated with the class of the state that it is about. `finally_`: given the store in the end. Both say False or
    raise AssertionError. `may_wait`: by the name of a process, whether an instance in a state may go on waiting for events.
    `seed`: only this one, which does the same every time. `shrink_for`: so many seconds at most are spent on a smaller run.

    Raises:
        SimulationFailed: something was wrong, with the seed, the smallest run that was found, and how to repeat it.
        UsageError: a command is for nobody, or an invariant is not annotated.
    """
    make: Callable[[], App] = (lambda: app) if isinstance(app, App) else app
    question = Question(make, always, finally_, may_wait or {})
    report = Simulated()
    for number in range(seeds) if seed is None else (seed,):
        run = ran(question, number, drawn(commands, number))
        report.add(run)
        if run.findings:
            raise SimulationFailed(number, run, shrunk(question, run, shrink_for))
    return report


def _told(seed: int, whole: Ran, smallest: Ran) -> str:
    first, *more = smallest.findings
    size = f"{len(smallest.commands)} of {len(whole.commands)} commands, {len(smallest.decisions)} of {len(whole.decisions)}"
    return "\n".join([
        f"{first.kind}: {first.what}",
        *(f"and {each.kind}: {each.what}" for each in more),
        "",
        f"The smallest run that was found ({size} turns of fate), with the seconds that have passed:",
        "",
        *smallest.story,
        "",
        f"To run it again: simulate(..., seed={seed}).",
    ])  # fmt: skip
