"""A chain of upcasters is the way from the first shape to the last, whatever its links, and however they come together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from refold import RawEvent, Store, Upcaster, default, drop, event, move, rename, upcast
from refold.chains import Chains
from refold.codec import Codec
from refold.decoding import pieces_of
from refold.upcasting import Change, JsonObject

NAMES = ("a", "b", "c", "d")
objects = st.dictionaries(st.sampled_from(NAMES), st.integers(-5, 5) | st.text("xyz", max_size=3))


def _added(name: str, value: int) -> Change:
    return lambda data: {**data, name: value}


def _renamed(name: str, new: str) -> Change:
    return lambda data: rename(**{name: new})(drop(new)(data))


changes: st.SearchStrategy[Change] = st.one_of(
    st.builds(_added, st.sampled_from(NAMES), st.integers(-5, 5)),
    st.builds(lambda name, value: default(**{name: value}), st.sampled_from(NAMES), st.integers()),
    st.sampled_from(NAMES).map(drop),
    st.sampled_from(NAMES).map(lambda name: _renamed(name, f"{name}2")),
)


@event("law.read", version=1)
class Anything(msgspec.Struct, frozen=True):
    a: Any = None
    b: Any = None
    c: Any = None
    d: Any = None
    a2: Any = None


def reading(version: int, upcasters: Sequence[Upcaster[Any]]) -> type[Any]:
    return event("law.read", version=version, upcasters=upcasters)(
        cast("type[Any]", type("Read", (Anything,), {"__annotations__": {}}, frozen=True))
    )


def chained(links: Sequence[Change]) -> list[Upcaster[Any]]:
    return [upcast("law.read", version, to=version + 1)(link) for version, link in enumerate(links, 1)]


def read(cls: type[Any], version: int, data: JsonObject, type: str = "law.read") -> object:
    (piece,) = pieces_of(Codec([cls]).known, type, version, msgspec.json.encode(data), "t-1", 1, 1)
    assert (piece.type, piece.schema_version) == ("law.read", cast("Any", cls).__refold_spec__.version)
    return msgspec.to_builtins(piece.event)


@given(st.lists(changes, min_size=1, max_size=6), objects, st.data())
def test_a_chain_is_the_direct_way(links: Sequence[Change], data: JsonObject, draw: st.DataObject) -> None:
    start = draw.draw(st.integers(1, len(links)))
    direct = dict(data)
    for link in links[start - 1 :]:
        direct = link(dict(direct))
    cls = reading(len(links) + 1, chained(links))
    assert read(cls, start, data) == read(cls, len(links) + 1, direct)


@given(st.lists(changes, min_size=1, max_size=6), objects, st.data())
def test_the_order_in_which_upcasters_are_given_does_not_matter(
    links: Sequence[Change], data: JsonObject, draw: st.DataObject
) -> None:
    steps = [*chained(links), move("law.old", to="law.read"), move("law.older", to="law.old")]
    shuffled = draw.draw(st.permutations(steps))
    one, other = reading(len(links) + 1, steps), reading(len(links) + 1, shuffled)
    for version in range(1, len(links) + 1):
        for type in ("law.read", "law.old", "law.older"):
            assert read(one, version, data, type) == read(other, version, data, type)
    assert Chains(steps).names("law.read") == Chains(shuffled).names("law.read")


@given(st.lists(changes, min_size=2, max_size=6), objects, st.data())
def test_a_shortcut_is_the_way_that_it_cuts_short(
    links: Sequence[Change], data: JsonObject, draw: st.DataObject
) -> None:
    """One upcaster from the first version to the last, in place of the first of those that lead there."""
    steps = chained(links)
    direct = upcast("law.read", 1, to=len(links) + 1)(*links)
    assert read(reading(len(links) + 1, [direct, *steps[1:]]), 1, data) == read(reading(len(links) + 1, steps), 1, data)


@given(st.lists(st.tuples(st.sampled_from(["law.read", "law.old"]), st.integers(1, 3), st.integers()), max_size=30))
def test_a_state_is_folded_from_old_shapes_as_from_the_same_events_in_todays(
    stored: Sequence[tuple[str, int, int]],
) -> None:
    cls = reading(3, [*chained([_added("b", 1), _added("c", 2)]), move("law.old", to="law.read")])
    with Store.open("memory://", events=[cls]) as store:
        for type, version, value in stored:
            store.append("old-1", [RawEvent(type, {"a": value}, version)])
            store.append("new-1", [_today(cls, version, value)])
        assert [e.data for e in store.read("old-1")] == [e.data for e in store.read("new-1")]


def _today(cls: type[Any], version: int, value: int) -> object:
    found = {"a": value, **({"b": 1} if version < 2 else {}), **({"c": 2} if version < 3 else {})}
    return cls(**found)
