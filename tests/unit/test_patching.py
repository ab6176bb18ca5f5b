"""What changed between two values, operation by operation."""

from __future__ import annotations

from typing import Any

import pytest

from refold import Operation, UsageError
from refold.patching import changes, comparable, difference, escaped


def add(path: str, value: Any) -> Operation:
    return Operation("add", path, value)


def remove(path: str, old: Any) -> Operation:
    return Operation("remove", path, old=old)


def replace(path: str, value: Any, old: Any) -> Operation:
    return Operation("replace", path, value, old)


@pytest.mark.parametrize(
    ("old", "new", "operations"),
    [
        (1, 1, []),
        (1, 2, [replace("", 2, 1)]),
        (1, 1.0, [replace("", 1.0, 1)]),
        ({"a": 1}, [1], [replace("", [1], {"a": 1})]),
        ([1], {"a": 1}, [replace("", {"a": 1}, [1])]),
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}, []),
        ({"a": 1, "b": 2}, {"b": 3, "c": 4}, [remove("/a", 1), replace("/b", 3, 2), add("/c", 4)]),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, [replace("/a/b", 2, 1)]),
        ({"a/b": 1, "m~n": 1}, {"c/~": 1}, [remove("/a~1b", 1), remove("/m~0n", 1), add("/c~1~0", 1)]),
        ([1, 2, 3], [1, 9, 3], [replace("/1", 9, 2)]),
        ([1, 2, 3], [1, 3], [remove("/1", 2)]),
        ([1, 2, 3, 4], [4], [remove("/2", 3), remove("/1", 2), remove("/0", 1)]),
        ([1, 2, 3], [2, 3], [remove("/0", 1)]),
        ([2, 3], [1, 2, 3], [add("/0", 1)]),
        ([1, 3], [1, 2, 2, 3], [add("/1", 2), add("/2", 2)]),
        ([], [1, 2], [add("/0", 1), add("/1", 2)]),
        ([1, 2], [], [remove("/1", 2), remove("/0", 1)]),
        ([1, 1], [1], [remove("/1", 1)]),
        ([0, 1, 2, 9], [0, 3, 4, 5, 9], [replace("/1", 3, 1), replace("/2", 4, 2), add("/3", 5)]),
        ([0, 1, 2, 3, 9], [0, 4, 9], [replace("/1", 4, 1), remove("/3", 3), remove("/2", 2)]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, [replace("/a/0/b", 2, 1)]),
    ],
)
def test_operations_one_after_another_make_the_new_value_of_the_old(
    old: Any, new: Any, operations: list[Operation]
) -> None:
    assert list(changes(old, new)) == operations
    assert difference(old, new) == tuple(operations)


def test_a_change_begins_at_a_path() -> None:
    assert list(changes({"a": 1}, {"a": 2}, "/x")) == [replace("/x/a", 2, 1)]
    assert escaped("~/a") == "~0~1a"


def test_states_are_compared_as_json_in_order() -> None:
    assert comparable({"b": {2, 1}, "a": (1,)}) == {"a": [1], "b": [1, 2]}
    state = object()
    assert difference(state, state) == ()


def test_a_state_without_a_form_in_json_is_told() -> None:
    with pytest.raises(UsageError) as refused:
        comparable(object)
    assert str(refused.value).startswith("a state has no form in JSON, so it can be neither shown nor compared: ")
    assert str(refused.value).endswith(". It was <class 'object'>.")
