"""CloudEvents byte by byte: each attribute under its name, each kind of data, and what is said of what is refused.

That whatever is written is read again is a law, in tests/publishing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import msgspec
import pytest

from refold import BadMessage, CloudEvent, command, event, upcast
from refold.cloudevents import STRUCTURED, checked

FULL: Final = CloudEvent(
    "1", "/shop", "order.placed", b'{"order":7}', "order-7", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "application/json", "/schemas/1", {"partitionkey": "7", "schemaversion": 2, "sampled": True},
)  # fmt: skip
IN_ONE: Final = (
    b'{"specversion":"1.0","id":"1","source":"/shop","type":"order.placed","subject":"order-7",'
    b'"time":"2026-01-02T03:04:05Z","datacontenttype":"application/json","dataschema":"/schemas/1",'
    b'"partitionkey":"7","schemaversion":2,"sampled":true,"data":{"order":7}}'
)
PLAIN: Final = CloudEvent("1", "/", "t", datacontenttype=None)


def changed(message: CloudEvent, **attributes: Any) -> CloudEvent:
    return msgspec.structs.replace(message, **attributes)


def in_one(further: str) -> bytes:
    return b'{"specversion":"1.0","id":"1","source":"/","type":"t",%b}' % further.encode()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock is not in UTC."""
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


# One JSON object ------------------------------------------------------------------------------


def test_a_message_is_written_with_each_attribute_under_its_name() -> None:
    assert FULL.structured() == IN_ONE


def test_what_a_message_does_not_have_is_not_written() -> None:
    assert PLAIN.structured() == b'{"specversion":"1.0","id":"1","source":"/","type":"t"}'


def test_data_that_are_no_json_are_written_as_base64() -> None:
    message = CloudEvent("1", "/", "t", b"\x00\xff", datacontenttype="image/png")
    assert message.structured().endswith(b'"datacontenttype":"image/png","data_base64":"AP8="}')


@pytest.mark.usefixtures("elsewhere")
def test_a_time_is_written_in_utc_wherever_that_happens() -> None:
    zone = timezone(timedelta(hours=-7, minutes=-30))
    message = CloudEvent("1", "/", "t", time=datetime(2026, 1, 1, tzinfo=zone), datacontenttype=None)
    assert message.structured().endswith(b'"time":"2026-01-01T07:30:00Z"}')


@pytest.mark.parametrize("content_type", [STRUCTURED, f"{STRUCTURED}; charset=UTF-8", STRUCTURED.upper()])
@pytest.mark.parametrize("header", ["Content-Type", "content_type"])
def test_a_message_is_read_from_one_json_object_whatever_the_broker_calls_its_content_type(
    header: str, content_type: str
) -> None:
    assert CloudEvent.parse({header: content_type}, IN_ONE) == FULL


@pytest.mark.parametrize(
    ("told", "content_type", "data"),
    [
        ('"data":{"a": 1}', None, b'{"a": 1}'),
        ('"data":null', None, b"null"),
        ('"datacontenttype":"application/x+json; v=1","data":"text"', "application/x+json; v=1", b'"text"'),
        ('"datacontenttype":" Text/JSON ;v=1","data":"text"', " Text/JSON ;v=1", b'"text"'),
        ('"datacontenttype":"text/plain","data":"text"', "text/plain", b"text"),
        ('"datacontenttype":"text/plain","data":{"a": 1}', "text/plain", b'{"a": 1}'),
        ('"datacontenttype":"text/plain"', "text/plain", None),
        ('"datacontenttype":"image/png","data_base64":"AP8="', "image/png", b"\x00\xff"),
        ('"data_base64":"MQ=="', None, b"1"),
    ],
)
def test_data_come_as_json_as_text_or_as_base64(told: str, content_type: str | None, data: bytes | None) -> None:
    found = CloudEvent.parse({"content-type": STRUCTURED}, in_one(told))
    assert found == changed(PLAIN, datacontenttype=content_type, data=data)


