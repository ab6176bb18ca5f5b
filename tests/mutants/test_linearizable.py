"""G5 bites: each of these faults breaks conditions, and each of the two judges finds it by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, TypeAlias

import pytest
from msgspec.structs import replace
from tests.guarantees.test_g05_linearizable import final_read, judged
from tests.postgres.crews import FEW, recorded
from tests.postgres.mutants import checks_outside_the_lock, locks_of_types_and_tags

from refold import ANY, Store, StreamWrite
from refold.backends.sqlite import backend
from refold.flows import transact
from refold.flows.load import Loaded
from refold.ports import Append, AppendResult, Check, Conflicted, StreamCheck, StreamMoved, Write
from refold.query import AppendCondition, holds

NewUrl: TypeAlias = Callable[[], str]
ATTEMPTS = 8


def found_by_both(new_url: NewUrl, plant: Callable[[str], None] = lambda _: None, *, says: str) -> None:
    """Fails unless, within some attempts, each judge has found a history that cannot be, the first for this reason."""
    first, second = list[str](), list[str]()
    for seed in range(ATTEMPTS):
        url = new_url()
        Store.open(url).close()
        plant(url)
        tried = recorded(url, seed, 40, crews=(5,), most=FEW)
        wrong, contradiction = judged(final_read(url), tried, gapless=True)
        first += [each for each in wrong if says in each]
        second += [contradiction] if contradiction and contradiction.startswith("no order") else []
        if first and second:
            print(f"\nin attempt {seed + 1}: {first[0][:120]}\n{second[0][:120]}")
            return
    pytest.fail(f"{ATTEMPTS} times 40 histories, and the first judge found {len(first)}, the second {len(second)}")


@pytest.mark.mutant("version-check-outside-the-lock")
@pytest.mark.parametrize("new_url", ["sqlite"], indirect=True)
def test_a_version_that_is_looked_at_before_the_lock_is_found_on_sqlite(
    new_url: NewUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Store.append_all

    def append_all(store: Store, writes: Sequence[Any], *, checks: Sequence[Check] = ()) -> Any:
        if not all(_holds(store, check) for check in (*(StreamCheck(w.stream, w.expected) for w in writes), *checks)):
            return whole(store, writes, checks=checks)
        return whole(store, [StreamWrite(write.stream, write.events, ANY) for write in writes])

    monkeypatch.setattr(Store, "append_all", append_all)
    found_by_both(new_url, says="did not hold there")


def _holds(store: Store, check: Check) -> bool:
    if isinstance(check, AppendCondition):
        return not [*store.read(query=check.query, after=check.after)]
    return holds(check.expected, len([*store.read(check.stream)]))


@pytest.mark.mutant("version-check-outside-the-lock")
@pytest.mark.parametrize("new_url", ["postgresql"], indirect=True)
def test_a_version_that_is_looked_at_before_the_lock_is_found_on_postgresql(new_url: NewUrl) -> None:
    found_by_both(new_url, checks_outside_the_lock, says="did not hold there")


@pytest.mark.mutant("lock-per-type-and-tag")
@pytest.mark.parametrize("new_url", ["postgresql"], indirect=True)
def test_locks_that_a_query_by_tag_alone_does_not_meet_are_found_on_postgresql(new_url: NewUrl) -> None:
    found_by_both(new_url, locks_of_types_and_tags, says="did not hold there")


@pytest.mark.mutant("stale-read-cache")
@pytest.mark.parametrize("new_url", ["sqlite", "postgresql"], indirect=True)
def test_a_decision_on_a_state_of_before_is_found(new_url: NewUrl, monkeypatch: pytest.MonkeyPatch) -> None:
    whole: Any = vars(transact)["reached"]
    kept: dict[str, Loaded[Any]] = {}

    async def reached(backend: Any, runtime: Any, fold: Any, stream: str, until: int | None = None) -> Loaded[Any]:
        fresh: Loaded[Any] = await whole(backend, runtime, fold, stream, until)
        stale = kept.get(stream, fresh)
        kept[stream] = fresh
        return replace(fresh, state=stale.state)

    monkeypatch.setattr(transact, "reached", reached)
    monkeypatch.setattr(transact, "take_over", lambda *_: None)
    found_by_both(new_url, lambda _: kept.clear(), says="did not hold there")


@pytest.mark.mutant("spurious-conflict")
@pytest.mark.parametrize("new_url", ["sqlite"], indirect=True)
def test_a_conflict_where_there_is_none_is_found_on_sqlite(new_url: NewUrl, monkeypatch: pytest.MonkeyPatch) -> None:
    whole: Any = vars(backend)["write"]
    calls = count(1)

    def write(db: Any, append: Append) -> AppendResult:
        if next(calls) % 7 == 0 and append.writes and isinstance(append.writes[0].expected, int):
            return Conflicted((_untrue(append.writes[0]),))
        result: AppendResult = whole(db, append)
        return result

    monkeypatch.setattr(backend, "write", write)
    found_by_both(new_url, says="refused for")


def _untrue(write: Write) -> StreamMoved:
    assert isinstance(write.expected, int)
    return StreamMoved(write.stream, write.expected, write.expected + 1)
