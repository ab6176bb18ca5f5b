"""Closings as values: the streams of periods, what ends one, and what the next one opens with."""

from __future__ import annotations

from typing import Any

import pytest

from refold import Closing, Decider, Query, StreamName, UsageError
from refold.closing import periods_of
from refold.testing.contract.sample import Deposited, Withdrawn


def evolve(balance: int, event: Deposited | Withdrawn) -> int:
    return balance + event.amount if isinstance(event, Deposited) else 0


ACCOUNTS: Decider[Any, int, Any] = Decider("account", int, evolve, lambda command, state: ())


def closing(opening: Any = Deposited) -> Closing[Any, int, Any]:
    return Closing(ACCOUNTS, Withdrawn, opening)


def test_periods_are_streams_that_count_from_one() -> None:
    streams = [closing().stream("7", period) for period in (1, 2, 13)]
    assert streams == [StreamName("account", id) for id in ("7", "7@2", "7@13")]
    assert [closing().period_of(stream) for stream in streams] == [1, 2, 13]
    assert {closing().id_of(stream) for stream in streams} == {"7"}
    assert closing().stream("7") == streams[0]


def test_what_opened_a_period_is_found_by_its_tag() -> None:
    assert closing().tag("7") == "$period:account-7"
    assert closing().openings("7") == Query.of(tags=["$period:account-7"])


def test_a_period_ends_with_the_event_that_closes_it_and_nothing_follows() -> None:
    ends = closing().ends
    assert [ends(events) for events in ((), (Deposited(1),), (Deposited(1), Withdrawn(1)))] == [False, False, True]
    for events in (
        (Withdrawn(1), Deposited(1)),
        (Deposited(1), Withdrawn(1), Deposited(1)),
        (Withdrawn(1), Deposited(1), Deposited(1)),
        (Withdrawn(1), Withdrawn(1)),
    ):
        with pytest.raises(UsageError) as refused:
            ends(events)
        assert str(refused.value) == "Withdrawn closes the period, so nothing can follow it in one decision."


def test_the_next_period_opens_with_all_of_the_state() -> None:
    assert closing().opened_with(5) == Deposited(5)
    with pytest.raises(UsageError) as refused:
        closing(lambda state: Deposited(state + 1)).opened_with(5)
    assert str(refused.value) == f"{Deposited(6)!r} does not carry the state over: 5 would become 6."


def test_a_number_does_for_an_id_0_too() -> None:
    number: Any = 0
    assert (closing().stream(number), closing().stream(number, 2)) == (
        StreamName("account", "0"), StreamName("account", "0@2"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("id", "tag"),
    [
        ("7", "$period:account-7"), ("7@2", "$period:account-7"), ("x" * 184, "$period:account-" + "x" * 184),
        ("7@b", None), ("7@2@3", None), ("@2", None), ("x" * 185, None),
    ],
    ids=["the first", "the second", "as long as can be", "no number", "two marks", "no id", "too long"],
)  # fmt: skip
def test_what_could_be_a_period_is_asked_for_by_its_tag(id: str, tag: str | None) -> None:
    assert periods_of(StreamName("account", id)) == (None if tag is None else Query.of(tags=[tag]))


def test_what_closes_is_an_event_of_the_decider_and_an_id_has_no_mark() -> None:
    with pytest.raises(UsageError) as no_event:
        Closing(ACCOUNTS, int, Deposited)
    with pytest.raises(UsageError) as marked:
        closing().stream("7@2")
    assert str(no_event.value) == (
        "int closes the books of 'account', but is none of its events: name it in the annotation of `evolve`."
    )
    assert (
        str(marked.value) == "id '7@2' contains '@', which stands before the number of a period: name the thing itself."
    )
