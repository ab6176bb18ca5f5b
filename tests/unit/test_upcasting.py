"""Upcasters as values, and the chains that they make: what is missing or too much is said before anything is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from refold import (
    InvalidEvent,
    RawEvent,
    Store,
    Upcaster,
    UpcasterError,
    UsageError,
    default,
    downcast,
    drop,
    event,
    move,
    rename,
    split,
    upcast,
)
from refold.codec import Codec
from refold.upcasting import JsonObject, Parts

NOTHING = rename()


def step(type: str, version: int, to: int, into: str | None = None) -> Upcaster[Any]:
    return upcast(type, version, to=to, into=into)(NOTHING)


def into(type: str, version: int, **targets: int) -> Upcaster[Any]:
    def parts(data: JsonObject) -> Parts:
        return [(name, data) for name in targets]

    return split(type, version, into=targets)(parts)


def reading(name: str, version: int, *upcasters: Upcaster[Any]) -> type[Any]:
    @event(name, version=version, upcasters=upcasters)
    class Read:
        x: int = 0

    return Read


# Values -----------------------------------------------------------------------


def test_an_upcaster_is_called_with_data_and_leaves_them_as_they_are() -> None:
    @upcast("order.placed", 1, to=2)
    def first_item(data: JsonObject) -> JsonObject:
        data["items"].pop()
        return data

    before = {"items": [1, 2]}
    assert (first_item(before), before) == ({"items": [1]}, {"items": [1, 2]})


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        (rename(a="b"), {"a": 1, "c": 2}, {"c": 2, "b": 1}),
        (rename(a="b", b="a"), {"a": 1, "b": 2}, {"a": 2, "b": 1}),
        (rename(a="b"), {"b": 1}, {"b": 1}),
        (default(a=1, b=[2]), {"a": None}, {"b": [2], "a": None}),
        (drop("a", "z"), {"a": 1, "b": 2}, {"b": 2}),
    ],
)
def test_ready_made_changes(change: Callable[[JsonObject], JsonObject], before: JsonObject, after: JsonObject) -> None:
    assert upcast("t", 1, to=2)(change)(before) == after


def test_a_step_back_makes_its_changes_and_a_move_makes_none() -> None:
    back = downcast("a", 2, to=1)(rename(b="a"))
    assert (str(back), back({"b": 1}), move("a", to="b")({"b": 1})) == ("'a' 2 -> 1", {"a": 1}, {"b": 1})


def test_several_changes_are_made_one_after_another() -> None:
    assert upcast("t", 1, to=2)(rename(a="b"), default(a=0))({"a": 1}) == {"a": 0, "b": 1}
    assert upcast("t", 1, to=2)(rename(a="b"), default(a=0), drop("c"))({"a": 1, "c": 2}) == {"a": 0, "b": 1}


def test_a_field_is_not_renamed_over_another() -> None:
    with pytest.raises(ValueError, match="there is a field 'b' already"):
        rename(a="b")({"a": 1, "b": 2})


def test_upcasters_that_do_the_same_are_equal() -> None:
    assert upcast("t", 1, to=2)(default(a=[1])) == upcast("t", 1, to=2)(default(a=[1]))
    assert upcast("t", 1, to=2)(default(a=[1])) != upcast("t", 1, to=2)(default(a=[2]))


def test_an_upcaster_says_where_it_leads() -> None:
    assert [str(each) for each in (step("a", 1, 2), step("a", 1, 1, "b"), move("a", to="b"), into("a", 1, b=1, c=2))] == [
        "'a' 1 -> 2",
        "'a' 1 -> 'b' 1",
        "'a' -> 'b'",
        "'a' 1 -> 'b' 1 + 'c' 2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: upcast("a", 2, to=2), "does not lead to a later version"),
        (lambda: upcast("a", 2, to=1), r"to=1\) does not lead to a later version"),
        (lambda: downcast("a", 1, to=2), "does not lead to an earlier version"),
        (lambda: downcast("a", 2, to=2), r"to=2\) does not lead to an earlier version"),
        (lambda: upcast("a", 0, to=1), "'a' has no version 0"),
        (lambda: upcast("a", 1, to=0, into="b"), "'b' has no version 0"),
        (lambda: upcast("a", "1", to=2), "'a' has no version '1'"),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - the mistake under test
        (lambda: upcast("", 1, to=2), "'' is no name of an event type"),
        (lambda: move("a", to="a"), "goes nowhere"),
        (lambda: split("a", 1, into={"b": 1}), "needs two types"),
        (lambda: reading("a", 2, dict), "decorate it with @upcast"),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - the mistake under test
    ],
)
def test_what_can_never_be_an_upcaster_is_refused(make: Callable[[], object], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        make()


# Chains -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "upcasters", "place", "what"),
    [
        (3, [step("a", 1, 2)], ("a", 2), r"no upcaster leads on from version 2 of 'a'.*write @upcast\('a', 2, to=3\)"),
        (3, [step("a", 2, 3)], ("a", 1), r"no upcaster leads on from version 1 of 'a'"),
        (4, [step("a", 1, 2), step("a", 3, 4)], ("a", 2), r"no upcaster leads on from version 2 of 'a'"),
        (2, [step("b", 1, 1, "a")], ("a", 1), r"no upcaster leads on from version 1 of 'a'"),
        (1, [step("b", 2, 1, "a")], ("b", 1), r"no upcaster leads on from version 1 of 'b'"),
        (2, [move("b", to="a")], ("a", 1), r"no upcaster leads on from version 1 of 'a'"),
        (2, [step("a", 1, 2), step("a", 1, 3)], ("a", 1), r"two upcasters lead on from version 1 of 'a': 'a' 1 -> 2 and"),
        (1, [move("b", to="a"), move("b", to="c")], ("b", None), r"two upcasters lead on from 'b'"),
        (2, [step("a", 1, 2), step("a", 2, 3)], ("a", 2), r"'a' 2 -> 3 leads on from version 2 of 'a', which has a class"),
        (2, [step("a", 1, 3)], ("a", 2), r"'a' 1 -> 3 leads past version 2 of 'a'"),
        (1, [move("a", to="b")], ("a", 1), r"'a' -> 'b' leads on from version 1 of 'a', which has a class"),
        (1, [downcast("a", 2, to=1)(NOTHING), step("a", 1, 2)], ("a", 1), r"in a circle: version 1 of 'a' -> version 2 of 'a'"),
        (2, [step("a", 1, 2), downcast("a", 4, to=3)(NOTHING)], ("a", 2), r"'a' 4 -> 3 leads past version 2 of 'a'"),
        (1, [move("b", to="c"), move("c", to="b")], ("b", 1), r"in a circle: version 1 of 'b' -> version 1 of 'c' -> version 1"),
        (1, [step("b", 1, 2), step("b", 2, 1, "c"), step("c", 1, 1, "b")], ("b", 1), r"lead in a circle"),
    ],
)  # fmt: skip
def test_chains_that_cannot_be_followed_name_the_step(
    version: int, upcasters: Sequence[Upcaster[Any]], place: tuple[str, int | None], what: str
) -> None:
    with pytest.raises(UpcasterError, match=what) as caught:
        Codec([reading("a", version, *upcasters)])
    assert (caught.value.type, caught.value.version) == place


def test_chains_are_checked_when_the_class_is_met_whoever_brings_it() -> None:
    broken = reading("a", 3, step("a", 1, 2))
    with pytest.raises(UpcasterError, match="version 2 of 'a'"):
        Store.open("memory://", events=[broken])
    with Store.open("memory://") as store, pytest.raises(UpcasterError, match="version 2 of 'a'"):
        store.append("a-1", [broken()])


def test_a_class_that_was_refused_leaves_no_trace() -> None:
    codec = Codec([reading("b", 1)])
    with pytest.raises(UpcasterError):
        codec.form(reading("a", 3, step("a", 1, 2)))
    assert codec.known.types == frozenset({"b"})
    assert not codec.known.older


def test_upcasters_of_two_classes_may_not_contradict_each_other() -> None:
    with pytest.raises(UpcasterError, match="two upcasters lead on from version 1 of 'old'"):
        Codec([reading("a", 1, step("old", 1, 1, "a")), reading("b", 1, step("old", 1, 1, "b"))])


def test_a_split_is_brought_by_each_class_that_it_leads_to() -> None:
    both = into("old", 1, a=1, b=1)
    codec = Codec([reading("a", 1, both), reading("b", 1, both)])
    assert codec.known.older.keys() == {("old", 1)}


def test_a_name_that_is_used_again_is_read_by_its_own_class_from_its_own_version_on() -> None:
    codec = Codec([reading("a", 1, step("old", 1, 1, "a"), step("old", 2, 1, "a")), reading("old", 3)])
    assert codec.known.older.keys() == {("old", 1), ("old", 2)}
    assert codec.selecting((next(iter(codec._forms)),)).names == frozenset({"a", "old"})


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (lambda data: [], "gave no event"),
        (lambda data: None, "raised TypeError"),
        (lambda data: [("c", {})], "gave an event of type 'c', which it does not name"),
        (lambda data: [("a", 1)], "gave 1, which is no dict"),
        (lambda data: [(["a"], {})], "unhashable"),
    ],
)
def test_a_split_that_gives_something_else_than_it_says_is_an_error_with_its_place(wrong: Any, what: str) -> None:
    both = split("old", 1, into={"a": 1, "b": 1})(wrong)
    with Store.open("memory://", events=[reading("a", 1, both), reading("b", 1, both)]) as store:
        store.append("t-1", [RawEvent("old", {})])
        with pytest.raises(Exception, match=what) as caught:
            list(store.read())
    assert vars(caught.value).items() >= {"position": 1, "step": str(both)}.items()


def test_an_upcaster_that_gives_no_dict_is_an_error_with_its_place() -> None:
    wrong: Any = lambda data: [data]  # noqa: E731
    with Store.open("memory://", events=[reading("a", 2, upcast("a", 1, to=2)(wrong))]) as store:
        store.append("t-1", [RawEvent("a", {"x": 1})])
        with pytest.raises(Exception, match=r"upcaster 'a' 1 -> 2 gave \[\{'x': 1\}\], which is no dict") as caught:
            list(store.read())
    assert vars(caught.value).items() >= {"position": 1, "step": "'a' 1 -> 2"}.items()


def test_what_is_appended_is_stored_in_todays_shape() -> None:
    now = reading("a", 2, upcast("a", 1, to=2)(default(x=1)))
    with Store.open("memory://", events=[now]) as store:
        store.append("t-1", [now(x=3)])
        (recorded,) = store.read()
        assert (recorded.schema_version, recorded.data) == (2, now(x=3))
        with pytest.raises(InvalidEvent):
            store.append("t-1", [now(x="no int")])
