"""What an append is made of before any backend sees it: names, the cause, the rows, and what is refused of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from refold import InvalidEvent, InvalidName, NewEvent, RawEvent, TooLarge, UsageError
from refold.clock import as_microseconds
from refold.codec import Codec
from refold.commands import KEPT
from refold.flows.prepare import Cause, Runtime, checked_stream, prepare, stream_of
from refold.fold import OwnDecider
from refold.limits import Limits
from refold.messages import Context, Metadata
from refold.rows import NewRow
from refold.testing.clock import ManualClock
from refold.testing.contract.sample import Deposited, Noted, accounts

THEN = datetime(2026, 11, 30, tzinfo=UTC)
AT = as_microseconds(THEN)
NAIVE = datetime(2026, 11, 30)  # noqa: DTZ001 - the mistake under test
ID, OTHER = UUID(int=1), UUID(int=2)
FREE = {"k": "v"}


def rows(*events: object, cause: Cause | None = None, limits: Limits | None = None) -> tuple[NewRow, ...]:
    runtime = Runtime(Codec(), ManualClock(), limits or Limits())
    return prepare(runtime, events, cause or Cause.of(Context()))


# The cause ---------------------------------------------------------------------------------------------------------------


def test_a_direct_append_has_the_cause_that_its_context_says() -> None:
    assert Cause.of(Context("ann", "story", "cause", THEN, FREE)) == Cause("story", "cause", "ann", FREE, AT)
    assert Cause.of(Context()) == Cause(None, None, None, {}, None)


def test_what_was_recorded_elsewhere_keeps_its_cause() -> None:
    assert Cause.recorded(Metadata("story", "cause", "ann", THEN, FREE)) == Cause("story", "cause", "ann", FREE, AT)
    assert Cause.recorded(Metadata("story")) == Cause("story", None, None, {}, None)


def test_a_command_is_the_cause_of_its_events_and_tells_its_own() -> None:
    alone = Cause.of_command(Context(), ID.bytes, "pay")
    caused = Cause.of_command(Context("ann", "story", "cause", THEN, FREE), ID.bytes, "pay")
    assert alone == Cause(str(ID), str(ID), None, {"$command": "pay"}, None)
    assert caused == Cause("story", str(ID), "ann", {"k": "v", "$command": "pay", "$cause": "cause"}, AT)
    assert (alone.keeping(None), alone.keeping("{}")) == (
        alone, msgspec.structs.replace(alone, free={"$command": "pay", KEPT: "{}"}),
    )  # fmt: skip


def test_what_can_be_no_name_is_refused_as_what_it_should_have_been() -> None:
    wrong: list[tuple[str, Callable[[], Cause]]] = [
        ("correlation id", lambda: Cause.of(Context(correlation_id=""))),
        ("actor", lambda: Cause.of(Context(""))),
        ("correlation id", lambda: Cause.recorded(Metadata(""))),
        ("causation id", lambda: Cause.recorded(Metadata("s", ""))),
        ("actor", lambda: Cause.recorded(Metadata("s", None, ""))),
        ("correlation id", lambda: Cause.of_command(Context(correlation_id=""), ID.bytes, "pay")),
        ("actor", lambda: Cause.of_command(Context(""), ID.bytes, "pay")),
    ]
    for kind, made in wrong:
        with pytest.raises(InvalidName) as refused:
            made()
        assert (refused.value.kind, refused.value.name) == (kind, "")


def test_a_time_without_a_zone_is_no_time_at_which_something_was_true() -> None:
    wrong: list[Callable[[], object]] = [
        lambda: Cause.of(Context(valid_at=NAIVE)),
        lambda: rows(NewEvent(Deposited(1), valid_at=NAIVE)),
    ]
    for made in wrong:
        with pytest.raises(
            UsageError, match=r"^valid_at=datetime\.datetime\(2026, 11, 30, 0, 0\) is not a time with a"
        ):
            made()


# Names -------------------------------------------------------------------------------------------------------------------


def test_only_a_decider_of_refolds_own_has_streams_that_begin_with_a_dollar() -> None:
    own = OwnDecider("$own", int, accounts.evolve, accounts.decide)
    others = replace(accounts, category="$own")
    assert (stream_of(own, "1"), stream_of(accounts, "1"), checked_stream("a-1")) == ("$own-1", "account-1", "a-1")
    names: list[Callable[[], str]] = [lambda: stream_of(others, "1"), lambda: checked_stream("$own-1")]
    for name in names:
        with pytest.raises(InvalidName) as refused:
            name()
        assert vars(refused.value) == {
            "kind": "stream name",
            "name": "$own-1",
            "reason": "categories that begin with '$' are kept for Refold's own streams",
        }


# The rows ----------------------------------------------------------------------------------------------------------------


def test_an_event_becomes_a_row_with_all_that_its_cause_says() -> None:
    (row,) = rows(Deposited(3, "bob"), cause=Cause("story", "cause", "ann", FREE, AT))
    assert row == NewRow(
        row.id,
        "account.deposited",
        1,
        b'{"amount":3,"to":"bob"}',
        ("to:bob",),
        AT,
        "story",
        "cause",
        "ann",
        b'{"k":"v"}',
    )


def test_a_new_event_adds_to_what_its_cause_says() -> None:
    new = NewEvent(Deposited(3, "bob"), id=ID, valid_at=THEN, metadata={"l": "w"}, tags=frozenset({"x"}))
    (row,) = rows(new, cause=Cause("story", "cause", "ann", FREE, 7))
    assert row == NewRow(
        ID.bytes, "account.deposited", 1, b'{"amount":3,"to":"bob"}', ("to:bob", "x"), AT, "story", "cause", "ann",
        b'{"k":"v","l":"w"}',
    )  # fmt: skip
    (plain,) = rows(NewEvent(Noted("x")), cause=Cause("story", None, None, {}, 7))
    assert (plain.valid_at, plain.tags, plain.metadata) == (7, (), b"{}")


def test_one_text_in_place_of_the_tags_of_a_new_event_is_refused() -> None:
    tags: Any = "abc"
    with pytest.raises(UsageError) as refused:
        rows(NewEvent(Noted("x"), tags=tags))
    assert str(refused.value) == (
        "tags='abc' is one text, and would be read letter by letter: give a collection, ['abc']."
    )


def test_events_that_begin_a_story_share_it_and_one_that_was_told_before_keeps_its_own() -> None:
    told = NewEvent(Noted("b"), metadata=Metadata("another", "cause", "ann", None, FREE))
    first, before, new, last = rows(Noted("a"), told, NewEvent(Noted("c"), id=OTHER), Noted("d"))
    story = str(UUID(bytes=first.id))
    assert [row.correlation_id for row in (first, before, new, last)] == [story, "another", story, story]
    assert (before.causation_id, before.actor, before.metadata) == ("cause", "ann", b'{"k":"v"}')
    earlier, later = rows(told, Noted("e"))
    assert (earlier.correlation_id, later.correlation_id) == ("another", str(UUID(bytes=later.id)))


def test_what_is_refused_of_events_is_told_with_what_it_was() -> None:
    new = NewEvent(Noted("a"), id=ID)
    with pytest.raises(
        InvalidEvent, match=f"^event id {ID} stands twice in one append: an id names one event for ever"
    ):
        rows(NewEvent(Noted("b"), id=OTHER), new, new)
    no_id: Any = "7"
    with pytest.raises(InvalidEvent, match=r"^event id '7' is no UUID\.$"):
        rows(NewEvent(Noted("a"), id=no_id))
    no_text: Any = {"k": 7}
    with pytest.raises(
        InvalidEvent, match=r"^metadata \{'k': 7\} cannot be stored \(.*\): keys and values are text\.$"
    ):
        rows(NewEvent(Noted("a"), metadata=no_text))
    for large in (Noted("x" * 9), NewEvent(RawEvent("note.taken", {"text": "x" * 9}))):
        with pytest.raises(TooLarge) as refused:
            rows(large, limits=Limits(event_bytes=9))
        assert refused.value.what == "the data of event 'note.taken', in bytes,"
