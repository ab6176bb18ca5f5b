"""What is kept after a load or a command: in this process for all who bind the fold, and saved when that is due."""

from __future__ import annotations

from msgspec.structs import replace
from tests.flows.counting import runtime

from refold import ANY, Snapshots
from refold._bridge.stepping import run_sync
from refold.flows.append import append
from refold.flows.load import Loaded
from refold.flows.prepare import Runtime
from refold.flows.shortcuts import Standing, StateCache
from refold.flows.snapshotting import afterwards, with_shortcuts
from refold.flows.transact import Handled
from refold.messages import Context, Position
from refold.opening import open_blocking
from refold.testing.contract.sample import Deposited, accounts, notes

STREAM = "account-1"


def cache_of(runtime: Runtime) -> StateCache:
    cache = runtime.shortcuts[accounts].cache
    assert cache is not None
    return cache


def test_the_states_of_a_fold_are_kept_once_for_all_who_bind_it() -> None:
    bare = runtime()
    first, second = (with_shortcuts(bare, accounts, None, room) for room in (4, 9))
    assert cache_of(first) is cache_of(second)
    assert cache_of(with_shortcuts(first, notes, None, 4)) is cache_of(first)
    assert cache_of(first) is not with_shortcuts(bare, notes, None, 4).shortcuts[notes].cache
    assert with_shortcuts(bare, accounts, None, 0) is bare


def test_where_what_is_read_may_be_rolled_back_nothing_is_kept() -> None:
    kept = with_shortcuts(replace(runtime(), caches=None), accounts, Snapshots(every=2), 4).shortcuts[accounts]
    saved = with_shortcuts(runtime(), accounts, Snapshots(every=2), 0).shortcuts[accounts]
    assert (kept.cache, saved.cache) == (None, None)
    assert kept.saving is not None


def test_the_newest_state_is_kept_and_none_of_an_outcome_that_was_told_before() -> None:
    knows = with_shortcuts(runtime(), accounts, None, 4)
    nothing: list[Loaded[int] | Handled[int, Deposited]] = [
        Loaded(0, 0, Position(0)),
        Handled(9, 9, (), Position(9), repeated=True),
    ]
    for told in nothing:
        assert afterwards(knows, accounts, "1", told) is None
    assert afterwards(knows, accounts, "1", Loaded(9, 9, Position(9)), newest=False) is None
    assert cache_of(knows).get(STREAM) is None
    assert afterwards(knows, accounts, "1", Loaded(7, 2, Position(5), 1)) is None
    assert cache_of(knows).get(STREAM) == Standing(7, 2, 5, 1)
    assert afterwards(runtime(), accounts, "1", Loaded(7, 2, Position(5), 1)) is None


def test_a_state_that_was_saved_is_known_to_begin_there() -> None:
    backend = open_blocking("sqlite:///:memory:")
    events = [Deposited(10), Deposited(5)]
    run_sync(append(backend, runtime(), STREAM, events, expected=ANY, condition=None, context=Context()))
    knows = with_shortcuts(runtime(), accounts, Snapshots(every=2), 4)
    for newest, known in ((False, None), (True, Standing(15, 2, 2, 2))):
        keep = afterwards(knows, accounts, "1", Loaded(15, 2, Position(2)), newest=newest)
        assert keep is not None
        run_sync(keep(backend))
        assert cache_of(knows).get(STREAM) == known
    assert afterwards(knows, accounts, "1", Loaded(16, 3, Position(3), 2)) is None
    run_sync(backend.close())
