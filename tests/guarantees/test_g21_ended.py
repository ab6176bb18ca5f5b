"""G21: every process that began ends completed, compensated, or parked with a reason; nothing waits without a due time.

Runners of sagas and processes are killed, and stopped past their lease, at random moments; when others have finished, the
journals, the index and the world outside are judged: each instance has ended once, or an operator is told why not. And
whenever nothing can be done now, each instance that has not ended has a timer, a message that is tried again, or one that is
parked: the columns `due` take no null, and no row that waits is forgotten.
"""

from __future__ import annotations

import pytest
from tests.faults.checkout import EVENTS
from tests.faults.killed_sagas import kill_loop
from tests.faults.resting import rests
from tests.guarantees.conftest import NewUrl
from tests.guarantees.seeding import named, seeded
from tests.guarantees.telling import tell

from refold import Store, StoreError
from refold.ports import Own

pytestmark = [pytest.mark.guarantee("G21")]
AT_ONCE = 100
"""So many are killed on one store; then on another one."""


def kill(new_url: NewUrl, sagas: int, kills: int) -> None:
    seed, rounds = seeded(), [min(AT_ONCE, kills - done) for done in range(0, kills, AT_ONCE)]
    urls = [new_url() for _ in rounds]
    killed = [
        kill_loop(url, sagas * count // kills, count, seed + number)
        for number, (url, count) in enumerate(zip(urls, rounds, strict=True))
    ]
    tell(
        "G21", named(urls[0]), instances=2 * sum(each.sagas for each in killed), kills=kills,
        stopped=sum(each.stopped for each in killed), compensated=sum(each.compensated for each in killed),
        parked=sum(each.parked for each in killed), left_behind=0, seed=seed,
    )  # fmt: skip
    assert sum(each.at_work for each in killed) >= 0.4 * kills


@pytest.mark.guarantee("G22")
@pytest.mark.parametrize(
    ("new_url", "sagas", "kills"), [("sqlite", 24, 10), ("postgresql", 16, 5)], indirect=["new_url"]
)
def test_killed_runners_leave_no_saga_behind(new_url: NewUrl, sagas: int, kills: int) -> None:
    kill(new_url, sagas, kills)


@pytest.mark.long
@pytest.mark.timeout(4 * 3_600)
@pytest.mark.guarantee("G22")
@pytest.mark.parametrize(
    ("new_url", "sagas", "kills"), [("sqlite", 50_000, 10_000), ("postgresql", 5_000, 1_000)], indirect=["new_url"]
)
def test_thousands_of_killed_runners_leave_no_saga_behind(new_url: NewUrl, sagas: int, kills: int) -> None:
    """On SQLite two hours of it, on PostgreSQL some twenty minutes."""
    kill(new_url, sagas, kills)


def rest(url: str, sagas: int) -> None:
    seed = seeded()
    count, waiting, wrong = rests(url, sagas, seed)
    tell("G21", named(url), instances=2 * sagas, rests=count, waiting=waiting, without_due_time=len(wrong), seed=seed)
    assert wrong == []
    assert count > 5 <= waiting


def test_whatever_waits_says_until_when(url: str) -> None:
    rest(url, 12)


@pytest.mark.long
def test_whatever_waits_of_a_thousand_says_until_when(url: str) -> None:
    rest(url, 1_000)


FILLED = {
    "timers": "(due, timer, process, instance, slot, type, schema_version, data, story)"
    " values ({}, 't', 'p', 'i', 1, 't', 1, '', '')",
    "outgoing": "(due, message, process, instance, slot, lane, position, kind, receiver, target, type, data, fallback, story,"
    " state, attempts, error) values ({}, 'm', 'p', 'i', 1, '', 1, 'command', 'a', 'b', 't', '', '', '', 'pending', 0, '')",
}


@pytest.mark.parametrize("table", FILLED)
def test_no_row_that_waits_can_be_without_a_time(url: str, table: str) -> None:
    with Store.open(url, events=EVENTS) as store:
        with pytest.raises(StoreError, match=r"(?i)not[ -]null"):
            store._engine.outside(lambda b: b.work([filled(table, "null")]))
        store._engine.outside(lambda b: b.work([filled(table, "7")]))
        found = store._engine.outside(lambda b: b.query(Own(f"select due from {{refold}}{table}", {})))  # noqa: S608 - ours
    assert [tuple(row) for row in found] == [(7,)]


def filled(table: str, due: str) -> Own:
    """A row of a table, and when it is to be looked at."""
    return Own(f"insert into {{refold}}{table} {FILLED[table].format(due)}", {})
