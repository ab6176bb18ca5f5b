"""Laws of snapshots: whatever was saved, planted or damaged, every state of then and of now is the fold of the prefix."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refold import Fold, Position, Snapshots, Store, UsageError
from refold.flows.shortcuts import Standing, StateCache
from refold.ports import Own
from refold.sameness import identical, mutable_part
from refold.snapshot import StateForm
from refold.testing.contract.sample import Noted, notes

FAULTS = (
    "state = x'5b5d'",
    "checksum = state",
    "position = position + 1",
    "last_id = zeroblob(16)",
    "version = version + 1",
)


@given(
    length=st.integers(1, 40),
    taken=st.lists(st.integers(1, 40), max_size=6),
    faults=st.lists(st.tuples(st.sampled_from(FAULTS), st.integers(1, 40)), max_size=3),
    every=st.none() | st.integers(1, 9),
    cache=st.integers(0, 2),
    keep=st.integers(1, 4),
)
def test_as_of_any_version_with_snapshots_of_any_age_and_soundness_is_the_fold_of_the_prefix(
    length: int, taken: list[int], faults: list[tuple[str, int]], every: int | None, cache: int, keep: int
) -> None:
    with Store.open("sqlite:///:memory:", verify_snapshots=True) as store:
        bound = store.bind(notes, snapshots=Snapshots(every=every, keep=keep), cache=cache)
        for i in range(length):
            store.append("note-1", [Noted(str(i))])
        for version in taken:
            bound.snapshot("1", as_of=min(version, length))
        for change, version in faults:
            text = f"update or ignore {{refold}}snapshots set {change} where version = {version}"  # noqa: S608 - ours
            store._engine.outside(lambda b, text=text: b.work([Own(text, {})]))  # type: ignore[misc] # an engine takes flows
        texts = tuple(map(str, range(length)))
        assert bound.state("1") == texts
        for version in range(length + 1):
            assert bound.state("1", as_of=version) == bound.state("1", as_of=Position(version)) == texts[:version]
        store.append("note-1", [Noted("last")])
        assert bound.state("1") == (*texts, "last")


@given(st.lists(st.integers(1, 200), unique=True, min_size=1).map(sorted), st.integers(1, 12))
def test_thinning_out_keeps_so_many_and_the_newest(versions: list[int], keep: int) -> None:
    dropped = Snapshots(keep=keep).superfluous(versions)
    left = [version for version in versions if version not in dropped]
    assert len(left) == min(keep, len(versions))
    assert left[-1] == versions[-1]


@given(st.integers(2, 12))
def test_thinning_out_as_they_come_leaves_no_hole_wider_than_two_parts_of_the_whole(keep: int) -> None:
    policy, left = Snapshots(keep=keep), list[int]()
    for version in range(1, 301):
        left.append(version)
        dropped = policy.superfluous(left)
        left = [each for each in left if each not in dropped]
    gaps = [after - before for before, after in zip([0, *left], left, strict=False)]
    assert max(gaps) <= 2 * (300 / keep) + 1


# States as they are written -----------------------------------------------------


@dataclass(frozen=True)
class Empty: ...


@dataclass(frozen=True)
class Filled:
    items: tuple[str, ...] = ()
    seen: frozenset[int] = frozenset()


class Closed(msgspec.Struct, frozen=True):
    reason: str
    last: Filled | None = None


Box: TypeAlias = Empty | Filled | Closed


def boxed(box: Box, event: Noted) -> Box:
    match box:
        case Filled(items):
            return replace(box, items=(*items, event.text))
        case _:
            return Filled((event.text,))


BOXES = st.one_of(
    st.just(Empty()),
    st.builds(Filled, st.lists(st.text()).map(tuple), st.frozensets(st.integers(-9, 9))),
    st.builds(Closed, st.text(), st.none() | st.just(Filled())),
)


@given(BOXES)
def test_each_kind_of_a_state_reads_back_as_what_it_was(box: Box) -> None:
    form = StateForm(Fold("box", Empty, boxed))
    try:
        written = form.written(box)
    except UsageError as error:
        assert "surrogates" in str(error)  # noqa: PT017 - the only texts that JSON has no form for
        return
    assert identical(form.read(written), box)


@dataclass(frozen=True)
class Loose:
    what: Any = None
    amount: float = 0


@pytest.mark.parametrize(
    "state",
    [Loose((1, 2)), Loose(Position(1)), Loose({1: 2}), Loose(amount=True), Loose(amount=float("nan")), Loose(Empty())],
)
def test_a_state_that_would_read_back_as_another_is_never_written(state: Loose) -> None:
    def loosely(before: Loose, event: Noted) -> Loose:
        return before

    with pytest.raises(UsageError, match="state"):
        StateForm(Fold("loose", Loose, loosely)).written(state)


@dataclass(frozen=True)
class Node:
    next: Node | None = None


@dataclass
class Open:
    count: int = 0


@dataclass(frozen=True)
class Holding:
    items: list[str] = field(default_factory=list)


@pytest.mark.parametrize(
    "hint", [int, str | None, tuple[int, ...], Filled, Closed, Box, Node, frozenset[tuple[str, int]]]
)
def test_what_cannot_be_changed_in_place_may_be_cached(hint: object) -> None:
    assert mutable_part(hint) == ""


@pytest.mark.parametrize(
    ("hint", "part"),
    [
        (dict, "the state is dict"), (list[int], "the state is list[int]"), (Open, "the state is Open"), (Any, "the state is"),
        (Holding, "its field 'items' is list[str]"), (tuple[Holding, ...], "its field 'items' is list[str]"),
        (Loose, "its field 'what' is"),
    ],
)  # fmt: skip
def test_what_might_be_changed_in_place_may_not_and_it_is_said_where(hint: object, part: str) -> None:
    assert mutable_part(hint).startswith(part)


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(1, 9))), st.integers(1, 3))
def test_a_cache_holds_the_newest_states_of_those_used_last(steps: list[tuple[str, int]], room: int) -> None:
    cache, model = StateCache(room), dict[str, int]()
    for stream, version in steps:
        cache.learn(stream, Standing(version, version, version, 0))
        model[stream] = max(model.pop(stream, 0), version)
        while len(model) > room:
            del model[next(iter(model))]
    assert {s: found.version for s in "abcde" if (found := cache.get(s))} == model
