"""Bodies, parameters and answers as classes: what is read is checked by them, and OpenAPI tells them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

from msgspec import Meta, Struct, field

from refold.eventlogs.recorded import EventRecord
from refold.flows.append import Receipt
from refold.messages import Metadata, NewEvent
from refold.ports import StreamInfo
from refold.query import AppendCondition, Expected, ExpectedVersion, Query, QueryItem

MOST = 2**62
"""No version and no position is above it."""
QUERY: Final = '{"items": [{"types": [...], "tags": [...]}]}'
"""The form of a query as JSON."""

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
Place: TypeAlias = Annotated[int, Meta(ge=0, le=MOST)]
Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]
When: TypeAlias = Annotated[datetime, Meta(tz=True, description="RFC 3339; a date alone is its first instant, in UTC.")]
Limit: TypeAlias = Annotated[
    int, Meta(ge=1, description="At most so many; the server gives no more than its page size.")
]
Reason: TypeAlias = Annotated[str, Meta(min_length=1, max_length=500)]
Wanted: TypeAlias = Place | Literal["any", "no stream", "exists"]


class ItemIn(Struct, frozen=True, forbid_unknown_fields=True):
    """Events of one of the types that carry all of the tags; one of the two must be given."""

    types: list[Name] = field(default_factory=list[Name])
    tags: list[Name] = field(default_factory=list[Name])


class QueryIn(Struct, frozen=True, forbid_unknown_fields=True):
    """Events that match any of the items; without items, every event."""

    items: Annotated[list[ItemIn], Meta(max_length=100)]

    def query(self) -> Query:
        """The query.

        Raises:
            UsageError, InvalidName: an item is empty, or names what cannot be.
        """
        return Query(frozenset(QueryItem(frozenset(item.types), frozenset(item.tags)) for item in self.items))


class ConditionIn(Struct, frozen=True, forbid_unknown_fields=True):
    """The append fails if an event that matches the query stands after this position."""

    query: QueryIn
    after: Place = 0

    def condition(self) -> AppendCondition:
        """The condition."""
        return AppendCondition(self.query.query(), self.after)


class EventIn(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An event to append. With a `correlation_id` it belongs to that story; `metadata` are free keys of your own."""

    type: Name
    data: dict[str, Any]
    schema_version: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    id: UUID | None = None
    valid_at: Moment | None = None
    tags: Annotated[list[Name], Meta(max_length=100)] = field(default_factory=list[Name])
    correlation_id: Name | None = None
    causation_id: Name | None = None
    metadata: Annotated[dict[str, str], Meta(max_length=100)] = field(default_factory=dict[str, str])

    def new(self, data: object, actor: str) -> NewEvent[object]:
        """The event; `data` are its data as a class or raw, and `actor` is who appends it, whatever the body says."""
        metadata: dict[str, str] | Metadata = self.metadata
        if self.correlation_id is not None:
            metadata = Metadata(self.correlation_id, self.causation_id, actor, free=self.metadata)
        return NewEvent(data, self.id, self.valid_at, frozenset(self.tags), metadata)


class AppendIn(Struct, frozen=True, forbid_unknown_fields=True):
    """Events for one stream, all or none."""

    events: Annotated[list[EventIn], Meta(min_length=1)]
    condition: ConditionIn | None = None


class WriteIn(Struct, frozen=True, forbid_unknown_fields=True):
    """Events for one of several streams, and what the writer expects of it: a version, or a word."""

    stream: Name
    events: Annotated[list[EventIn], Meta(min_length=1)]
    expected: Wanted = "any"


class StreamCheckIn(Struct, frozen=True, forbid_unknown_fields=True, tag="stream", tag_field="kind"):
    """What is expected of a stream that is not written."""

    stream: Name
    expected: Wanted


class QueryCheckIn(Struct, frozen=True, forbid_unknown_fields=True, tag="query", tag_field="kind"):
    """No event that matches the query may stand after this position."""

    query: QueryIn
    after: Place = 0


