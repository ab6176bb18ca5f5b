"""G5: conditions are linearizable in each stream, and a conflict is told only where there is one.

Writers in several processes append to the same three streams, under expected versions and conditions, read them, and have
commands decided on them; what each was told, and when, goes to two judges that have nothing in common.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

import pytest
from msgspec.structs import replace
from tests.faults.linearizability import contradiction
from tests.guarantees.seeding import named, seeded
from tests.guarantees.telling import tell
from tests.nats.traffic import numbered
from tests.postgres.checking import Logged, as_logged, violations
from tests.postgres.crews import FEW, recorded
from tests.postgres.histories import Tried

from refold import Store
from refold.messages import RawEvent

pytestmark = pytest.mark.guarantee("G5")

NewUrl: TypeAlias = Callable[[], str]
MANY, SOME = 80, 20
"""Up to so many requests of each writer: a history has two hundred, or fifty."""
ENOUGH = 1_000
"""Of so many histories, some have repeats for sure; of a few, none may."""


def final_read(url: str) -> list[Logged]:
    """All events, when all is over."""
    with Store.open(url, events=[RawEvent]) as store:
        return as_logged(store.read())


def judged(log: Sequence[Logged], tried: Sequence[Tried], *, gapless: bool) -> tuple[list[str], str | None]:
    """What the first judge says, and the second. The first one wants positions without holes."""
    if gapless:
        return violations(log, tried), contradiction(log, tried)
    places = [event.position for event in log]
    in_a_row = [replace(event, position=number) for number, event in enumerate(log, 1)]
    told = [numbered(one, places) for one in tried]
    return violations(in_a_row, told), contradiction(log, tried, gapless=False)


def histories_hold(new_url: NewUrl, histories: int, *, crews: Sequence[int], most: int, parts: int = 1) -> None:
    """So many histories, an equal part of them in each of some stores, judged twice. Fails if one of them cannot be."""
    seed, told, url = seeded(), Counter[str](), ""
    for part in range(parts):
        url = new_url()
        tried = recorded(url, seed + 100 * part, histories // parts, crews=crews, most=most)
        wrong, contradiction = judged(final_read(url), tried, gapless=not url.startswith("nats"))
        assert (wrong[:3], contradiction) == ([], None), f"seed {seed}"
        told.update("reads" if not one.body.ids else "repeated" if one.repeated else one.told for one in tried)
    tell(
        "G5", named(url), histories=histories, processes=len(crews), writers=sum(crews), requests=told.total(),
        **{name: told[name] for name in ("done", "conflict", "repeated", "reads")}, violations=0, seed=seed,
    )  # fmt: skip
    sure = ("done", "conflict", "reads", *(("repeated",) if histories >= ENOUGH else ()))
    assert min(told[name] for name in sure) > histories / 20, "nothing to look at"


@pytest.mark.parametrize(
    ("new_url", "histories"), [("sqlite", 150), ("postgresql", 100), ("plain-jetstream", 40)], indirect=["new_url"]
)
def test_short_histories_are_linearizable(new_url: NewUrl, histories: int) -> None:
    histories_hold(new_url, histories, crews=(3, 2), most=FEW)


@pytest.mark.parametrize(
    ("new_url", "histories"), [("sqlite", 3), ("postgresql", 2), ("plain-jetstream", 1)], indirect=["new_url"]
)
def test_a_long_history_of_hot_streams_is_linearizable(new_url: NewUrl, histories: int) -> None:
    histories_hold(new_url, histories, crews=(3, 2), most=MANY)


@pytest.mark.long
@pytest.mark.timeout(6 * 3_600)
@pytest.mark.parametrize(
    ("new_url", "most"), [("sqlite", MANY), ("postgresql", SOME), ("plain-jetstream", FEW)], indirect=["new_url"]
)
def test_ten_thousand_histories_by_five_processes_are_linearizable(new_url: NewUrl, most: int) -> None:
    """Two million requests on SQLite, half a million on PostgreSQL, 75,000 on JetStream: what each can do in some hours."""
    histories_hold(new_url, 10_000, crews=(1,) * 5, most=most, parts=50)
