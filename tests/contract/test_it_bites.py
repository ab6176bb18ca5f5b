"""The contract bites: a backend with one fault planted in it fails the test that is there for it."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from refold.backends.memory import MemoryBackend
from refold.backends.sqlite import SqliteBackend, reading, surveying, writing
from refold.errors import UnknownEventType
from refold.flows.follow import Engine, Follower
from refold.messages import Recorded
from refold.ports import PAGE, Append, AppendResult, Outcome, Selection
from refold.query import AppendCondition, Query
from refold.rows import Row
from refold.testing.contract import Place, StoreContract, Stores
from refold.testing.contract.base import listed
from refold.testing.contract.history import Attempt, violations
from refold.testing.contract.sample import fact

Plant = Callable[[pytest.MonkeyPatch], None]
Contradicted = (Exception, pytest.fail.Exception)  # whatever way the test goes wrong; a skip is not among them

CONTRACT = StoreContract()


def no_version_check(patch: pytest.MonkeyPatch) -> None:
    for module in ("refold.backends.memory", "refold.backends.sqlite.writing"):
        patch.setattr(f"{module}.holds", lambda expected, version: True)


def no_conditions(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemoryBackend, "_failure", lambda self, check: None)
    patch.setattr(writing, "_failure", lambda db, check: None)


def a_condition_that_counts_the_event_at_its_position(patch: pytest.MonkeyPatch) -> None:
    def failing(self: AppendCondition, query: Query, after: int = 0) -> None:
        object.__setattr__(self, "query", query)
        object.__setattr__(self, "after", after - 1)

    patch.setattr(AppendCondition, "__init__", failing)


def no_repeats(patch: pytest.MonkeyPatch) -> None:
    for module in ("refold.backends.memory", "refold.backends.sqlite.writing"):
        patch.setattr(f"{module}.repeated", lambda append, found: None)


def repeats_that_look_at_ids_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("refold.repeats._same", lambda stream, new, old: True)


def forgotten_requests(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: object, key: str) -> Outcome | None:
        return None

    patch.setattr(MemoryBackend, "request", nothing)
    patch.setattr(SqliteBackend, "request", nothing)
    patch.setattr(surveying, "outcome", lambda db, key: None)
    patch.setattr(writing, "_REQUEST", "insert or replace into refold_requests values (?, ?, ?, ?, ?, ?)")


def an_index_of_tags_that_is_not_filled(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(writing, "_TAG", "insert into event_tags select ?, ?, ? where false")
    patch.setattr("refold.backends.memory._tags", lambda text: frozenset[str]())


def an_index_that_looks_at_one_tag(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        reading,
        "_tag_lane",
        lambda item: iter([(reading._BY_TAG, {"key": min(item.tags), "others": "[]", "types": None})]),
    )
    patch.setattr("refold.query.QueryItem.matches", lambda self, _, tags: not self.tags or min(self.tags) in tags)


def a_clock_that_is_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("refold.backends.sqlite.writing.max", min, raising=False)
    patch.setattr("refold.backends.memory.max", min, raising=False)


def pages_that_are_cut_short(patch: pytest.MonkeyPatch) -> None:
    for backend in (MemoryBackend, SqliteBackend):
        whole: Any = backend.read

        async def read(
            self: Any, selection: Selection, whole: Callable[..., Awaitable[Sequence[Row]]] = whole
        ) -> Sequence[Row]:
            return (await whole(self, selection))[:999]

        patch.setattr(backend, "read", read)


def a_refusal_that_leaves_something_behind(patch: pytest.MonkeyPatch) -> None:
    for backend in (MemoryBackend, SqliteBackend):
        whole: Any = backend.append

        async def append(
            self: Any, append: Append, whole: Callable[..., Awaitable[AppendResult]] = whole
        ) -> AppendResult:
            (first, *_) = append.writes
            await whole(self, Append((type(first)(first.stream, first.rows[:1]),), append.now))
            return await whole(self, append)

        patch.setattr(backend, "append", append)


def a_head_that_is_taken_after_the_rows(patch: pytest.MonkeyPatch) -> None:
    whole: Any = Follower._read

    async def read(self: Any, engine: Engine) -> None:
        self._head = sys.maxsize
        await whole(self, engine)
        self._head = await engine.wait(0, 0.0)
        if len(self._rows) < PAGE:
            self._seen = self._head
            self._selection = replace(self._selection, after=self._head)

    patch.setattr(Follower, "_read", read)


def a_page_that_begins_where_the_last_one_did(patch: pytest.MonkeyPatch) -> None:
    whole: Any = Follower._read

    async def read(self: Any, engine: Engine) -> None:
        selection = self._selection
        await whole(self, engine)
        self._selection = selection

    patch.setattr(Follower, "_read", read)


def a_position_of_what_was_read_and_not_handed_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("refold.subscription._place", lambda follower: follower._seen)


def an_end_that_is_the_beginning(patch: pytest.MonkeyPatch) -> None:
    async def begin(self: object, engine: Engine) -> None: ...

    patch.setattr(Follower, "begin", begin)


def an_event_that_cannot_be_read_is_left_out(patch: pytest.MonkeyPatch) -> None:
    whole = Follower.taken

    def taken(self: Any) -> Recorded[Any] | None:
        try:
            return whole(self)
        except UnknownEventType:
            self._rows.pop()
            return whole(self)

    patch.setattr(Follower, "taken", taken)


FAULTS: list[tuple[Plant, str]] = [
    (no_version_check, "test_of_many_with_the_same_expected_version_one_wins"),
    (no_version_check, "test_a_refused_append_leaves_nothing_behind"),
    (no_version_check, "test_a_conflict_tells_both_versions_and_brings_the_missing_tail"),
    (no_conditions, "test_conditions_that_look_at_each_others_dimension_do_not_both_win"),
    (no_conditions, "test_conditions_that_match_nothing_yet_let_one_win"),
    (no_conditions, "test_a_random_history_holds_every_condition_that_was_told_to_hold"),
    (a_condition_that_counts_the_event_at_its_position, "test_an_event_after_the_position_conflicts_and_one_at_it_does_not"),
    (no_repeats, "test_the_same_append_again_gives_the_first_positions_and_writes_nothing"),
    (no_repeats, "test_a_repeat_is_judged_before_what_it_expects"),
    (no_repeats, "test_of_two_repeats_at_once_one_writes_and_both_get_its_outcome"),
    (forgotten_requests, "test_a_repeated_command_gives_the_first_outcome_and_appends_nothing"),
    (forgotten_requests, "test_that_a_command_changed_nothing_is_an_outcome_too"),
    (forgotten_requests, "test_one_key_at_once_from_many_is_handled_once"),
    (an_index_of_tags_that_is_not_filled, "test_without_a_position_any_match_conflicts"),
    (an_index_of_tags_that_is_not_filled, "test_every_combination_agrees_with_a_filter_in_python"),
    (an_index_that_looks_at_one_tag, "test_within_an_item_the_event_carries_all_of_the_tags"),
    (a_clock_that_is_believed, "test_recorded_at_never_goes_backwards_though_the_clock_does"),
    (pages_that_are_cut_short, "test_more_than_a_page_is_read_page_after_page"),
    (a_refusal_that_leaves_something_behind, "test_a_refused_append_leaves_nothing_behind"),
    (a_head_that_is_taken_after_the_rows, "test_beside_many_writers_all_see_the_same_order_without_gap_or_double"),
    (a_page_that_begins_where_the_last_one_did, "test_it_catches_up_over_more_than_a_page_and_then_follows"),
    (a_position_of_what_was_read_and_not_handed_out, "test_who_goes_on_from_its_position_misses_and_doubles_nothing"),
    (an_end_that_is_the_beginning, "test_from_the_end_only_what_comes_is_given"),
    (an_event_that_cannot_be_read_is_left_out, "test_an_event_that_cannot_be_read_stays_the_next_one"),
]  # fmt: skip


@pytest.fixture(params=["memory", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place for the backend that the fault is planted in."""
    if request.param == "memory":
        return Place(url="memory://", durable=False, sql=False)
    return Place(url=f"sqlite:///{tmp_path}/store.db?durability=best-effort", durable=True, sql=True)


