"""Laws of shapes: how many pages the data come in does not matter, and a struct holds every value."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from refold import RawEvent, Store
from refold.arrow.shapes import KEYS, Kind, ObjectOf, merged_objects, shape_of_objects

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
)
keys = st.sampled_from(["a", "b", "", "ä b", "a.b"])
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3))
objects = st.lists(st.dictionaries(keys, values, max_size=4), max_size=6)


@given(objects, objects)
@example([{"a": 1}, {"a": 2**60}], [{"a": 0.5}])
@example([{"a": {str(i): i for i in range(KEYS)}}], [{"a": {"one more": 1}}])
def test_the_shape_of_two_pages_is_that_of_all_their_events(
    one: list[dict[str, Any]], two: list[dict[str, Any]]
) -> None:
    assert merged_objects(shape_of_objects(one), shape_of_objects(two)) == shape_of_objects(one + two)


@given(objects)
@example([{"a": [1, 2**53, 2**53 + 1]}, {"a": [0.5]}])
@example([{"a": [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}])
def test_a_struct_holds_every_value_or_its_json(data: list[dict[str, Any]]) -> None:
    with Store.open("memory://") as store:
        if data:
            store.append("a-1", [RawEvent("X", each) for each in data])
        table = store.to_arrow(data="struct")
    structs = table.column("data").to_pylist()
    assert [holds(struct, each) for struct, each in zip(structs, data, strict=True)] == [True] * len(data)


def holds(got: Any, given: Any) -> bool:
    """Whether an Arrow value is the JSON value, with nulls for what is missing, or its text."""
    if isinstance(got, str) and not (isinstance(given, str) and got == given):
        return bool(json.loads(got) == given)
    if isinstance(got, dict) and isinstance(given, dict):
        return given.keys() <= got.keys() and all(holds(value, given.get(key)) for key, value in got.items())
    if isinstance(got, list) and isinstance(given, list):
        return len(got) == len(given) and all(map(holds, got, given))
    return type(got) in {type(given), float} and bool(got == given)


def test_an_object_with_many_different_keys_is_a_map_and_so_json() -> None:
    each = [{"stock": {f"sku-{i}": i}} for i in range(KEYS + 1)]
    assert shape_of_objects(each) == ObjectOf({"stock": Kind.JSON})
    assert isinstance(shape_of_objects(each[:KEYS]).fields["stock"], ObjectOf)