class AppendAllIn(Struct, frozen=True, forbid_unknown_fields=True):
    """Events for several streams, all or none, if everything expected holds."""

    writes: Annotated[list[WriteIn], Meta(min_length=1, max_length=1_000)]
    checks: Annotated[list[StreamCheckIn | QueryCheckIn], Meta(max_length=1_000)] = field(
        default_factory=list[StreamCheckIn | QueryCheckIn]
    )


def expected_of(wanted: Wanted) -> ExpectedVersion:
    """What a writer expects, out of JSON."""
    return wanted if isinstance(wanted, int) else Expected(wanted)


class AppendedOut(Struct, frozen=True):
    """What an append led to. `repeated`: it had been made before, and nothing was appended now."""

    stream: str
    version: int
    positions: list[int]
    ids: list[UUID]
    repeated: bool

    @staticmethod
    def of(stream: str, receipt: Receipt) -> AppendedOut:
        """The receipt of an append."""
        return AppendedOut(stream, receipt.version, [*map(int, receipt.positions)], [*receipt.ids], receipt.repeated)


class AppendedAllOut(Struct, frozen=True):
    """What an append to several streams led to, a receipt for each write."""

    receipts: list[AppendedOut]


class PageQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`after` is exclusive; `since` and `until` are inclusive times of recording."""

    after: Place | None = None
    since: When | None = None
    until: When | None = None
    direction: Literal["forward", "backward"] = "forward"
    limit: Limit | None = None


class SourceQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of: a category, a correlation id, a query as JSON, or types and tags; none of them means every event."""

    category: Name | None = None
    correlation_id: Name | None = None
    query: Annotated[str, Meta(min_length=2, description=QUERY)] | None = None
    type: list[Name] = field(default_factory=list[Name])
    tag: list[Name] = field(default_factory=list[Name])
    journals: bool = False


class EventsQuery(SourceQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which events, and which part of them."""

    after: Place | None = None
    since: When | None = None
    until: When | None = None
    direction: Literal["forward", "backward"] = "forward"
    limit: Limit | None = None

    @property
    def page(self) -> PageQuery:
        """Which part."""
        return PageQuery(
            after=self.after, since=self.since, until=self.until, direction=self.direction, limit=self.limit
        )


class FollowQuery(SourceQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which events; `after`: a version of a stream, else a position, or `end`; `idle`: end after so many quiet seconds."""

    stream: Name | None = None
    after: Place | Literal["end"] | None = None
    since: When | None = None
    idle: Annotated[float, Meta(ge=0, le=86_400)] | None = None


class EventsOut(Struct, frozen=True):
    """A page of events. `next` leads to the next page, and is null on the last; `follow` is what to follow after."""

    schema: int
    data: list[EventRecord]
    next: int | None
    follow: int


class StreamsQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Streams whose names begin with `prefix` and come after a name."""

    prefix: Annotated[str, Meta(max_length=200)] = ""
    after: Annotated[str, Meta(max_length=200)] = ""
    limit: Limit | None = None


class StreamsOut(Struct, frozen=True):
    """A page of streams, by name; `next` is the name after which to go on."""

    schema: int
    data: list[StreamInfo]
    next: str | None


class StateQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`at`: by what the store knew at a version (3), a position (#17), or a time; `valid_at`: of how the world was then."""

    at: Annotated[str, Meta(min_length=1, max_length=60)] | None = None
    valid_at: When | None = None


class StateOut(Struct, frozen=True):
    """The state of a stream, and the version and position of the last event in it."""

    stream: str
    version: int
    position: int
    state: Any


class HeadOut(Struct, frozen=True):
    """The position of the newest event; 0 if there is none."""

    position: int


class StatsOut(Struct, frozen=True):
    """How much the store holds."""

    events: int
    streams: int
    types: dict[str, int]
    categories: dict[str, int]
    head: int
    first_recorded_at: datetime | None
    last_recorded_at: datetime | None
    bytes: int
    durability: str
