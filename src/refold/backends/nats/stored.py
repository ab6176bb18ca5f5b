"""What stands in the log, as JSON that people can read: events, and what is kept beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct

from refold.ports import Outcome, Request
from refold.repeats import tags_json
from refold.rows import NewRow, Payload, Row

ID: Final = "Nats-Msg-Id"
EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_OF: Final = "Nats-Expected-Last-Subject-Sequence-Subject"
EXPECTED_LAST: Final = "Nats-Expected-Last-Sequence"
EXPECTED_ID: Final = "Nats-Expected-Last-Msg-Id"
BATCH: Final = "Nats-Batch-Id"
PLACE: Final = "Nats-Batch-Sequence"
COMMIT: Final = "Nats-Batch-Commit"


class Message(Struct):
    """One message on its way into the log. `headers` may still be given a check."""

    subject: str
    body: bytes
    headers: dict[str, str]

    @property
    def has_check(self) -> bool:
        """Whether it carries an expectation; the server takes one a message."""
        return EXPECTED in self.headers

    def expect(self, sequence: int, subject: str | None = None) -> None:
        """The last message of a subject, its own if none is given, must be this one; 0 if there must be none."""
        self.headers[EXPECTED] = str(sequence)
        if subject is not None:
            self.headers[EXPECTED_OF] = subject


class Found(Struct, frozen=True):
    """One message as it stands in the log. `place`: which of its batch it is, from 1; `at`: nanoseconds, by the server."""

    sequence: int
    subject: str
    body: bytes
    place: int
    at: int

    def position(self, place: int) -> int:
        """The position of another message of the same batch."""
        return self.sequence - self.place + place


class Event(Struct):
    """The body of an event."""

    version: int
    id: str
    type: str
    schema: int
    valid_at: int | None
    story: str
    cause: str | None
    actor: str | None
    tags: Raw
    metadata: Raw
    data: Raw


class Brief(Struct):
    """What a fold needs of it."""

    version: int
    type: str
    schema: int
    data: Raw


class Guard(Struct):
    """The body of a tag's guard: which messages of the batch carry the tag."""

    events: Sequence[int]


class Ids(Struct):
    """Ids that were stored, with the place of each in the batch."""

    ids: Mapping[str, int]


class Kept(Struct):
    """What a request led to; `events` stand at the beginning of its batch."""

    asked: str
    stream: str
    version: int
    events: int


class Tick(Struct):
    """From here on, what is recorded is recorded at this time, in microseconds."""

    at: int


encode = msgspec.json.Encoder().encode
event_of = msgspec.json.Decoder(Event).decode
brief_of = msgspec.json.Decoder(Brief).decode
guard_of = msgspec.json.Decoder(Guard).decode
ids_of = msgspec.json.Decoder(Ids).decode
kept_of = msgspec.json.Decoder(Kept).decode
tick_of = msgspec.json.Decoder(Tick).decode


def event_body(new: NewRow, version: int) -> bytes:
    """The body of a new event."""
    return encode(
        Event(
            version, new.id.hex(), new.type, new.schema_version, new.valid_at, new.correlation_id, new.causation_id,
            new.actor, Raw(tags_json(new).encode()), Raw(new.metadata), Raw(new.data),
        )
    )  # fmt: skip


def kept_body(request: Request, version: int, events: int) -> bytes:
    """The body of a remembered request."""
    return encode(Kept(request.asked, request.stream, version, events))


def row_of(found: Found, stream: str, recorded_at: int) -> Row:
    """The row that a message stands for."""
    e = event_of(found.body)
    return Row(
        found.sequence, stream, e.version, bytes.fromhex(e.id), e.type, e.schema, bytes(e.data), bytes(e.tags).decode(),
        recorded_at, e.valid_at, e.story, e.cause, e.actor, bytes(e.metadata),
    )  # fmt: skip


def payload_of(found: Found) -> Payload:
    """The same, as a fold needs it."""
    e = brief_of(found.body)
    return (e.version, found.sequence, e.type, e.schema, bytes(e.data))


def outcome_at(found: Found) -> Outcome:
    """The outcome that a message keeps."""
    kept = kept_of(found.body)
    first, last = (found.position(1), found.position(kept.events)) if kept.events else (0, 0)
    return Outcome(kept.asked, kept.stream, kept.version, first, last)
