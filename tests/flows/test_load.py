"""Loading a state: where it begins, how much is read for it, what it is as of then, and what a store that verifies finds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, cast

import pytest
from tests.flows.counting import CountingBackend, runtime
from tests.flows.known import knowing

from refold import (
    Closing,
    Fold,
    NewEvent,
    RawEvent,
    SnapshotMismatch,
    Snapshots,
    Store,
    UndecodableEvent,
    UsageError,
)
from refold._bridge.stepping import run_sync
from refold.flows.append import append
from refold.flows.load import Loaded, load
from refold.flows.prepare import Runtime
from refold.flows.shortcuts import Standing
from refold.messages import Context, Position
from refold.ports import PAGE
from refold.query import ANY
from refold.testing.contract.sample import Deposited, accounts

THEN = datetime(2026, 11, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def deposited(*amounts: int, stream: str = "account-1", backend: CountingBackend | None = None) -> CountingBackend:
    """A store in which these were put into an account."""
    backend = CountingBackend() if backend is None else backend
    for first in range(0, len(amounts), PAGE):
        appended(backend, *map(Deposited, amounts[first : first + PAGE]), stream=stream)
    backend.calls.clear()
    return backend


def appended(backend: CountingBackend, *events: object, stream: str = "account-1") -> None:
    run_sync(append(backend, runtime(), stream, events, expected=ANY, condition=None, context=Context()))


def knows(standing: Standing[int] | None, policy: Snapshots | None = None, **options: Any) -> Runtime:
    return knowing(accounts, "account-1", standing, policy, **options)


def loaded(backend: CountingBackend, runtime: Runtime, as_of: Any = None, valid_at: Any = None) -> Loaded[int]:
    return run_sync(load(backend, runtime, accounts, "1", as_of, valid_at))


def cached(runtime: Runtime) -> int:
    """How many states it knows."""
    (shortcut,) = runtime.shortcuts.values()
    return 0 if shortcut.cache is None else len(shortcut.cache)


KNOWN = Standing(15, 2, Position(2), 1)


def test_a_state_costs_one_read_of_the_stream_and_one_that_is_known_no_more() -> None:
    backend = deposited(10, 5, 1)
    assert (loaded(backend, runtime()), backend.calls) == (Loaded(16, 3, Position(3)), {"payloads": 1})
    backend.calls.clear()
    assert (loaded(backend, knows(KNOWN)), backend.calls) == (Loaded(16, 3, Position(3), 1), {"payloads": 1})


def test_what_is_known_is_gone_on_from_at_its_version_and_not_before() -> None:
    backend, known = deposited(10, 5, 1), knows(KNOWN)
    assert loaded(backend, known, 1) == Loaded(10, 1, Position(1))
    assert loaded(backend, known, 2) == Loaded(15, 2, Position(2), 1)
    assert loaded(backend, known, 3) == Loaded(16, 3, Position(3), 1)


@pytest.mark.parametrize(
    "standing",
    [Standing(99, 2, Position(7), 1), Standing(99, 7, Position(7), 1), Standing(99, 7, Position(2), 1)],
    ids=["another event there", "no event there", "another version"],
)
def test_what_is_known_and_not_so_is_forgotten_and_loaded_anew(standing: Standing[int]) -> None:
    known = knows(standing)
    assert (loaded(deposited(10, 5, 1), known), cached(known)) == (Loaded(16, 3, Position(3)), 0)


def test_a_stream_of_which_nothing_is_known_or_that_is_empty_begins_at_its_first_event() -> None:
    assert loaded(deposited(10), knows(None)) == Loaded(10, 1, Position(1))
    assert loaded(CountingBackend(), knows(None)) == Loaded(0, 0, Position(0))
    assert loaded(CountingBackend(), runtime()) == Loaded(0, 0, Position(0))


@pytest.mark.parametrize("more", [PAGE - 2, PAGE - 1, PAGE, PAGE + 5])
def test_what_came_since_is_folded_to_its_end_however_much_it_is(more: int) -> None:
    backend, known = deposited(10, *[1] * more), knows(Standing(10, 1, Position(1), 1))
    last = 1 + more
    assert loaded(backend, known) == Loaded(10 + more, last, Position(last), 1)
    assert loaded(backend, known, last - 2) == Loaded(10 + more - 2, last - 2, Position(last - 2), 1)
    assert backend.calls["payloads"] <= 4, "a page, and what is left, each time"


@pytest.mark.parametrize("known", [None, Standing(10, 1, Position(1), 1)], ids=["unknown", "known"])
def test_what_cannot_be_read_is_told_with_its_place(known: Standing[int] | None) -> None:
    backend = deposited(10)
    deposited(1, stream="account-2", backend=backend)
    appended(backend, NewEvent(RawEvent("account.deposited", {"amount": "much"})))
    for valid_at in (None, datetime.now(UTC) + 60 * SECOND):
        with pytest.raises(UndecodableEvent) as told:
            loaded(backend, knows(known), valid_at=valid_at)
        assert (told.value.stream, told.value.version, told.value.position) == ("account-1", 2, 3)


def test_as_of_a_position_is_what_the_stream_held_there_wherever_others_stood() -> None:
    backend = deposited(10)
    deposited(1, 2, 3, stream="account-2", backend=backend)
    deposited(5, backend=backend)
    assert loaded(backend, runtime(), Position(4)) == Loaded(10, 1, Position(1))
    assert loaded(backend, runtime(), Position(5)) == Loaded(15, 2, Position(5))
    assert loaded(backend, runtime(), Position(0)) == Loaded(0, 0, Position(0))


def test_what_was_true_at_a_time_stands_where_the_last_of_it_was_recorded() -> None:
    backend = CountingBackend()
    for amount, after in ((1, 2), (10, 1), (100, 3)):
        appended(backend, NewEvent(Deposited(amount), valid_at=THEN + after * SECOND))
    states = [loaded(backend, runtime(), valid_at=THEN + after * SECOND) for after in range(4)]
    assert states == [
        Loaded(0, 0, Position(0)),
        Loaded(10, 2, Position(2)),
        Loaded(11, 2, Position(2)),
        Loaded(111, 3, Position(3)),
    ]
    assert loaded(backend, runtime(), 1, THEN + 3 * SECOND) == Loaded(1, 1, Position(1))


# Verifying, and what it takes --------------------------------------------------------------------------------------------


def test_a_store_that_verifies_holds_a_state_against_all_events_up_to_its_version() -> None:
    backend, known = deposited(10, 5, 1), knows(KNOWN, verifying=True)
    assert [loaded(backend, known, as_of) for as_of in (2, None)] == [
        Loaded(15, 2, Position(2), 1),
        Loaded(16, 3, Position(3), 1),
    ]


def test_a_state_that_all_events_do_not_give_is_told_with_the_one_that_they_do() -> None:
    backend, known = deposited(10, 5, 1), knows(Standing(14, 2, Position(2), 1), verifying=True)
    with pytest.raises(SnapshotMismatch) as told:
        loaded(backend, known)
    found = told.value
    assert vars(found) == {"stream": "account-1", "version": 3, "began": 1, "found": 15, "expected": 16}


def test_what_a_load_took_is_told_where_slow_ones_are_to_be_saved_and_is_never_less_than_nothing() -> None:
    slow = Snapshots(slower_than=SECOND)
    costs = [
        loaded(deposited(10, 5, 1), knows(KNOWN, policy, step=step)).cost
        for policy, step in ((slow, 5), (slow, 0), (slow, -5), (Snapshots(every=9), 5), (None, 5))
    ]
    assert costs == [5, 0, 0, 0, 0]


@pytest.mark.parametrize(
    "wrong",
    ["1", 1.0, True, date(2000, 1, 1), datetime(2000, 1, 1)],  # noqa: DTZ001 - the mistake under test
    ids=["text", "float", "bool", "day", "without a time zone"],
)
def test_what_is_no_place_in_a_history_is_refused_by_the_name_of_its_parameter(wrong: Any) -> None:
    store = Store.open("memory://")
    store.append("account-1", [Deposited(10), Deposited(5)])
    account, total, anything = store.bind(accounts), Fold("account", initial=int, evolve=add), cast("Any", store)
    calls: dict[str, list[Callable[[], object]]] = {
        "as_of": [
            partial(account.state, "1", as_of=wrong), partial(account.load, "1", as_of=wrong, valid_at=THEN),
            partial(account.whatif, "1", drop=[1], as_of=wrong), lambda: [*account.redecide("1", as_of=wrong)],
            partial(store.live, total, as_of=wrong),
            partial(store.bind(Closing(accounts, Deposited, Deposited)).state, "1", as_of=wrong),
        ],
        "after": [
            lambda: [*account.history("1", after=wrong)], lambda: [*anything.read("account-1", after=wrong)],
            partial(anything.subscribe, "account-1", after=wrong),
        ],
        "until": [lambda: [*account.history("1", until=wrong)]],
        "old": [partial(account.diff, "1", wrong, 2)],
        "new": [partial(account.diff, "1", 1, wrong)],
        "limit": [lambda: [*anything.read(limit=wrong)]],
    }  # fmt: skip
    for parameter, refused in calls.items():
        for call in refused:
            with pytest.raises(UsageError, match=f"^{parameter}="):
                call()


def add(total: int, event: Deposited) -> int:
    return total + event.amount
