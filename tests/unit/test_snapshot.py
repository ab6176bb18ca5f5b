"""Snapshots: when one is due, which are one too many, and how a state is written. The laws are in tests/laws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, List, NewType, TypeVar  # noqa: UP035 - some still write so

import pytest

from refold import Fold, Snapshots, UsageError
from refold.snapshot import StateForm, state_hint

T = TypeVar("T")
Count = NewType("Count", int)


@dataclass(frozen=True)
class Open:
    items: tuple[int, ...] = ()


@dataclass(frozen=True)
class Closed:
    reason: Any = ""


@dataclass(frozen=True)
class Boxed(Generic[T]):
    held: T


@dataclass(frozen=True)
class Happened:
    text: str = ""


def folded(initial: Callable[[], Any], evolve: Callable[[Any, Happened], Any]) -> Fold[Any, Happened]:
    return Fold("box", initial, evolve)


def either(state: Open | Closed, event: Happened) -> Open | Closed:
    return state


def of_one(state: Closed, event: Happened) -> Closed:
    return state


# When ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("every", "keep"), [(0, 10), (-1, 10), (None, 0), (1, 0)])
def test_fewer_than_one_is_refused(every: int | None, keep: int) -> None:
    with pytest.raises(UsageError, match=r"^Snapshots\(every=.*\): every and keep are 1 or more\.$"):
        Snapshots(every=every, keep=keep)


def test_one_is_enough() -> None:
    policy = Snapshots(every=1, keep=1)
    assert (policy.every, policy.keep, policy.version, Snapshots().keep) == (1, 1, 1, 10)


@pytest.mark.parametrize(
    ("policy", "version", "began", "cost", "due"),
    [
        (Snapshots(every=3), 3, 0, 0, True),
        (Snapshots(every=3), 2, 0, 0, False),
        (Snapshots(every=3), 9, 6, 0, True),
        (Snapshots(every=3), 8, 6, 0, False),
        (Snapshots(every=3), 10, 6, 0, True),
        (Snapshots(every=1), 6, 6, 0, False),
        (Snapshots(every=1), 5, 6, 0, False),
        (Snapshots(slower_than=timedelta(milliseconds=2)), 1, 0, 2_000, False),
        (Snapshots(slower_than=timedelta(milliseconds=2)), 1, 0, 2_001, True),
        (Snapshots(slower_than=timedelta(milliseconds=2)), 1, 1, 2_001, False),
        (Snapshots(every=3, slower_than=timedelta(0)), 1, 0, 1, True),
        (Snapshots(when=lambda state: state == "closed"), 1, 0, 0, True),
        (Snapshots(when=lambda state: state == "open"), 1, 0, 0, False),
        (Snapshots(every=3, slower_than=timedelta(1), when=bool), 1, 0, 0, True),
        (Snapshots(), 1_000, 0, 1_000_000, False),
    ],
)
def test_one_is_due_if_something_happened_since_and_a_rule_holds(
    policy: Snapshots, version: int, began: int, cost: int, due: bool
) -> None:
    assert policy.is_due("closed", version, began, cost) is due


# How many -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keep", "versions", "dropped"),
    [
        (3, [], []),
        (3, [1, 2, 3], []),
        (3, [10, 20, 30, 40], [10]),
        (3, [10, 12, 30, 40], [10]),
        (3, [10, 20, 21, 40], [20]),
        (3, [4, 10, 13, 30], [10]),
        (3, [10, 20, 30, 31], [30]),
        (3, [1, 20, 40, 60], [1]),
        (2, [10, 20, 30, 40], [10, 30]),
        (1, [10, 20, 30], [10, 20]),
        (1, [5, 6], [5]),
    ],
)
def test_of_too_many_those_go_that_leave_the_smallest_gap(keep: int, versions: list[int], dropped: list[int]) -> None:
    assert Snapshots(keep=keep).superfluous(versions) == dropped


def test_the_versions_that_were_given_stay_as_they_are() -> None:
    versions = [1, 2, 3]
    Snapshots(keep=1).superfluous(versions)
    assert versions == [1, 2, 3]


# States as they are written -----------------------------------------------------------------


def test_a_state_of_one_class_is_written_as_it_is_and_of_several_with_its_name() -> None:
    one, several = StateForm(folded(Closed, of_one)), StateForm(folded(Open, either))
    assert one.written(Closed("lost")) == b'{"reason":"lost"}'
    assert several.written(Closed("lost")) == b'["Closed",{"reason":"lost"}]'
    assert several.written(Open((1, 2))) == b'["Open",{"items":[1,2]}]'


def test_a_state_reads_back_as_one_of_its_class() -> None:
    one, several = StateForm(folded(Closed, of_one)), StateForm(folded(Open, either))
    assert one.read(b'{"reason":"lost"}') == Closed("lost")
    assert several.read(b'["Closed",{"reason":"lost"}]') == Closed("lost")
    assert several.read(b'["Open",{"items":[1,2]}]') == Open((1, 2))


def test_classes_of_one_name_cannot_be_told_apart() -> None:
    def mixed(state: Boxed[int] | Boxed[str], event: Happened) -> Boxed[int] | Boxed[str]:
        return state

    with pytest.raises(UsageError) as caught:
        StateForm(folded(lambda: Boxed(1), mixed))
    assert str(caught.value) == (
        f"states of fold 'box' are {Boxed[int] | Boxed[str]!r}: two of these cannot be told apart."
    )


def test_states_that_json_cannot_carry_are_refused_by_their_annotation() -> None:
    def several(state: tuple[Open | Closed, ...], event: Happened) -> tuple[Open | Closed, ...]:
        return state

    with pytest.raises(UsageError, match=r"^state 'box state' \(tuple\) cannot be stored as JSON: Type unions .*\.$"):
        StateForm(folded(tuple, several))


def test_a_state_that_would_read_back_as_another_is_refused_in_words() -> None:
    with pytest.raises(UsageError) as caught:
        StateForm(folded(Open, of_one)).written(Closed({1: 2}))
    assert str(caught.value) == (
        "the box state would not read back the same: Closed(reason={1: 2}) became Closed(reason={'1': 2}). Annotate its "
        "fields, and what evolve returns, with what they hold."
    )


def test_a_state_of_a_class_that_evolve_does_not_return_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        StateForm(folded(Open, either)).written(Happened())
    assert str(caught.value) == "the box state Happened(text='') cannot be saved: KeyError('Happened')."


# What states are ----------------------------------------------------------------------------


class Alias:
    """What `type Alias = Open | Closed` is at run time, in an interpreter that has the statement."""

    __value__ = Open | Closed


def unannotated(state, event):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 - that is what it is about
    return state


def to_nothing(state: Any, event: Happened) -> None: ...


def to_any(state: Any, event: Happened) -> Any: ...


def generic(state: T, event: Happened) -> T:
    return state


def aliased(state: Any, event: Happened) -> Any: ...


def renamed(state: Any, event: Happened) -> Any: ...


def unknown(state: Any, event: Happened) -> Any: ...


aliased.__annotations__["return"] = Alias
renamed.__annotations__["return"] = Count
unknown.__annotations__["return"] = "NobodyKnows"


@pytest.mark.parametrize(
    ("evolve", "hint"),
    [
        (of_one, Closed),
        (either, Open | Closed),
        (aliased, Open | Closed),
        (unannotated, Open),
        (to_nothing, Open),
        (to_any, Any),
        (generic, Open),
        (renamed, Open),
        (unknown, Open),
        (lambda state, event: state, Open),
    ],
)
def test_a_state_is_what_evolve_says_that_it_returns_or_else_of_the_class_of_the_first(
    evolve: Callable[[Any, Any], Any], hint: object
) -> None:
    assert state_hint(folded(Open, evolve)) == hint


def test_the_classes_of_a_choice_are_named_as_they_are_called() -> None:
    def boxed(state: Boxed[int] | None, event: Happened) -> Boxed[int] | None:
        return state

    form = StateForm(folded(lambda: None, boxed))
    assert form.written(Boxed(1)) == b'["Boxed",{"held":1}]'
    assert form.written(None) == b'["NoneType",null]'


def test_the_classes_of_a_choice_may_be_spelt_in_the_old_way() -> None:
    def listed(state: List[int] | None, event: Happened) -> List[int] | None:  # noqa: UP006 - the same
        return state

    assert StateForm(folded(lambda: None, listed)).written([1]) == b'["list",[1]]'
