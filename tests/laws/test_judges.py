"""Laws of the two judges of histories: both accept what a store did, both reject what none can have done, and they agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.faults.linearizability import contradiction
from tests.faults.load import Load, reported
from tests.postgres.checking import Logged, as_logged, violations
from tests.postgres.histories import Body, Tried, attempt, body, observed

from refold import Store
from refold.messages import RawEvent

pytestmark = pytest.mark.guarantee("G5")

History: TypeAlias = tuple[list[Logged], list[Tried]]
SEEDS = st.integers(0, 1 << 32)
FAR = 1 << 62


def happened(random: Random, requests: int) -> History:
    """Requests to the memory backend, one after another, and told as if they had been under way at the same time.

    The n-th has its effect at the time 10 n. Some clients never hear of it, some ask again, some of what was asked never came.
    """
    with Store.open("memory://", events=[RawEvent]) as store:
        tried, bodies = list[Tried](), list[Body]()
        for number in range(1, requests + 1):
            wanted = random.choice(bodies) if bodies and random.random() < 0.2 else drawn(random, store)
            bodies.append(wanted)
            if random.random() < 0.1:
                tried.append(Tried(wanted, number * 10 - early(random), number * 10 + early(random), "unknown"))
                bodies.pop()
                continue
            one = observed(store, random) if random.random() < 0.2 else attempt(store, wanted)
            one = replace(one, began=number * 10 - early(random), ended=number * 10 + early(random))
            is_lost = one.told == "done" and not one.repeated and random.random() < 0.1
            tried.append(Tried(wanted, one.began, one.ended, "unknown") if is_lost else one)
        events = as_logged(store.read())
    random.shuffle(tried)
    return events, tried


def drawn(random: Random, store: Store) -> Body:
    return body(random, 0, lambda: int(store.head()))


def early(random: Random) -> int:
    """How long before its effect a request began, or after it the answer came; often the next ones began meanwhile."""
    return random.choice([1, 4, 12, 35])


def verdicts(history: History) -> tuple[bool, bool]:
    """Whether the first judge accepts it, and the second."""
    log, tried = history
    return violations(log, tried) == [], contradiction(log, tried) is None


@given(SEEDS, st.integers(0, 40))
def test_both_judges_accept_what_the_memory_backend_did(seed: int, requests: int) -> None:
    history = happened(Random(seed), requests)  # noqa: S311 - the same for a seed
    assert (violations(*history), contradiction(*history)) == ([], None)


# What none can have done ----------------------------------------------------------------------------------------------


def chosen(tried: Sequence[Tried], holds: Callable[[Tried], bool], random: Random) -> int | None:
    return random.choice([n for n, one in enumerate(tried) if holds(one)] or [None])


def changed(history: History, n: int | None, **changes: object) -> History | None:
    log, tried = history
    return None if n is None else (log, [*tried[:n], replace(tried[n], **changes), *tried[n + 1 :]])


def is_done(one: Tried) -> bool:
    return one.told == "done"


def is_refused(one: Tried) -> bool:
    return one.told == "conflict"


def a_lost_event(history: History, random: Random) -> History | None:
    log, tried = history
    acknowledged = {id for one in tried if is_done(one) for id in one.body.ids}
    return (log[:-1], tried) if log and log[-1].id in acknowledged else None


def an_event_that_is_there_twice(history: History, random: Random) -> History | None:
    log, tried = history
    again = [replace(event, position=len(log) + 1, version=event.version + 1) for event in log[-1:]]
    return ([*log, *again], tried) if log else None


def a_stranger(history: History, random: Random) -> History | None:
    log, tried = history
    return [*log, Logged(len(log) + 1, "stranger-1", 1, "stranger", "X0", ())], tried


def other_tags(history: History, random: Random) -> History | None:
    log, tried = history
    n = random.randrange(len(log)) if log else 0
    return ([*log[:n], replace(log[n], tags=("other",)), *log[n + 1 :]], tried) if log else None


def a_hole(history: History, random: Random) -> History | None:
    log, tried = history
    return ([replace(event, position=event.position + 1) for event in log], tried) if log else None


def another_version_told(history: History, random: Random) -> History | None:
    n = chosen(history[1], is_done, random)
    return changed(history, n, versions=tuple(v + 1 for v in history[1][n or 0].versions))


def another_position_told(history: History, random: Random) -> History | None:
    n = chosen(history[1], is_done, random)
    return changed(history, n, positions=tuple(p + 1 for p in history[1][n or 0].positions))


def a_refusal_of_what_was_written(history: History, random: Random) -> History | None:
    n = chosen(history[1], lambda one: is_done(one) and not one.repeated, random)
    others = n is not None and sum(one.body.ids == history[1][n].body.ids for one in history[1]) > 1
    return None if others else changed(history, n, told="conflict", moved=((0, 77),), positions=(), versions=())


def a_refusal_for_another_reason(history: History, random: Random) -> History | None:
    return changed(history, chosen(history[1], is_refused, random), moved=((0, 77),))


def a_refusal_without_a_reason(history: History, random: Random) -> History | None:
    return changed(history, chosen(history[1], is_refused, random), moved=(), matched=())


def an_acknowledgement_of_what_was_refused(history: History, random: Random) -> History | None:
    n = chosen(history[1], lambda one: is_refused(one) and bool(one.body.ids), random)
    return changed(
        history, n, told="done", positions=(1,) * len(history[1][n or 0].body.ids), versions=(1,), moved=(), matched=()
    )


def an_answer_before_the_event(history: History, random: Random) -> History | None:
    """It was acknowledged before the one below it, the only one of its ids, was asked for."""
    log, tried = history
    first = next((one for one in tried if log and log[0].id in one.body.ids), None)
    n = chosen(
        tried, lambda one: is_done(one) and min(one.positions) > 1 and one.body != (first and first.body), random
    )
    if first is None or n is None:
        return None
    late = [replace(one, began=FAR, ended=FAR) if one.body == first.body else one for one in tried]
    return log, late


def a_read_of_what_is_not_yet_there(history: History, random: Random) -> History | None:
    n = chosen(history[1], lambda one: is_refused(one) and not one.body.ids and one.moved[0][1] > 0, random)
    return changed(history, n, began=-FAR, ended=-FAR)


def a_read_from_a_stale_cache(history: History, random: Random) -> History | None:
    """It saw less than was there, and all else had ended long before."""
    n = chosen(history[1], lambda one: is_refused(one) and not one.body.ids and one.moved[0][1] > 0, random)
    return changed(history, n, began=FAR, ended=FAR, moved=((0, 0),))


FAULTS: Sequence[Callable[[History, Random], History | None]] = (
    a_lost_event, an_event_that_is_there_twice, a_stranger, other_tags, a_hole, another_version_told,
    another_position_told, a_refusal_of_what_was_written, a_refusal_for_another_reason, a_refusal_without_a_reason,
    an_acknowledgement_of_what_was_refused, an_answer_before_the_event, a_read_of_what_is_not_yet_there,
    a_read_from_a_stale_cache,
)  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_both_judges_reject_what_no_store_can_have_done(fault: Callable[[History, Random], History | None]) -> None:
    made = 0
    for seed in range(200):
        random = Random(seed)  # noqa: S311 - the same for a seed
        history = fault(happened(random, 20), random)
        if history is not None:
            made += 1
            assert verdicts(history) == (False, False), f"seed {seed}"
        if made == 20:
            return
    pytest.fail(f"only {made} histories could be given this fault")


# Whatever happened ----------------------------------------------------------------------------------------------------


def disturbed(history: History, random: Random) -> History:
    """Times are moved, answers are changed or exchanged: it may still be linearizable, or not."""
    log, tried = history
    for _ in range(random.choice([1, 1, 2, 3])):
        n = random.randrange(len(tried))
        one = tried[n]
        match random.choice(["late", "early", "short", "unknown", "seen", "repeated"]):
            case "late":
                one = replace(one, began=one.began + 30, ended=one.ended + 60)
            case "early":
                one = replace(one, began=one.began - 60, ended=one.ended - 30)
            case "short":
                one = replace(one, began=(one.began + one.ended) // 2)
            case "unknown" if one.told == "done":
                one = Tried(one.body, one.began, one.ended, "unknown")
            case "repeated" if one.told == "done":
                one = replace(one, repeated=not one.repeated)
            case "seen" if one.moved:
                one = replace(one, moved=tuple((place, max(0, v + random.choice([-1, 1]))) for place, v in one.moved))
            case _:
                pass
        tried = [*tried[:n], replace(one, ended=max(one.began, one.ended)), *tried[n + 1 :]]
    return log, tried


@settings(max_examples=300)
@given(SEEDS, st.integers(1, 25))
def test_the_judges_agree_on_what_may_or_may_not_have_happened(seed: int, requests: int) -> None:
    random = Random(seed)  # noqa: S311 - the same for a seed
    history = disturbed(happened(random, requests), random)
    first, second = verdicts(history)
    assert first == second, (violations(*history), contradiction(*history))


def test_what_a_reader_saw_and_nobody_else_does_is_found() -> None:
    load = Load("memory://", seed=1, writers=0)
    load.seen = [[(1, "a"), (2, "b")], [(1, "a")], [(2, "b"), (1, "a")]]
    assert len(load.misled([(1, "a"), (2, "b"), (3, "c")])) == 1, "another order"
    assert len(load.misled([(1, "a"), (3, "b")])) == 2, "and what has moved"
    report = reported(load, [Logged(1, "s-1", 1, "a", "X", ())], [], [], [])
    assert (report.seen, report.taken_back) == (2, 1)
    assert "it was read, and is gone: b" in report.wrong