@pytest.mark.parametrize(("plant", "test"), FAULTS, ids=[f"{plant.__name__}-{test}" for plant, test in FAULTS])
async def test_a_planted_fault_is_found(plant: Plant, test: str, place: Place) -> None:
    await run(test, place)  # a healthy backend passes, so it is the fault that is found
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        with pytest.raises(Contradicted):
            await run(
                test, Place(url=place.url.replace("store.db", "planted.db"), durable=place.durable, sql=place.sql)
            )


async def run(test: str, place: Place) -> None:
    """One test of the contract, on stores at a place."""
    stores = Stores(place, "AsyncStore")
    method = getattr(CONTRACT, test)
    try:
        await (method(stores) if "stores" in method.__code__.co_varnames[:2] else method(await stores.open()))
    finally:
        await stores.close()


@pytest.mark.parametrize("test", ["id", "data", "stream"])
async def test_a_repeat_that_looks_at_ids_alone_is_found(test: str, place: Place) -> None:
    cases = {"id": 0, "data": 4, "stream": 3}
    refused: Any = StoreContract.test_known_ids_with_anything_else_are_refused
    (mark,) = [mark for mark in refused.pytestmark if mark.name == "parametrize"]
    stream, events = mark.args[1][cases[test]]
    stores = Stores(place, "AsyncStore")
    with pytest.MonkeyPatch.context() as patch:
        repeats_that_look_at_ids_alone(patch)
        with pytest.raises(Contradicted):
            await CONTRACT.test_known_ids_with_anything_else_are_refused(await stores.open(), stream, events)
    await stores.close()


async def test_the_history_checker_finds_what_it_is_there_for() -> None:
    stores = Stores(Place(url="memory://", durable=False, sql=False), "AsyncStore")
    store = await stores.open()
    for type in "XYX":
        await store.append("a-1", [fact(type)])
    log: list[Recorded[object]] = await listed(store.read())
    await stores.close()
    of_x, of_z = Query.of(types=["X"]), Query.of(types=["Z"])

    assert violations(log, [Attempt(of_x, 0, None), Attempt(of_x, 1, 3), Attempt(of_z, 0, 2)]) == []
    assert violations(log, [Attempt(of_z, 0, None)]) == ["a conflict was told, but nothing after 0 matches Z"]
    assert violations(log, [Attempt(of_x, 0, 2)]) == ["position 2 was won though 1, after 0, matches X"]
    assert violations(log, [Attempt(of_z, 0, 9)]) == ["acknowledged and not in the log: [9]"]
    assert violations(log, [Attempt(of_z, 0, 2)] * 2) == ["one position was told to two writers: [2, 2]"]
    assert violations(log[::-1], []) == [
        "positions do not rise: [3, 2, 1]",
        "version 3 of a-1 follows 0",
        "version 2 of a-1 follows 3",
        "version 1 of a-1 follows 2",
    ]
