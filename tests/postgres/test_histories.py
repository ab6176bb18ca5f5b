"""The judges of histories, judged by faults in the server's functions and in what is told."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable

import psycopg
import pytest
from msgspec.structs import replace
from tests.postgres.checking import Logged, violations
from tests.postgres.crews import recorded
from tests.postgres.histories import Tried
from tests.postgres.mutants import ids_that_nobody_looks_at, positions_from_a_sequence, without_the_lock

from refold import Store

pytestmark = [pytest.mark.guarantee("G5"), pytest.mark.guarantee("G4")]


def logged(url: str) -> list[Logged]:
    """The log, by SQL of our own."""
    text = "select position, stream, version, id::text, type, tags from refold.events order by position, version"
    with psycopg.connect(url) as connection:
        rows = connection.execute(text).fetchall()
    return [
        Logged(position, stream, version, id, type, tuple(tags)) for position, stream, version, id, type, tags in rows
    ]


def test_without_the_lock_the_primary_key_alone_holds_every_condition(url: str) -> None:
    """The lock makes writers queue, which is quicker than to be refused by the key and to try again. It promises nothing."""
    Store.open(url).close()
    without_the_lock(url)
    tried = recorded(url, secrets.randbelow(10_000), 60)
    found = [
        what for what in violations(logged(url), tried) if not what.startswith("refused")
    ]  # their reasons are of no one moment
    assert found[:3] == []
    print(f"\nwithout the lock: {len(tried)} appends, 0 conditions broken")


@pytest.mark.parametrize("plant", [positions_from_a_sequence, ids_that_nobody_looks_at])
def test_a_fault_in_the_append_function_is_found(url: str, plant: Callable[[str], None]) -> None:
    Store.open(url).close()
    plant(url)
    found: Counter[str] = Counter()
    tried = list[Tried]()
    for seed in range(5):
        tried += recorded(url, seed, 40)
        found.update(what.split(":")[0][:60] for what in violations(logged(url), tried))
        if found:
            print(f"\n{plant.__name__}: {found.most_common(3)}")
            return
    pytest.fail("five times 40 histories, and nothing was found")


def test_the_judge_finds_what_it_is_there_for(url: str) -> None:
    tried = recorded(url, 1, 20)
    log = logged(url)
    assert violations(log, tried) == []
    done = next(n for n, one in enumerate(tried) if one.told == "done" and not one.repeated and one.body.conditions)
    refused = next(n for n, one in enumerate(tried) if one.told == "conflict" and one.moved)

    def other(n: int, **changes: object) -> list[Tried]:
        return [*tried[:n], replace(tried[n], **changes), *tried[n + 1 :]]

    first, last = log[0], log[-1]
    beyond = ((last.position + 1, tried[done].body.conditions[0][1]),)
    told = {
        "an event is lost": (log[:-1], tried),
        "an event is there twice": ([*log, replace(last, position=last.position + 1)], tried),
        "a hole": ([first, *(replace(event, position=event.position + 1) for event in log[1:])], tried),
        "a stranger": (
            [*log, replace(last, position=last.position + 1, version=last.version + 1, id="stranger")],
            tried,
        ),
        "other tags": ([replace(first, tags=("other",)), *log[1:]], tried),
        "two exchanged": (
            [*log[:-2], replace(last, position=last.position - 1), replace(log[-2], position=last.position)],
            tried,
        ),
        "a wrong version": (log, other(done, versions=tuple(v + 1 for v in tried[done].versions))),
        "a wrong position": (log, other(done, positions=tuple(p + 1 for p in tried[done].positions))),
        "done but told refused": (log, other(done, told="conflict", moved=((0, 77),))),
        "refused but told done": (log, other(refused, told="done", positions=(1,), versions=(1,))),
        "refused for another reason": (log, other(refused, moved=((0, 77),))),
        "refused without a reason": (log, other(refused, moved=(), matched=())),
        "before its time": (log, other(done, began=tried[-1].ended + 10**12, ended=tried[-1].ended + 10**12)),
        "nothing is wrong": (log, other(done, body=replace(tried[done].body, conditions=beyond))),
    }
    assert [what for what, (events, ones) in told.items() if not violations(events, ones)] == ["nothing is wrong"]
