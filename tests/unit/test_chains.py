"""Chains as values: the way from each stored shape, what it is read as, and what is told of a step that fails."""

from __future__ import annotations

from typing import Any

import pytest

from refold import Upcaster, UpcasterError, move, rename, split, upcast
from refold.chains import Chains, StepFailed, Way
from refold.upcasting import JsonObject, Parts

NOTHING = rename()


def step(type: str, version: int, to: int, into: str | None = None) -> Upcaster[Any]:
    return upcast(type, version, to=to, into=into)(NOTHING)


def forking(*parts: tuple[str, JsonObject]) -> Upcaster[Any]:
    def split_up(data: JsonObject) -> Parts:
        return list(parts)

    return split("a", 2, into={"b": 1, "c": 2})(split_up)


def test_a_way_leads_through_all_steps_to_its_end() -> None:
    one, two, moved = step("a", 1, 2), step("a", 2, 3), move("z", to="a")
    chains = Chains([two, one, moved])
    assert chains.way(("a", 1)) == Way((one, two), ("a", 3))
    assert chains.way(("z", 2)) == Way((two,), ("a", 3))
    assert (chains.way(("a", 3)), chains.leads_on(("a", 3)), chains.leads_on(("z", 7))) == (
        Way((), ("a", 3)),
        False,
        True,
    )
    assert chains.way(("a", 1)).ends() == {("a", 3)}


def test_a_way_that_is_split_goes_on_in_each_part() -> None:
    one, fork, later = step("a", 1, 2), forking(("b", {"x": 1}), ("c", {})), step("b", 1, 4)
    way = Chains([one, fork, later]).way(("a", 1))
    assert way == Way((one,), ("a", 2), fork, {"b": Way((later,), ("b", 4)), "c": Way((), ("c", 2))})
    assert way.ends() == {("b", 4), ("c", 2)}
    assert list(way.taken({})) == [(("b", 4), {"x": 1}), (("c", 2), {})]


def test_a_split_is_given_what_the_steps_before_it_made() -> None:
    fork = split("a", 2, into={"b": 1, "c": 2})(lambda data: [("b", {"twice": data["y"] * 2}), ("c", data)])
    way = Chains([upcast("a", 1, to=2)(rename(x="y")), fork]).way(("a", 1))
    assert list(way.taken({"x": 3})) == [(("b", 1), {"twice": 6}), (("c", 2), {"y": 3})]


def test_the_ways_from_some_types_are_those_of_what_is_not_read_as_it_is() -> None:
    one, moved = step("a", 1, 2), move("z", to="b")
    chains = Chains([one, moved])
    assert chains.ways(["a"], 1) == {("a", 1): Way((one,), ("a", 2))}
    assert chains.ways(["z", "b"], 3).keys() == {("z", 1), ("z", 2), ("z", 3)}
    assert chains.ways(["z"], 1).keys() == {("z", 1), ("z", 2)}
    assert Chains([moved]).ways(["z"], 1) == {("z", 1): Way((), ("b", 1))}
    assert (Chains().ways(["a"], 3), Chains([one, one]).steps) == ({}, (one,))


def test_what_may_be_stored_for_a_type_goes_back_to_its_first_name() -> None:
    chains = Chains([move("a", to="b"), step("b", 1, 1, "c"), step("x", 1, 2)])
    assert chains.names("c") == {"a", "b", "c"}
    assert chains.names("x") == {"x"}
    assert chains.names("other") == {"other"}


def boom(data: JsonObject) -> Any:
    raise ValueError("no")


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([upcast("a", 1, to=2)(boom)], "upcaster 'a' 1 -> 2 raised ValueError: no"),
        ([step("a", 1, 2), split("a", 2, into={"b": 1, "c": 2})(boom)], "upcaster 'a' 2 -> 'b' 1 + 'c' 2 raised ValueError: no"),
        ([step("a", 1, 2), forking()], "upcaster 'a' 2 -> 'b' 1 + 'c' 2 gave no event"),
        (
            [step("a", 1, 2), forking(("d", {}))],
            "upcaster 'a' 2 -> 'b' 1 + 'c' 2 gave an event of type 'd', which it does not name",
        ),
        ([upcast("a", 1, to=2)(lambda data: [])], "upcaster 'a' 1 -> 2 gave [], which is no dict"),  # type: ignore[arg-type, return-value]
    ],
    ids=["raises", "a split raises", "no event", "another type", "no dict"],
)  # fmt: skip
def test_a_step_that_fails_is_told(steps: list[Upcaster[Any]], told: str) -> None:
    with pytest.raises(StepFailed) as failed:
        list(Chains(steps).way(("a", 1)).taken({}))
    assert (str(failed.value), failed.value.step) == (told, steps[-1])


@pytest.mark.parametrize(
    ("steps", "version", "told"),
    [
        (
            [step("a", 1, 2), step("a", 1, 3)],
            4,
            (
                "two upcasters lead on from version 1 of 'a': 'a' 1 -> 2 and 'a' 1 -> 3. "
                "A stored event is read in one way: leave one of them out."
            ),
        ),
        (
            [step("a", 1, 2), step("a", 2, 3)],
            2,
            (
                "upcaster 'a' 2 -> 3 leads on from version 2 of 'a', which has a class: give the class the later version, "
                "or leave the upcaster out."
            ),
        ),
        ([step("b", 1, 3, "a")], 2, "upcaster 'b' 1 -> 'a' 3 leads past version 2 of 'a', which the class has."),
        (
            [step("b", 1, 1, "a")],
            2,
            (
                "no upcaster leads on from version 1 of 'a', so an event stored with it could not be read: "
                "write @upcast('a', 1, to=2)."
            ),
        ),
        (
            [step("b", 3, 2, "a"), step("b", 1, 3)],
            2,
            (
                "no upcaster leads on from version 2 of 'b', so an event stored with it could not be read: "
                "write @upcast('b', 2, to=3)."
            ),
        ),
        (
            [move("b", to="a")],
            2,
            (
                "no upcaster leads on from version 1 of 'a', so an event stored with it could not be read: "
                "write @upcast('a', 1, to=2)."
            ),
        ),
    ],
    ids=["two ways", "on from a class", "past a class", "short of a class", "a gap in another", "a gap behind a move"],
)
def test_a_class_that_not_every_way_leads_to_is_told(steps: list[Upcaster[Any]], version: int, told: str) -> None:
    with pytest.raises(UpcasterError) as refused:
        Chains(steps).check("a", version)
    assert str(refused.value) == told


def test_a_class_that_every_way_leads_to_is_sound() -> None:
    Chains([move("b", to="a")]).check("a", 1)
    Chains([step("a", 1, 2), move("b", to="a"), step("c", 1, 2, "a")]).check("a", 2)
    Chains([forking(), step("a", 1, 2)]).check("b", 1)
    Chains().check("a", 3)
