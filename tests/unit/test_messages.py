"""Names, and what `@event` and `@command` make of a class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, fields, is_dataclass, make_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, cast
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest

from refold import InvalidEvent, InvalidName, StreamName, UsageError, command, event
from refold.messages import Context, Metadata, Position, Recorded, Spec, checked_name, spec_of

LONGEST = "a" * 200
AT = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize("name", ["a", "a b", LONGEST])
def test_a_name_is_up_to_200_characters(name: str) -> None:
    assert checked_name("tag", name) == name


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (7, "7 is not a tag: it must be text, not int."),
        ("", "'' is not a tag: it is empty."),
        (f"{LONGEST}a", f"{LONGEST + 'a'!r} is not a tag: it has 201 characters, 200 are allowed."),
        ("a\nb", r"'a\nb' is not a tag: character 2 (U+000A) is not printable."),
    ],
    ids=["no text", "empty", "too long", "not printable"],
)
def test_what_is_no_name_is_refused_with_the_reason(name: object, told: str) -> None:
    with pytest.raises(InvalidName) as refused:
        checked_name("tag", name)
    assert (refused.value.kind, refused.value.name) == ("tag", name)
    assert str(refused.value).partition(": ")[2] == told.partition(": ")[2]


@pytest.mark.parametrize(
    ("category", "id", "reason"),
    [
        ("", "1", "its category '' must have a character, and no '-'"),
        ("a-b", "1", "its category 'a-b' must have a character, and no '-'"),
        ("a", "", "there is no id after the category 'a'"),
    ],
)
def test_a_stream_name_has_a_category_and_an_id(category: str, id: str, reason: str) -> None:
    with pytest.raises(InvalidName) as refused:
        StreamName(category, id)
    assert vars(refused.value) == {"kind": "stream name", "name": f"{category}-{id}", "reason": reason}


def test_a_stream_name_of_parts_is_checked_as_a_whole() -> None:
    with pytest.raises(InvalidName) as refused:
        StreamName("a", "1\n")
    assert vars(refused.value) == {
        "kind": "stream name", "name": "a-1\n", "reason": "character 4 (U+000A) is not printable",
    }  # fmt: skip


def test_a_number_does_for_an_id_and_none_does_not() -> None:
    number: Any = 0
    nothing: Any = None
    assert str(StreamName("a", number)) == "a-0"
    with pytest.raises(InvalidName, match="there is no id after the category 'a'"):
        StreamName("a", nothing)


def test_what_is_no_text_is_no_stream_name() -> None:
    with pytest.raises(InvalidName) as refused:
        StreamName.parse(7)
    assert vars(refused.value) == {"kind": "stream name", "name": 7, "reason": "it must be text, not int"}


def test_what_happens_because_of_an_event_is_in_its_story_and_in_the_name_of_who_caused_it() -> None:
    metadata, id = Metadata("the story", actor="ann"), UUID(int=1)
    cause = Recorded[object](1, "n", 1, StreamName("a", "1"), 1, Position(1), AT, id, frozenset(), metadata)
    free = {"k": "v"}
    assert Context.of(None, "bob", AT, free, "another") == Context("bob", "another", None, AT, free)
    assert Context.of(cause, None, AT, free) == Context("ann", "the story", str(id), AT, free)
    assert Context.of(cause, "bob", None, {}, "another") == Context("bob", "another", str(id), None, {})


def marked(**said: Any) -> type[Any]:
    @event("item.added", **said)
    class Added:
        item: str
        cart: str = "c-1"

    return Added


def test_an_event_class_keeps_all_that_was_said_of_it() -> None:
    plain, full = marked(), marked(version=2, tags=("item",), public=True, subject="cart")
    assert spec_of(plain) == Spec("event", "item.added", 1, (), (), public=False, subject=None)
    assert spec_of(full) == Spec("event", "item.added", 2, ("item",), (), public=True, subject="cart")


def test_a_command_is_never_public() -> None:
    cls: type[Any] = command("item.add")(type("Add", (), {"__annotations__": {"item": str}}))
    assert spec_of(cls, "command") == Spec("command", "item.add", 1, (), (), public=False, subject=None)


@pytest.mark.parametrize(
    ("said", "tags"),
    [
        ({}, []),
        ({"tags": ("item", "cart")}, ["item:tea", "cart:c-1"]),
        ({"tags": lambda added: [f"any:{added.item}"]}, ["any:tea"]),
        ({"tags": ("item",), "subject": "cart"}, ["item:tea", "cart:c-1"]),
        ({"subject": lambda added: f"whom:{added.cart}"}, ["whom:c-1"]),
    ],
    ids=["none", "fields", "function", "fields and subject", "subject by a function"],
)
def test_tags_follow_from_the_event(said: dict[str, Any], tags: list[str]) -> None:
    cls = marked(**said)
    assert list(spec_of(cls).tags_of(cls("tea"))) == tags


class Plan(Enum):
    BASIC = "basic"


class Held(msgspec.Struct, frozen=True):
    amount: int


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        ("tea", ["f:tea"]),
        (7, ["f:7"]),
        (2**70, [f"f:{2**70}"]),
        (1.5, ["f:1.5"]),
        (True, ["f:true"]),
        (Plan.BASIC, ["f:basic"]),
        (Decimal("1.10"), ["f:1.10"]),
        (UUID(int=1), [f"f:{UUID(int=1)}"]),
        (AT, ["f:2026-11-30T00:00:00Z"]),
        (AT.date(), ["f:2026-11-30"]),
        (Position(3), ["f:3"]),
        (None, []),
        ([], []),
        (("a", Plan.BASIC, None, ["b"]), ["f:a", "f:basic", "f:b"]),
    ],
    ids=str,
)
def test_the_tags_of_a_field_are_its_value_as_it_is_in_json(value: object, tags: list[str]) -> None:
    assert list(spec_of(held := event("n", tags=("f",))(_holding())).tags_of(held(value))) == tags


@pytest.mark.parametrize("value", [Held(1), {"a": 1}, [[Held(1)]], object], ids=["struct", "dict", "deep", "class"])
def test_a_field_whose_value_is_no_text_gives_no_tag_by_itself(value: object) -> None:
    spec = spec_of(held := event("n", tags=("f",))(_holding()))
    with pytest.raises(InvalidEvent, match=r"^event 'n' gives no tag by its field 'f': .* Derive it by a function: "):
        list(spec.tags_of(held(value)))


@pytest.mark.parametrize("value", [None, [], ["a", "b"]], ids=["none", "empty", "several"])
def test_a_message_is_about_one(value: object) -> None:
    spec = spec_of(held := event("n", subject="f")(_holding()))
    with pytest.raises(InvalidEvent, match=r"^event 'n' is about (nobody|several): its field 'f' must hold one value"):
        spec.subject_of(held(value))
    assert spec.subject_of(held("a")) == "f:a"


@pytest.mark.parametrize("said", [{"tags": ("f", "g")}, {"subject": "g"}], ids=["tags", "subject"])
def test_a_field_that_is_to_give_tags_must_be_there(said: dict[str, Any]) -> None:
    struct = type("Struct", (msgspec.Struct,), {"__annotations__": {"f": str}})
    model = pydantic.create_model("Model", f=(str, ...))
    attributes = attrs.make_class("Attributes", ["f"])
    for cls in (_holding(), struct, model, attributes):
        event("n", tags=("f",), subject="f")(cls)
        with pytest.raises(UsageError) as refused:
            event("n", **said)(cls)
        assert str(refused.value) == f"event 'n' takes a tag from 'g', which {cls.__qualname__} has not. Its fields: f."


def test_a_property_gives_tags_too() -> None:
    @event("n", tags=("twice",))
    class Named:
        name: str

        @property
        def twice(self) -> str:
            return self.name * 2

    assert list(spec_of(Named).tags_of(Named("a"))) == ["twice:aa"]


def _holding() -> type[Any]:
    return make_dataclass("Holding", [("f", Any)])


def test_one_text_in_place_of_a_collection_of_tags_is_refused() -> None:
    told = "tags='item' is one text, and would be read letter by letter: give a collection, ['item']."
    given: Any = "item"
    with pytest.raises(UsageError) as refused:
        event("n", tags=given)
    assert str(refused.value) == told
    spec = spec_of(held := event("n", tags=lambda _: given)(_holding()))
    with pytest.raises(UsageError) as refused:
        spec.tags_of(held(1))
    assert str(refused.value) == told


def test_a_bare_class_becomes_a_frozen_dataclass_with_slots() -> None:
    added = marked()("tea")
    assert ([one.name for one in fields(added)], hasattr(added, "__dict__")) == (["item", "cart"], False)
    with pytest.raises(FrozenInstanceError):
        added.item = "milk"


def a_dataclass() -> type[Any]:
    @dataclass
    class Added:
        item: str

    return Added


def an_attrs_class() -> type[Any]:
    @attrs.define
    class Added:
        item: str

    return Added


def a_model() -> type[Any]:
    class Added(pydantic.BaseModel):
        item: str

    return Added


def a_struct() -> type[Any]:
    class Added(msgspec.Struct):
        item: str

    return Added


@pytest.mark.parametrize("made", [a_dataclass, an_attrs_class, a_model, a_struct])
def test_a_class_that_is_one_already_is_left_as_it_is(made: Callable[[], type[Any]]) -> None:
    cls = made()
    assert event("item.added")(cls) is cls
    added = cls(item="tea")
    added.item = "milk"
    assert (added.item, is_dataclass(cls)) == ("milk", made is a_dataclass)


def test_what_only_inherits_from_a_dataclass_becomes_one_of_its_own() -> None:
    base: type[Any] = dataclass(frozen=True)(type("Base", (), {"__annotations__": {"item": str}}))
    more: type[Any] = event("item.added")(type("More", (base,), {"__annotations__": {"count": int}}))
    assert [one.name for one in fields(more)] == ["item", "count"]


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        (
            lambda: event(cast("Any", int)),
            '@event on int lacks the name that it is stored under: write @event("cart.item-added").',
        ),
        (
            lambda: command(cast("Any", int)),
            '@command on int lacks the name that it is stored under: write @command("cart.add-item").',
        ),
        (lambda: event(""), "'' is not an event name: it is empty. Write @event(\"cart.item-added\")."),
        (lambda: command(""), "'' is not a command name: it is empty. Write @command(\"cart.add-item\")."),
        (lambda: event("a", version=0), "event 'a' has version 0: the first is 1."),
        (
            lambda: event("a", upcasters=[cast("Any", 7)]),
            "event 'a' has 7 for an upcaster: decorate it with @upcast(...).",
        ),
        (lambda: spec_of(int), "<class 'int'> is no event: mark the class with @event(\"...\")."),
        (lambda: spec_of(marked(), "command"), 'is no command: mark the class with @command("...").'),
    ],
    ids=[
        "event without name",
        "command without name",
        "empty",
        "empty command",
        "version",
        "upcaster",
        "no event",
        "no command",
    ],
)
def test_what_can_never_work_is_told_where_it_is_written(mark: Callable[[], object], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        mark()
    assert told in str(refused.value)
