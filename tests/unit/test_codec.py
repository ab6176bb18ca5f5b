"""How events are written as JSON, and what is refused. What stored bytes are read as is in test_decoding.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import inf
from typing import Any

import msgspec
import pydantic
import pytest

from refold import (
    InvalidEvent,
    InvalidName,
    Personal,
    RawEvent,
    UsageError,
    command,
    event,
)
from refold.codec import Codec, as_json, as_ordered_json, form_of, object_of, raw_json
from refold.messages import Spec, spec_of

SPEC = Spec("event", "a.done", 1, ())


@event("a.done")
class Done:
    n: int = 0


@event("a.undone")
class Undone:
    n: int = 0


@event("a.priced")
class Priced(pydantic.BaseModel):
    n: float


@event("a.measured")
class Measured(pydantic.BaseModel, ser_json_inf_nan="strings"):
    n: float


class Inner(pydantic.BaseModel):
    b: bytes


@event("a.strict")
class Strict(pydantic.BaseModel, frozen=True, strict=True):
    day: date


class Odd: ...


@event("a.holding")
class Holding:
    inner: Inner | None = None
    anything: Any = None


@event("a.dated")
class Dated:
    inner: Strict


@event("a.wanting")
class Wanting:
    odd: Odd


# Forms --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Done(1), b'{"n":1}'),
        (Priced(n=1.5), b'{"n":1.5}'),
        (Measured(n=inf), b'{"n":"Infinity"}'),
        (Strict(day=date(2026, 1, 2)), b'{"day":"2026-01-02"}'),
        (Dated(Strict(day=date(2026, 1, 2))), b'{"inner":{"day":"2026-01-02"}}'),
        (Holding(Inner(b=b"x")), b'{"inner":{"b":"x"},"anything":null}'),
        (Holding(anything={"a": [1, None]}), b'{"inner":null,"anything":{"a":[1,null]}}'),
    ],
)
def test_an_event_is_written_as_json_and_read_as_what_it_was(value: object, written: bytes) -> None:
    form = Codec().form(type(value))
    assert form.written(value) == written
    assert form.decode(written) == value


def test_a_form_tells_the_kind_and_the_name_of_its_messages() -> None:
    assert str(Codec().form(Done)) == "event 'a.done'"


def test_an_event_that_json_cannot_carry_is_refused_in_words() -> None:
    held = Holding(anything=Odd)
    with pytest.raises(InvalidEvent) as caught:
        Codec().form(Holding).written(held)
    assert str(caught.value) == (
        f"event 'a.holding' cannot be stored: objects of type type cannot be stored as JSON. It was {held!r}."
    )


def test_an_event_that_would_become_another_is_refused_in_words() -> None:
    with pytest.raises(InvalidEvent) as caught:
        Codec().form(Holding).written(Holding(anything=(1,)))
    assert str(caught.value) == (
        "event 'a.holding' would not read back equal: Holding(inner=None, anything=(1,)) became Holding(inner=None, "
        "anything=[1]). JSON has no NaN or infinity, and a field typed Any reads back as plain JSON: annotate it with what "
        "it holds."
    )


def test_a_field_whose_class_nobody_can_read_is_told_when_it_is_read() -> None:
    with pytest.raises(NotImplementedError, match=r"^objects of type Odd cannot be read from JSON$"):
        form_of(Wanting, spec_of(Wanting)).decode(b'{"odd":{}}')


def test_a_class_that_json_cannot_carry_is_refused() -> None:
    @dataclass(frozen=True)
    class Mixed:
        either: Done | Undone

    what = r"^event 'a\.done' \(.*Mixed\) cannot be stored as JSON: Type unions may not contain more than one .*\.$"
    with pytest.raises(UsageError, match=what):
        form_of(Mixed, SPEC)


def test_commands_are_not_sealed() -> None:
    @command("a.do")
    class Do:
        n: int
        mail: Personal[str]

    with pytest.raises(UsageError) as caught:
        form_of(Do, spec_of(Do, "command"))
    assert str(caught.value) == (
        "command 'a.do' has the personal field 'mail': commands are not sealed. Mark the field of the event that it leads "
        "to, and take the command's as it is."
    )


def test_personal_fields_are_about_somebody() -> None:
    @event("a.one")
    class One:
        mail: Personal[str]

    @event("a.two")
    class Two:
        mail: Personal[str]
        n: int
        phone: Personal[str]

    for cls, name, fields in ((One, "a.one", "field mail"), (Two, "a.two", "fields mail, phone")):
        with pytest.raises(UsageError) as caught:
            Codec([cls])
        assert str(caught.value) == (
            f"event '{name}' has the personal {fields}, and does not say whom they are about: write "
            f'@event("{name}", subject="...") with the name of a field.'
        )


# JSON ---------------------------------------------------------------------------------------


def test_an_event_without_a_class_is_a_json_object_under_a_name() -> None:
    assert raw_json(RawEvent("a.b", {"n": [1]})) == b'{"n":[1]}'
    with pytest.raises(InvalidName, match=r"^'' is not an event type: it is empty"):
        raw_json(RawEvent("", {}))
    with pytest.raises(InvalidEvent, match=r"^event 'a\.b' would not read back equal: \{'n': \(1,\)\} became"):
        raw_json(RawEvent("a.b", {"n": (1,)}))
    with pytest.raises(InvalidEvent, match=r"^event 'a\.b' cannot be stored: .*Odd"):
        raw_json(RawEvent("a.b", {"n": Odd()}))


def test_the_data_of_an_event_are_a_json_object() -> None:
    assert object_of(b'{"n":1}') == {"n": 1}
    with pytest.raises(msgspec.ValidationError):
        object_of(b"[1]")


def test_any_value_is_shown_as_plain_json_and_in_order_where_that_is_asked() -> None:
    assert as_json(Holding(Inner(b=b"x"), {2, 1})) in [
        {"inner": {"b": "x"}, "anything": [1, 2]},
        {"inner": {"b": "x"}, "anything": [2, 1]},
    ]
    found = as_ordered_json({"b": {"y", "x", "z"}, "a": Inner(b=b"x")})
    assert list(found.items()) == [("a", {"b": "x"}), ("b", ["x", "y", "z"])]
