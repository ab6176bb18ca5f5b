"""Laws of histories: states at every version, what lies between them, and what would be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from refold import Fold, Operation, Position, Store, event
from refold.patching import Json, changes, comparable, difference


@event("box.put")
class Put:
    key: str
    value: int


@event("box.taken")
class Taken:
    key: str


BoxEvent: TypeAlias = Put | Taken
Box: TypeAlias = Mapping[str, tuple[int, ...]]


def evolve(box: Box, event: BoxEvent) -> Box:
    """Values pile up under a key; what is not there can be taken, too."""
    match event:
        case Put(key, value):
            return {**box, key: (*box.get(key, ()), value)}
        case Taken(key):
            return {name: values for name, values in box.items() if name != key}


def empty() -> Box:
    return {}


boxes = Fold("box", initial=empty, evolve=evolve)
KEYS = st.sampled_from(["a", "b", "a/b", "m~n"])
EVENTS = st.one_of(st.builds(Put, KEYS, st.integers(0, 3)), st.builds(Taken, KEYS))
HISTORIES = st.lists(EVENTS, max_size=12)
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["a", "b", ""]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.just(""), inner, max_size=4),
    max_leaves=12,
)


def patched(value: Json, patch: Sequence[Operation]) -> Json:
    """RFC 6902, as far as patches use it here, in the shortest way."""
    root = {"": json.loads(json.dumps(value))}
    for operation in patch:
        *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in operation.path.split("/")]
        place: Any = root
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place[part]
        if isinstance(place, list):
            index = int(last)
            place[index : index + (operation.op != "add")] = [] if operation.op == "remove" else [operation.value]
        elif operation.op == "remove":
            del place[last]
        else:
            place[last] = operation.value
    return root[""]


def kept(events: Sequence[BoxEvent]) -> Store:
    """A store with these in one stream, and others beside them."""
    store = Store.open("memory://", events=[Put, Taken])
    for each in events:
        store.append("box-1", [each])
        store.append("box-2", [Put("other", 1)])
    return store


# States -----------------------------------------------------------------------


@given(HISTORIES, HISTORIES)
def test_folding_all_is_folding_the_rest_onto_the_beginning(a: list[BoxEvent], b: list[BoxEvent]) -> None:
    assert boxes([*a, *b]) == boxes(b, boxes(a)) == reduce(evolve, b, reduce(evolve, a, empty()))


@given(HISTORIES)
def test_as_of_any_version_or_position_is_the_fold_of_what_was_there(events: list[BoxEvent]) -> None:
    box = kept(events).bind(boxes)
    for version in range(len(events) + 1):
        assert box.state("1", as_of=version) == boxes(events[:version])
        assert box.state("1", as_of=Position(max(0, 2 * version - 1))) == boxes(events[:version])


@given(HISTORIES, st.data())
def test_a_history_is_every_prefix_from_one_point_to_another(events: list[BoxEvent], data: st.DataObject) -> None:
    after, until = (data.draw(st.integers(0, len(events))) for _ in range(2))
    steps = [*kept(events).bind(boxes).history("1", after=after, until=until)]
    assert [(step.event.version, step.event.data, step.before, step.state) for step in steps] == [
        (version, events[version - 1], boxes(events[: version - 1]), boxes(events[:version]))
        for version in range(after + 1, until + 1)
    ]


# What lies between them -------------------------------------------------------


def same(one: Json, other: Json) -> bool:
    """Equal, with true other than 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@given(VALUES, VALUES)
def test_a_patch_makes_the_new_value_of_the_old_one(old: Json, new: Json) -> None:
    assert same(patched(old, [*changes(old, new)]), new)
    assert same(patched(old, difference(old, new)), new)


@given(VALUES)
def test_between_equal_values_nothing_changes(value: Json) -> None:
    assert [*changes(value, value)] == []
    assert difference(value, json.loads(json.dumps(value))) == ()


@given(st.lists(st.text(), unique=True))
def test_sets_that_are_equal_do_not_differ(items: list[str]) -> None:
    assert difference({"x": frozenset(items)}, {"x": frozenset(reversed(items))}) == ()


@given(HISTORIES, st.data())
def test_the_diffs_of_all_steps_lead_from_one_state_to_the_other(events: list[BoxEvent], data: st.DataObject) -> None:
    old, new = sorted(data.draw(st.integers(0, len(events))) for _ in range(2))
    box = kept(events).bind(boxes)
    before, after = (comparable(box.state("1", as_of=version)) for version in (old, new))
    assert patched(before, box.diff("1", old, new)) == after
    assert patched(after, box.diff("1", new, old)) == before
    assert reduce(patched, (step.diff for step in box.history("1", after=old, until=new)), before) == after


# What would be ----------------------------------------------------------------


def edits(last: int) -> st.SearchStrategy[tuple[set[int], dict[int, BoxEvent], dict[int, list[BoxEvent]]]]:
    """What to drop, replace and insert in a history of so many events."""
    some = st.dictionaries(st.integers(1, last), st.none() | EVENTS) if last else st.just(dict[int, BoxEvent | None]())
    put_in = st.dictionaries(st.integers(0, last), st.lists(EVENTS, max_size=3), max_size=3)
    return st.tuples(some, put_in).map(
        lambda drawn: (
            {version for version, new in drawn[0].items() if new is None},
            {version: new for version, new in drawn[0].items() if new is not None},
            drawn[1],
        )
    )


@given(HISTORIES)
def test_what_if_nothing_is_otherwise_is_what_is(events: list[BoxEvent]) -> None:
    found = kept(events).bind(boxes).whatif("1")
    assert (found.actual, found.hypothetical, found.differing) == (boxes(events), boxes(events), 0)


@given(HISTORIES.filter(bool), st.data())
def test_to_drop_an_event_and_insert_the_same_there_is_what_is(events: list[BoxEvent], data: st.DataObject) -> None:
    version = data.draw(st.integers(1, len(events)))
    box = kept(events).bind(boxes)
    for place in (version - 1, version):
        found = box.whatif("1", drop=[version], insert={place: events[version - 1]})
        assert (found.actual, found.hypothetical, found.diff) == (boxes(events), boxes(events), ())
    assert box.whatif("1", replace={version: events[version - 1]}).differing == 0


@given(HISTORIES, st.data())
def test_what_would_be_is_the_fold_of_the_edited_list(events: list[BoxEvent], data: st.DataObject) -> None:
    drop, replace, insert = data.draw(edits(len(events)))
    otherwise = [[*insert.get(0, [])]]
    for version, happened in enumerate(events, 1):
        kept_one = [] if version in drop else [replace.get(version, happened)]
        otherwise.append([*kept_one, *insert.get(version, [])])
    folded = [boxes([e for part in otherwise[: n + 1] for e in part]) for n in range(len(otherwise))]
    expected = [
        (version, boxes(events[:version]), state)
        for version, state in enumerate(folded)
        if state != boxes(events[:version]) or otherwise[version] != events[:version][-1:]
    ]

    found = kept(events).bind(boxes).whatif("1", drop=drop, replace=replace, insert=insert)

    assert (found.actual, found.hypothetical) == (boxes(events), folded[-1])
    assert [(step.version, step.actual, step.hypothetical) for step in found.steps] == expected
    assert found.differing == len(expected)
    assert patched(comparable(found.actual), found.diff) == comparable(found.hypothetical)