@pytest.mark.parametrize(
    ("told", "what"),
    [
        ('"data":1,"data_base64":"MQ=="', "it has both data and data_base64"),
        ('"data_base64":1234', "its data_base64 is 1234: it takes text"),
        ('"datacontenttype":7,"data":1', "its datacontenttype is 7: it takes text of printable characters"),
        ('"subject":""', "its subject is '': it takes text of printable characters"),
        ('"dataschema":"a\\nb"', "its dataschema is 'a\\nb': it takes text of printable characters"),
        ('"type":null', "its type is '': it takes text of printable characters"),
        ('"a-b":1', "an attribute is named 'a-b': 1 to 20 lower-case letters and digits are allowed"),
        ('"x":[]', "its attribute x is []: text, a whole number or true and false are allowed"),
    ],
)
def test_what_is_refused_is_told_in_a_sentence(told: str, what: str) -> None:
    with pytest.raises(BadMessage) as caught:
        CloudEvent.parse({"content-type": STRUCTURED}, in_one(told))
    assert str(caught.value) == f"the message is not taken: {what}."


@pytest.mark.parametrize("missing", ["id", "source", "type"])
def test_no_message_goes_out_without_what_each_must_have(missing: str) -> None:
    with pytest.raises(BadMessage, match=f"its {missing} is None: it takes text"):
        checked(changed(PLAIN, **{missing: None}))


# Headers --------------------------------------------------------------------------------------


def test_headers_of_http_are_read_with_what_is_quoted_in_them() -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/", "ce-type": "t", "ce-subject": "a%20b"}
    assert CloudEvent.parse(headers, b"") == changed(PLAIN, subject="a b")


@pytest.mark.parametrize("prefix", ["ce_", "cloudEvents:", "cloudEvents_"])
def test_headers_of_brokers_are_read_as_they_stand(prefix: str) -> None:
    named = {
        "specversion": "1.0",
        "id": "1",
        "source": "/",
        "type": "t",
        "subject": "a%20b",
        "sampled": True,
        "other": False,
    }
    found = CloudEvent.parse({prefix + name: value for name, value in named.items()}, b"")
    assert found == changed(PLAIN, subject="a%20b", extensions={"sampled": "true", "other": "false"})


def test_bytes_in_a_header_that_are_no_text_are_replaced() -> None:
    named = {b"specversion": b"1.0", b"id": b"1", b"source": b"/", b"type": b"t", b"subject": b"a\xff"}
    found = CloudEvent.parse({f"ce_{name.decode()}": value for name, value in named.items()}, b"")
    assert found == changed(PLAIN, subject="a\ufffd")


def test_without_headers_it_is_told_where_a_message_would_say_what_it_is() -> None:
    with pytest.raises(BadMessage) as caught:
        CloudEvent.parse({}, b"")
    assert str(caught.value) == (
        "the message is not taken: it has neither the content type application/cloudevents+json nor a header "
        "ce-specversion, ce_specversion or cloudEvents:specversion."
    )


def test_an_extension_is_told_as_text() -> None:
    message = changed(PLAIN, extensions={"text": "a", "number": 7, "yes": True, "no": False})
    assert [message.attribute(name) for name in ("text", "number", "yes", "no", "unknown")] == [
        "a", "7", "true", "false", None,
    ]  # fmt: skip


# As classes -----------------------------------------------------------------------------------


def failing(data: dict[str, Any]) -> dict[str, Any]:
    return {"order": data["number"]}


@event("order.placed", version=2, upcasters=[upcast("order.placed", 1, to=2)(failing)])
class Placed:
    order: int


@command("order.cancel")
class Cancel:
    order: int


def test_a_command_is_read_whatever_version_it_says() -> None:
    message = CloudEvent("1", "/", "order.cancel", b'{"order":7}', extensions={"schemaversion": 9})
    assert message.read(Placed, Cancel) == Cancel(7)


LOST: Final = "its type is 'order.lost', and what is read here is 'order.placed', 'order.cancel'"
EMPTY: Final = "its data do not fit Placed: Expected `object`, got `null`"
FAILING: Final = (
    "event 'order.placed' of stream '/shop', version 0, position 0 cannot be brought to the shape of its class: upcaster "
    "'order.placed' 1 -> 2 raised KeyError: 'number'. Mend the upcaster: what is stored stays as it is"
)


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (changed(FULL, type="order.lost"), LOST),
        (changed(FULL, data=None), EMPTY),
        (changed(FULL, extensions={"schemaversion": 1}), FAILING),
    ],
)
def test_data_that_are_of_no_class_here_are_told_in_a_sentence(message: CloudEvent, what: str) -> None:
    with pytest.raises(BadMessage) as caught:
        message.read(Placed, Cancel)
    assert str(caught.value) == f"the message is not taken: {what}."
