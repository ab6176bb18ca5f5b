"""Publications as values: what message an event becomes, and what can never be sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from pydantic import BaseModel

from refold import Publication, RawEvent, Recorded, StreamName, UsageError, event
from refold.cloudevents import CloudEvent
from refold.external import Retry
from refold.messages import Metadata, Position
from refold.publication import Calling
from refold.testing.contract.sample import Deposited, Withdrawn

AT, ID = datetime(2026, 11, 30, tzinfo=UTC), UUID(int=1)


def nobody(message: CloudEvent) -> None: ...


@event("account.noted")
class Noted(BaseModel):
    text: str


class Waiting:
    async def __call__(self, message: CloudEvent) -> None: ...


def recorded(data: object, **other: Any) -> Recorded[Any]:
    free = {"traceparent": "00-t-s-01", "k": "v"}
    metadata = Metadata("story", "because", free=free)
    event = Recorded[Any](
        data, "account.deposited", 3, StreamName("account", "7"), 2, Position(5), AT, ID, frozenset(), metadata
    )
    return msgspec.structs.replace(event, **other)


EXTENSIONS: dict[str, str | int | bool] = {
    "partitionkey": "account-7",
    "sequence": "00000000000000000005",
    "correlationid": "story",
    "causationid": "because",
    "traceparent": "00-t-s-01",
    "schemaversion": 3,
}


def test_an_event_becomes_a_message_that_tells_all_about_it() -> None:
    publication = Publication("told", Deposited, to=nobody, source="/bank")
    assert publication.message(recorded(Deposited(3))) == CloudEvent(
        str(ID), "/bank", "account.deposited", b'{"amount":3,"to":"someone"}', "account-7", AT, extensions=EXTENSIONS
    )


def test_functions_say_what_a_message_is_instead() -> None:
    publication = Publication(
        "told", Deposited, to=nobody, source="/bank", key=lambda _: "", type=lambda event: f"bank.{event.type}",
        subject=lambda event: event.stream.id, data=lambda event: {"cents": event.data.amount * 100},
    )  # fmt: skip
    plain = recorded(Deposited(3), metadata=Metadata("story"))
    extensions: dict[str, str | int | bool] = {
        "partitionkey": "-",
        "sequence": "00000000000000000005",
        "correlationid": "story",
    }
    assert publication.message(plain) == CloudEvent(
        str(ID), "/bank", "bank.account.deposited", b'{"cents":300}', "7", AT, extensions=extensions
    )


def test_a_part_of_an_event_has_an_id_of_its_own_and_a_message_may_have_no_subject() -> None:
    publication = Publication("told", RawEvent, to=nobody, source="/bank", subject=None)
    message = publication.message(recorded(RawEvent("account.deposited", {"amount": 3}), part=2, parts=3))
    assert (message.id, message.subject, message.data) == (f"{ID}#2", None, b'{"amount":3}')


def test_another_sender_is_given_the_same_messages() -> None:
    retry, type = Retry(2), lambda event: f"bank.{event.type}"
    one = Publication(
        "told", Deposited, Withdrawn, to=nobody, source="/bank", key=lambda _: "k", type=type, subject=lambda _: "s",
        data=lambda _: 7, retry=retry,
    )  # fmt: skip
    sender = Calling(Waiting())
    other = one.sent_by(sender)
    assert (other.sender, other.name, other.event_types, other.retry) == (sender, "told", (Deposited, Withdrawn), retry)
    assert other.message(recorded(Deposited(3))) == one.message(recorded(Deposited(3)))
    assert (one.message(recorded(Deposited(3))).data, one.message(recorded(Deposited(3))).subject) == (b"7", "s")


def test_events_of_several_classes_are_each_sent_as_they_are_written() -> None:
    publication = Publication("told", Deposited, Withdrawn, Noted, to=nobody, source="/bank")
    told = [publication.message(recorded(each)).data for each in (Noted(text="n"), Deposited(3), Withdrawn(2))]
    assert told == [b'{"text":"n"}', b'{"amount":3,"to":"someone"}', b'{"amount":2}']


def test_a_publication_changes_no_rows() -> None:
    publication = Publication("told", Deposited, to=nobody, source="/bank")
    assert list(publication.project(recorded(Deposited(3)))) == []


@pytest.mark.parametrize(("function", "awaits"), [(nobody, False), (Waiting().__call__, True), (Waiting(), True)])
def test_a_function_awaits_if_it_is_defined_so(function: Callable[[CloudEvent], None], *, awaits: bool) -> None:
    assert Publication("told", Deposited, to=function, source="/bank").sender.awaits is awaits


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_function_is_called_and_awaited(*, is_async: bool) -> None:
    taken = list[CloudEvent]()

    async def later(message: CloudEvent) -> None:
        taken.append(message)

    message = CloudEvent("1", "/bank", "n")
    await Calling(later if is_async else taken.append).send(message)
    assert taken == [message]


def test_a_message_is_sent_for_about_a_minute() -> None:
    retry = Publication("told", Deposited, to=nobody, source="/bank").retry
    assert retry == Retry(8, timedelta(seconds=0.5), timedelta(seconds=30))


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (
            lambda: Publication("told", to=nobody, source="/bank"),
            "publication 'told' publishes nothing: name classes of events, or RawEvent for all.",
        ),
        (
            lambda: Publication("told", Deposited, to=7, source="/bank"),  # type: ignore[arg-type]  # on purpose
            (
                "publication 'told' has to= of class int: give Webhook(url, secret=...), faststream(broker, destination), "
                "or a function that takes a message."
            ),
        ),
    ],
    ids=["nothing", "nobody"],
)
def test_what_can_never_be_sent_is_refused(made: Callable[[], object], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        made()
    assert str(refused.value) == told
