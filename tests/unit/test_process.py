"""Processes as values: their versions, the classes they react to, their journals, and what can be none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec
import pytest

from refold import InvalidName, Process, Recorded, StreamName, UsageError, after, at, cancel, effect, fail, finish
from refold.external import Retry
from refold.messages import Metadata, Position
from refold.process import After, At, Cancel, Fail, Finish, by_stream_id, check_names
from refold.testing.contract.sample import Deposit, Deposited, Withdrawn, accounts

AT = datetime(2026, 11, 30, tzinfo=UTC)


def recorded(stream: StreamName) -> Recorded[Any]:
    return Recorded(Deposited(3), "n", 1, stream, 1, Position(1), AT, UUID(int=1), frozenset(), Metadata("story"))


def react(event: Recorded[Deposited | Withdrawn], seen: int) -> tuple[Any, ...]:
    return (event.data, seen)


def only_deposits(event: Recorded[Deposited], seen: int) -> tuple[Any, ...]:
    return ()


def wrong(given: object) -> Any:
    """Something of which no type checker knows that it is wrong."""
    return given


def evolve(seen: int, event: Any) -> int:
    return seen + int(event.amount)


FIRST = Process("paying", int, react, evolve)
SECOND = Process("paying", int, only_deposits, evolve, version=2, earlier=(FIRST,), migrate={1: lambda seen: seen})


def test_what_a_process_yields_is_data() -> None:
    day = timedelta(days=1)
    assert (after(day, "x"), after(timedelta(), "x")) == (After(day, "x"), After(timedelta(), "x"))
    assert (at(AT, "x"), cancel(Deposited), finish(), fail("why")) == (
        At(AT, "x"),
        Cancel(Deposited),
        Finish(),
        Fail("why"),
    )


def test_a_process_reacts_to_the_classes_of_all_its_versions_each_once() -> None:
    assert (FIRST.event_types, SECOND.event_types) == ((Deposited, Withdrawn), (Deposited, Withdrawn))
    assert (FIRST.named, SECOND.named) == ((Deposited, Withdrawn), (Deposited,))
    named = Process("paying", int, lambda event, seen: (), evolve, events=(Withdrawn,))
    assert named.event_types == (Withdrawn,)


def test_an_instance_keeps_to_its_version_if_that_is_known() -> None:
    assert [SECOND.of_version(version) for version in (1, 2, 3)] == [FIRST, SECOND, None]
    assert (dict(SECOND.versions), dict(FIRST.versions)) == ({1: FIRST, 2: SECOND}, {1: FIRST})


def test_a_process_has_journals_and_knows_whose_an_input_is() -> None:
    assert (FIRST.journals, FIRST.journal("7")) == ("$process.paying", StreamName("$process.paying", "7"))
    own = msgspec.structs.replace(recorded(StreamName("account", "7")), type="other")
    by_type = Process("paying", int, react, evolve, key=lambda event: event.type)
    assert (FIRST.instance_of(own), by_type.instance_of(own)) == ("7", "other")
    journalled = recorded(StreamName("$process.another", "8"))
    assert (by_type.instance_of(journalled), by_stream_id(journalled)) == ("8", "8")


def raising(event: Recorded[Any]) -> str:
    raise KeyError("order")


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (raising, "raised KeyError('order') for 'n' at position 1: let it tell the instance."),
        (lambda _: 7, "gave 7 for 'n' at position 1: let it give text."),
        (lambda _: "", "gave '' for 'n' at position 1: let it give text."),
        (
            lambda _: "a\0b",
            (
                "gave 'a\\x00b' for 'n' at position 1: "
                "'$process.paying-a\\x00b' is not a stream name: character 18 (U+0000) is not printable."
            ),
        ),
    ],
    ids=["raises", "no text", "empty text", "no name"],
)
def test_a_key_that_tells_no_instance_is_told_with_the_event(key: Any, told: str) -> None:
    with pytest.raises(UsageError) as refused:
        Process("paying", int, react, evolve, key=key).instance_of(recorded(StreamName("account", "7")))
    assert str(refused.value) == f"key of process 'paying' {told}"


def test_a_process_folds_and_reacts_by_its_functions() -> None:
    event = recorded(StreamName("account", "7"))
    assert (FIRST.taken(4, event), FIRST.reacting(event, 4, frozenset()), FIRST.own) == (7, (Deposited(3), 4), ())
    assert (FIRST.version, FIRST.otherwise, FIRST.retry, FIRST.key) == (1, "ignore", Retry(3), by_stream_id)


EARLIER = "process 'paying', version 2, cannot have version {} of {!r} for an earlier one of itself."
NONE = f"{{}}={Deposited!r} is no collection: write it into one, [...]."
MIGRATE = "process 'paying' cannot move instances of version {}, whose state it cannot fold: name that version in earlier=(...)."


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (
            lambda: Process("paying", int, react, evolve, version=2, earlier=(Process("other", int, react, evolve),)),
            EARLIER.format(1, "other"),
        ),
        (lambda: Process("paying", int, react, evolve, version=2, earlier=(SECOND,)), EARLIER.format(2, "paying")),
        (lambda: Process("paying", int, react, evolve, version=2, migrate={1: int}), MIGRATE.format(1)),
        (lambda: Process("paying", int, react, evolve, version=2, migrate={2: int}), MIGRATE.format(2)),
        (
            lambda: Process("pay-in", int, react, evolve),
            "process name 'pay-in' contains '-', which ends the category of a stream name: write 'pay_in'.",
        ),
        (lambda: Process("paying", int, react, evolve, version=0), "process 'paying' has version 0: the first is 1."),
        (
            lambda: Process("paying", int, react, evolve, otherwise=wrong("parc")),
            "process 'paying': otherwise='parc' is none of 'ignore', 'keep' and 'park'.",
        ),
        (lambda: Process("paying", int, react, evolve, starts_on=wrong(Deposited)), NONE.format("starts_on")),
        (lambda: Process("paying", int, react, evolve, events=wrong(Deposited)), NONE.format("events")),
        (
            lambda: after(-timedelta(days=1), "x"),
            "the timeout 'x' is due 1 day, 0:00:00 before what it follows: a delay is 0 or more.",
        ),
        (
            lambda: at(datetime(2026, 1, 1, 12), "x"),  # noqa: DTZ001 - on purpose
            "the timeout is due at 2026-01-01T12:00:00, which has no time zone: write datetime(..., tzinfo=UTC).",
        ),
    ],
    ids=["another's", "not earlier", "unknown to move", "itself to move", "dash", "version", "otherwise",
         "starts on no collection", "events are no collection", "delay", "no time zone"],
)  # fmt: skip
def test_what_can_be_no_process_is_refused(made: Callable[[], object], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        made()
    assert str(refused.value) == told


def test_a_process_whose_classes_cannot_be_read_says_what_to_write() -> None:
    with pytest.raises(UsageError, match=r"name them, as in Process\('paying', ..., events=\(...\)\)"):
        _ = Process("paying", int, lambda event, seen: (), evolve).event_types
    with pytest.raises(InvalidName) as refused:
        check_names("saga", "", 1)
    assert (refused.value.kind, refused.value.name) == ("saga name", "")


def test_a_process_starts_on_what_it_reacts_to_alone() -> None:
    process = Process("paying", int, only_deposits, evolve, starts_on=(Withdrawn,))
    with pytest.raises(UsageError) as refused:
        _ = process.event_types
    assert str(refused.value) == (
        "process 'paying' starts on Withdrawn, and does not react to it, so nothing would begin an instance: name Withdrawn in "
        "the annotation of `react`, or in events=(...)."
    )


def test_what_a_process_is_given_as_any_collection_it_keeps_as_tuples() -> None:
    given = Process(
        "paying", int, only_deposits, evolve, version=2,
        events=wrong([Deposited]), starts_on=wrong([Deposited]), earlier=wrong([FIRST]),
    )  # fmt: skip
    assert (given.events, given.starts_on, given.earlier) == ((Deposited,), (Deposited,), (FIRST,))


def test_a_moment_may_be_in_any_time_zone() -> None:
    moment = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert at(moment, "x") == At(moment, "x")


@effect("mail")
def mail(request: Deposit, key: str) -> None: ...


CLASS = "{} was given the class {name}, and takes one of it: write {name}(...)."


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: after(timedelta(days=1), Deposited), CLASS.format("after()", name="Deposited")),
        (lambda: at(AT, Deposited), CLASS.format("at()", name="Deposited")),
        (lambda: accounts.send("7", wrong(Deposit)), CLASS.format("send()", name="Deposit")),
        (lambda: mail.send(wrong(Deposit)), CLASS.format("send()", name="Deposit")),
        (lambda: accounts.send("7", Deposit(1)).otherwise(Deposited), CLASS.format("otherwise()", name="Deposited")),
        (lambda: mail.send(Deposit(1)).otherwise(Deposited), CLASS.format("otherwise()", name="Deposited")),
        (
            lambda: cancel(wrong(Finish())),
            "cancel() was given Finish(), and takes a class: write cancel(Finish).",
        ),
        (lambda: cancel(int), "<class 'int'> is no event: mark the class with @event(\"...\")."),
    ],
    ids=["after", "at", "command", "request", "command refused", "request refused", "cancel", "cancel no event"],
)  # fmt: skip
def test_what_a_process_asks_for_is_an_object_and_what_it_cancels_is_a_class(
    make: Callable[[], object], told: str
) -> None:
    with pytest.raises(UsageError) as refused:
        make()
    assert str(refused.value) == told
