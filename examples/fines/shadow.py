"""The shadow: the log is lived through once more, on a clock that goes by it, with the process beside the office."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from examples.fines.facts import NoticeSent, PenaltyAdded, SentForCollection
from examples.fines.log import Happened
from examples.fines.office import What, office
from examples.fines.process import ROME, Fine, evolve, fines

from refold import Fold, Store
from refold.testing import ManualClock

DECISIONS: Final[Mapping[type[object], What]] = {
    NoticeSent: "notice",
    PenaltyAdded: "penalty",
    SentForCollection: "collection",
}
"""Which facts of the log are decisions of the office."""


def no_days() -> dict[What, date]:
    """Nothing was decided."""
    return {}


@dataclass
class Case:
    """One fine: on which day the office decided what, and on which day the process; and all that happened."""

    name: str
    facts: list[Happened] = field(default_factory=list[Happened])
    theirs: dict[What, date] = field(default_factory=no_days)
    ours: dict[What, date] = field(default_factory=no_days)

    def fine(self, until: datetime | None = None) -> Fine:
        """How it stood then, or in the end."""
        facts = [each.fact for each in self.facts if until is None or each.at < until]
        return STANDING([fact for fact in facts if not isinstance(fact, SentForCollection)])

    def day(self, fact: type[object]) -> date | None:
        """The day on which something happened first."""
        return next((_day(each.at) for each in self.facts if isinstance(each.fact, fact)), None)


STANDING: Final = Fold("fine", initial=Fine, evolve=evolve)


def lived_through(facts: Sequence[Happened]) -> Mapping[str, Case]:
    """The cases by name, after all facts came to the process at their times."""
    cases: dict[str, Case] = {}
    with _shadow(facts[0].at) as (store, clock):
        for each in facts:
            _pass_the_time(store, clock, each.at)
            store.append(f"fine-{each.fine}", [each.fact])
            case = cases.setdefault(each.fine, Case(each.fine))
            case.facts.append(each)
            if (what := DECISIONS.get(type(each.fact))) is not None:
                case.theirs[what] = _day(each.at)
        _pass_the_time(store, clock, facts[-1].at)
        for event in store.read(category="office"):
            cases[event.stream.id].ours[event.data.what] = _day(event.recorded_at)
    return cases


@contextmanager
def _shadow(begins: datetime) -> Generator[tuple[Store, ManualClock]]:
    clock = ManualClock(begins)
    with Store.open("sqlite:///:memory:", clock=clock) as store:
        store.bind(office)
        yield store, clock


def _pass_the_time(store: Store, clock: ManualClock, until: datetime) -> None:
    """Let time pass, and stop at each timer that comes due."""
    instances = store.process(fines)
    instances.catch_up(office)
    while (timers := instances.timers(limit=1)) and timers[0].due <= until:
        clock.set(timers[0].due)
        instances.catch_up(office)
    clock.set(until)


def _day(moment: datetime) -> date:
    return moment.astimezone(ROME).date()
