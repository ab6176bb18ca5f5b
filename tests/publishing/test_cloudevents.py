"""CloudEvents as values and as bytes: what is written is read again, and what the specification forbids is not taken."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refold import BadMessage, CloudEvent, RawEvent, Store, UpcasterError, UsageError, command, event, split, upcast
from refold.publication import Publication

JSON: Final = {"content-type": "application/cloudevents+json"}
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
NAMES = st.from_regex(r"\A[a-z0-9]{1,20}\Z").filter(
    lambda name: (
        name not in {"specversion", "id", "source", "type", "subject", "time", "data", "datacontenttype", "dataschema"}
    )
)
TIMES = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7, minutes=-30))]))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def messages(draw: st.DrawFn) -> CloudEvent:
    content_type = draw(st.sampled_from(["application/json", "application/x+json", "text/plain", "image/png", None]))
    is_json = content_type is None or "json" in content_type
    data = st.none() | (
        PLAIN.map(lambda value: json.dumps(value).encode()) if is_json else st.binary(min_size=1, max_size=20)
    )
    return CloudEvent(
        draw(TEXT), draw(TEXT), draw(TEXT), draw(data), draw(st.none() | TEXT), draw(st.none() | TIMES), content_type,
        draw(st.none() | TEXT), draw(st.dictionaries(NAMES, TEXT, max_size=3)),
    )  # fmt: skip


@given(messages())
def test_a_message_is_read_as_it_was_written_as_one_json_object(message: CloudEvent) -> None:
    assert (
        CloudEvent.parse({"Content-Type": "application/cloudevents+json; charset=UTF-8"}, message.structured())
        == message
    )


@given(messages(), st.sampled_from(["ce-", "CE-", "ce_", "cloudEvents:", "cloudEvents_"]), st.booleans())
def test_a_message_is_read_from_headers_of_any_binding(message: CloudEvent, prefix: str, as_bytes: bool) -> None:
    time = None if message.time is None else message.time.isoformat()
    named: dict[str, Any] = {
        "id": message.id,
        "source": message.source,
        "type": message.type,
        "subject": message.subject,
    }
    named |= {"time": time, "dataschema": message.dataschema, "specversion": "1.0", **message.extensions}
    said = {
        name: quote(value) if prefix.lower() == "ce-" else value for name, value in named.items() if value is not None
    }
    headers: dict[str, Any] = {prefix + name: value.encode() if as_bytes else value for name, value in said.items()}
    if message.datacontenttype is not None:
        headers["content-type"] = message.datacontenttype
    assert CloudEvent.parse(headers, message.data or b"") == message


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "its body cannot be read"), (b"[]", "its body cannot be read"), (b"{", "its body cannot be read"),
        (b"\xff", "its body cannot be read"), (b"{}", "its specversion is None"),
        (b'{"specversion":"0.3","id":"1","source":"/","type":"t"}', "its specversion is '0.3'"),
        (b'{"specversion":"1.0","source":"/","type":"t"}', "its id is ''"),
        (b'{"specversion":"1.0","id":"","source":"/","type":"t"}', "its id is ''"),
        (b'{"specversion":"1.0","id":7,"source":"/","type":"t"}', "its id is 7"),
        (b'{"specversion":"1.0","id":"1","type":"t"}', "its source is ''"),
        (b'{"specversion":"1.0","id":"1","source":"/","type":"a\\nb"}', "its type is"),
        (b'{"specversion":"1.0","id":"1","source":"/","type":"t","time":"noon"}', "its time is 'noon'"),
        (b'{"specversion":"1.0","id":"1","source":"/","type":"t","time":"2026-01-01T00:00:00"}', "its time is"),
        (b'{"specversion":"1.0","id":"1","source":"/","type":"t","Upper":"x"}', "an attribute is named 'Upper'"),
        (b'{"specversion":"1.0","id":"1","source":"/","type":"t","x":{}}', "its attribute x is {}"),
        (b'{"specversion":"1.0","id":"1","source":"/","type":"t","x":1.5}', "its attribute x is 1.5"),
        (b'{"specversion":"1.0","id":"1","source":"/","type":"t","data":1,"data_base64":""}', "both data and data_base64"),
        (b'{"specversion":"1.0","id":"1","source":"/","type":"t","data_base64":"?"}', "its body cannot be read"),
        (b'{"a":' * 100_000, "its body cannot be read"),
    ],
)  # fmt: skip
def test_what_the_specification_forbids_is_no_message(body: bytes, what: str) -> None:
    with pytest.raises(BadMessage, match=re.escape(what)):
        CloudEvent.parse(JSON, body)


@pytest.mark.parametrize(
    ("headers", "what"),
    [
        ({}, "neither the content type"), ({"content-type": "application/json"}, "neither the content type"),
        ({"content-type": "application/cloudevents-batch+json"}, "cloudevents-batch"),
        ({"content-type": "application/cloudevents+xml"}, "cloudevents+xml"),
        ({"ce-specversion": "1.0"}, "its id is ''"), ({"ce-specversion": "2.0", "ce-id": "1"}, "its specversion is '2.0'"),
    ],
)  # fmt: skip
def test_what_comes_in_no_known_form_is_no_message(headers: dict[str, str], what: str) -> None:
    with pytest.raises(BadMessage, match=re.escape(what)):
        CloudEvent.parse(headers, b"{}")


@given(
    st.dictionaries(st.sampled_from(["content-type", "ce-id", "ce-specversion", "ce-time", "ce_type", "x"]), TEXT),
    st.binary(),
)
def test_whatever_comes_is_a_message_or_is_said_to_be_none(headers: dict[str, str], body: bytes) -> None:
    for told in (headers, {**headers, **JSON}):
        try:
            CloudEvent.parse(told, body)
        except BadMessage:
            continue


# Reading ----------------------------------------------------------------------------------


@upcast("order.placed", 1, to=2)
def in_cents(data: dict[str, Any]) -> dict[str, Any]:
    return {"order": data["order"], "cents": data["euros"] * 100}


@event("order.placed", version=2, upcasters=[in_cents])
class OrderPlaced:
    order: str
    cents: int


@command("order.cancel")
class Cancel:
    order: str


def placed(data: bytes, **extensions: str | int) -> CloudEvent:
    return CloudEvent("1", "/", "order.placed", data, extensions=extensions)


@pytest.mark.parametrize(
    "message",
    [
        placed(b'{"order":"7","cents":500}'),
        placed(b'{"order":"7","cents":500}', schemaversion=2),
        placed(b'{"order":"7","euros":5}', schemaversion=1),
        placed(b'{"order":"7","euros":5}', schemaversion="1"),
    ],
)
def test_data_are_read_as_the_class_of_the_type(message: CloudEvent) -> None:
    assert message.read(Cancel, OrderPlaced) == OrderPlaced("7", 500)


def test_a_command_can_be_read_too() -> None:
    assert CloudEvent("1", "/", "order.cancel", b'{"order":"7"}').read(OrderPlaced, Cancel) == Cancel("7")


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (CloudEvent("1", "/", "order.lost", b"{}"), "its type is 'order.lost', and what is read here is 'order.placed'"),
        (placed(b'{"order":7}'), "its data do not fit OrderPlaced"), (placed(b""), "its data do not fit"),
        (CloudEvent("1", "/", "order.placed"), "its data do not fit"), (placed(b"{}", schemaversion="x"), "its data do not fit"),
        (placed(b'{"order":"7"}', schemaversion=1), "cannot be brought to the shape"),
        (placed(b"{}", schemaversion=9), "version 9"),
    ],
)  # fmt: skip
def test_data_that_do_not_fit_are_no_message(message: CloudEvent, what: str) -> None:
    with pytest.raises(BadMessage, match=re.escape(what)):
        message.read(OrderPlaced)


def test_a_class_without_a_name_cannot_be_read() -> None:
    with pytest.raises(UsageError, match="is no event"):
        placed(b"{}").read(int)


@split("order.line", 1, into={"order.line": 2, "order.noted": 1})
def each_line(data: dict[str, Any]) -> Any:
    yield from (("order.line", {"number": number}) for number in data["numbers"])
    yield from (("order.noted", {"text": text}) for text in data.get("texts", []))


@event("order.line", version=2, upcasters=[each_line])
class Line:
    number: int


@event("order.noted", upcasters=[each_line])
class Noted:
    text: str


@event("order.line")
class Lines:
    numbers: list[int]


def lines(data: bytes) -> CloudEvent:
    return CloudEvent("1", "/", "order.line", data, extensions={"schemaversion": 1})


@pytest.mark.parametrize(
    ("data", "classes", "what"),
    [
        (b'{"numbers":[1,2]}', (Line,), "2 events"),
        (b'{"numbers":[1],"texts":["x"]}', (Line,), "2 events"),
        (b'{"numbers":[1],"texts":["x"]}', (Line, Noted, Cancel), "2 events"),
        (b'{"numbers":[],"texts":["x"]}', (Line,), "no event of these classes"),
    ],
)
def test_a_message_that_is_several_events_today_is_refused_whole(
    data: bytes, classes: tuple[type[Any], ...], what: str
) -> None:
    with pytest.raises(BadMessage) as refused:
        lines(data).read(*classes)
    assert refused.value.reason == (
        f"upcasters lead from version 1 of 'order.line' to {what}, and a message is read as one: name a class of that "
        "version, too, @event('order.line'), and take apart what it holds"
    )


def test_a_message_that_upcasters_split_into_one_event_is_that_one() -> None:
    assert lines(b'{"numbers":[1]}').read(Line) == Line(1)
    assert lines(b'{"numbers":[],"texts":["x"]}').read(Line, Noted, Cancel) == Noted("x")


def test_a_class_of_the_version_that_a_message_was_written_by_is_taken_before_others() -> None:
    assert lines(b'{"numbers":[1,2]}').read(Line, Lines) == Lines([1, 2])
    assert CloudEvent("1", "/", "order.line", b'{"number":1}').read(Line, Lines) == Line(1)
    assert CloudEvent("1", "/", "order.line", b'{"numbers":[1]}').read(Lines, Line) == Lines([1])


def test_upcasters_that_lead_nowhere_are_no_fault_of_the_message() -> None:
    @event("order.line", version=3, upcasters=[each_line])
    class InHaste:
        number: int

    with pytest.raises(UpcasterError, match="no upcaster leads on from version 2"):
        lines(b'{"numbers":[1]}').read(InHaste)


# Publications -----------------------------------------------------------------------------


@split("customer.moved", 1, into={"address.changed": 1, "mail.ordered": 1})
def changed_and_ordered(data: dict[str, Any]) -> Any:
    yield "address.changed", {"city": data["city"]}
    yield "mail.ordered", {"city": data["city"]}


@event("address.changed", upcasters=[changed_and_ordered])
class Changed:
    city: str


@event("mail.ordered", upcasters=[changed_and_ordered])
class Ordered:
    city: str


def test_the_parts_of_one_stored_event_have_ids_of_their_own(tmp_path: Path) -> None:
    sent: list[CloudEvent] = []
    with Store.open(f"sqlite:///{tmp_path}/s.db", events=[RawEvent]) as store:
        store.append("customer-1", [RawEvent("customer.moved", {"city": "Ulm"})])
    with Store.open(f"sqlite:///{tmp_path}/s.db", events=[Changed, Ordered]) as store:
        store.catch_up(Publication("out", Changed, Ordered, to=sent.append, source="/"))
        id = next(iter(store.read())).id
    assert [(m.id, m.type) for m in sent] == [(f"{id}#1", "address.changed"), (f"{id}#2", "mail.ordered")]


@pytest.mark.parametrize("source", ["", "a\nb"])
def test_a_source_that_is_none_is_refused_at_once(source: str) -> None:
    with pytest.raises(BadMessage, match="its source is"):
        Publication("out", OrderPlaced, to=print, source=source)


def test_a_publication_of_nothing_or_to_nobody_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="publishes nothing"):
        Publication("out", to=print, source="/")
    with pytest.raises(UsageError, match="has to= of class int"):
        Publication("out", OrderPlaced, to=7, source="/")  # type: ignore[arg-type]


def test_a_time_is_written_in_utc() -> None:
    time = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    assert json.loads(CloudEvent("1", "/", "t", time=time).structured())["time"] == "2026-01-01T00:00:00Z"
