"""Turn events into rows: checked, encoded, stamped with identity, tags and cause, before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol, cast
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from refold.clock import FIRST, LAST, Clock, as_microseconds, as_text
from refold.codec import Codec, raw_json
from refold.commands import KEPT
from refold.errors import InvalidEvent, InvalidName, UsageError, shortened
from refold.flows.pages import Reads
from refold.flows.shortcuts import Shortcut, StateCache
from refold.fold import Fold, OwnDecider
from refold.limits import Limits
from refold.messages import (
    Context,
    Metadata,
    NewEvent,
    OwnEvent,
    RawEvent,
    StreamName,
    checked_keys,
    checked_name,
    several,
)
from refold.ports import Backend
from refold.projection import Projection
from refold.query import Expected, ExpectedVersion
from refold.rows import NewRow


class KeepingUp(Protocol):
    """Read models that an append brings along."""

    @property
    def projections(self) -> tuple[Projection, ...]:
        """Whose they are."""
        ...

    async def keep_up(self, inside: Backend, runtime: Runtime, after: int, until: int) -> None:
        """Bring them up to date with what was appended between two positions, in its transaction."""
        ...


class Runtime(Struct, frozen=True):
    """What a store's flows work with: its types, its clock, its limits, and the read models that are kept inline.

    `shortcuts`: where the loads of some folds begin; `verifying`: whether each is held against a fold from the first event.
    `reads`: how much at once, and whether what is Refold's own.
    `caches` hold states in this process, for whoever binds the same fold; `None` where what is read may be rolled back.
    """

    codec: Codec
    clock: Clock
    limits: Limits = msgspec.field(default_factory=Limits)
    inline: KeepingUp | None = None
    shortcuts: Mapping[Fold[Any, Any], Shortcut] = msgspec.field(default_factory=dict[Fold[Any, Any], Shortcut])
    verifying: bool = False
    caches: dict[Fold[Any, Any], StateCache] | None = msgspec.field(default_factory=dict[Fold[Any, Any], StateCache])
    reads: Reads = Reads()


class Cause(Struct, frozen=True):
    """Why events are appended: the story, the direct cause, in whose name, and free keys."""

    correlation_id: str | None
    causation_id: str | None
    actor: str | None
    free: Mapping[str, str]
    valid_at: int | None = None

    @staticmethod
    def of(context: Context) -> Cause:
        """Appended directly: without a story to belong to, the first event begins its own."""
        return Cause(
            _named("correlation id", context.correlation_id),
            context.causation_id,
            _named("actor", context.actor),
            context.free,
            _valid_at(context.valid_at),
        )

    @staticmethod
    def recorded(metadata: Metadata) -> Cause:
        """As it was where the event was first recorded."""
        return Cause(
            _named("correlation id", metadata.correlation_id),
            _named("causation id", metadata.causation_id),
            _named("actor", metadata.actor),
            metadata.free,
            _valid_at(metadata.valid_at),
        )

    @staticmethod
    def of_command(context: Context, id: bytes, name: str) -> Cause:
        """Decided upon a command, which itself may have a cause: `$command` and `$cause` keep the chain whole."""
        own = as_text(id)
        free = {**context.free, "$command": name}
        if context.causation_id:
            free["$cause"] = context.causation_id
        story = _named("correlation id", context.correlation_id) or own
        return Cause(story, own, _named("actor", context.actor), free, _valid_at(context.valid_at))

    def keeping(self, command: str | None) -> Cause:
        """The same, which brings the command itself along, as JSON, if it is kept."""
        return self if command is None else replace(self, free={**self.free, KEPT: command})


def _valid_at(moment: datetime | None) -> int | None:
    return None if moment is None else instant("valid_at", moment)


def _named(kind: str, name: str | None) -> str | None:
    return None if name is None else checked_name(kind, name)


def checked_stream(name: StreamName | str) -> str:
    """The text of a stream name.

    Raises:
        InvalidName: the grammar does not allow it, or its category begins with `$`, which is Refold's own.
    """
    stream = StreamName.parse(name)
    if stream.category.startswith("$"):
        raise InvalidName(
            "stream name", str(stream), "categories that begin with '$' are kept for Refold's own streams"
        )
    return str(stream)


def stream_of(fold: Fold[Any, Any], id: str) -> str:
    """The text of the name of a fold's stream.

    Raises:
        InvalidName: as `checked_stream`; a decider of Refold's own has streams of its own, too.
    """
    name = fold.stream(id)
    return str(name) if isinstance(fold, OwnDecider) else checked_stream(name)


def checked_expected(expected: object) -> ExpectedVersion:
    """`expected`, if it is one of the things that a writer can expect.

    Raises:
        UsageError: it is not.
    """
    if isinstance(expected, Expected) or (
        isinstance(expected, int) and not isinstance(expected, bool) and expected >= 0
    ):
        return expected
    raise UsageError(f"expected={expected!r} is neither a version (0 or more) nor ANY, NO_STREAM or EXISTS.")


def prepare(runtime: Runtime, events: Iterable[object], cause: Cause) -> tuple[NewRow, ...]:
    """The rows of one append to one stream.

    Raises:
        InvalidEvent, InvalidName, TooLarge: nothing was written.
        UsageError: something is no event.
    """
    metadata = free_json(cause.free)
    rows: list[NewRow] = []
    correlation_id = cause.correlation_id
    try:
        given = iter(events)
    except TypeError:
        raise UsageError(f"{shortened(events)} is no collection of events: give [...], even for one.") from None
    for event in given:
        row = _row(runtime, event, cause, correlation_id, metadata)
        if not (isinstance(event, NewEvent) and isinstance(event.metadata, Metadata)):  # that has a story of its own
            correlation_id = row.correlation_id
        rows.append(row)
    check_batch(runtime.limits, rows)
    return tuple(rows)


def check_batch(limits: Limits, rows: Collection[NewRow]) -> None:
    """Raises `TooLarge` if the rows of one append are over a limit together, `InvalidEvent` if two share an id."""
    limits.check_batch([len(row.data) for row in rows])
    if len({row.id for row in rows}) < len(rows):
        twice = Counter(row.id for row in rows).most_common(1)[0][0]
        raise InvalidEvent(f"event id {as_text(twice)} stands twice in one append: an id names one event for ever.")


def _row(runtime: Runtime, event: object, cause: Cause, correlation_id: str | None, metadata: bytes) -> NewRow:
    if isinstance(event, NewEvent):
        return _row_of_new(runtime, cast("NewEvent[object]", event), cause, correlation_id)
    type, version, data, tags = _encoded(runtime.codec, event)
    runtime.limits.check_event(type, data, metadata)
    id = runtime.clock.new_id()
    story = correlation_id or as_text(id)
    return NewRow(id, type, version, data, tags, cause.valid_at, story, cause.causation_id, cause.actor, metadata)


def _row_of_new(runtime: Runtime, new: NewEvent[object], cause: Cause, correlation_id: str | None) -> NewRow:
    type, version, data, tags = _encoded(runtime.codec, new.data)
    if isinstance(new.metadata, Metadata):
        cause = Cause.recorded(new.metadata)
        metadata, correlation_id = free_json(cause.free), cause.correlation_id
    else:
        free = new.metadata if isinstance(new, OwnEvent) else checked_keys(new.metadata)
        metadata = free_json({**cause.free, **free})
    runtime.limits.check_event(type, data, metadata)
    id = runtime.clock.new_id() if new.id is None else _id(new.id)
    story = correlation_id or as_text(id)
    valid_at = cause.valid_at if new.valid_at is None else _valid_at(new.valid_at)
    tags = _tags((*tags, *several("tags", new.tags))) if new.tags else tags
    return NewRow(id, type, version, data, tags, valid_at, story, cause.causation_id, cause.actor, metadata)


def _encoded(codec: Codec, data: object) -> tuple[str, int, bytes, tuple[str, ...]]:
    if isinstance(data, RawEvent):
        return data.type, data.version, raw_json(data), ()
    form = codec.form(data.__class__)
    spec = form.spec
    tags = _tags(spec.tags_of(data)) if spec.tags or spec.subject else ()
    return spec.name, spec.version, form.written(data), tags


def _tags(tags: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({checked_name("tag", tag) for tag in tags}))


def event_ids(ids: Iterable[object]) -> list[bytes]:
    """The ids of events, as they stand in a store.

    Raises:
        UsageError: one is no UUID.
    """
    for id in (ids := tuple(ids)):
        if not isinstance(id, UUID):
            raise UsageError(f"{shortened(id)} is no id of an event: give its UUID, as in recorded.id.")
    return [id.bytes for id in cast("tuple[UUID, ...]", ids)]


def _id(id: object) -> bytes:
    if not isinstance(id, UUID):
        raise InvalidEvent(f"event id {shortened(id)} is no UUID.")
    return id.bytes


def instant(what: str, moment: object) -> int:
    """The microseconds since 1970 UTC of a time.

    Raises:
        UsageError: it has no time zone, or in UTC it is in no year from 1 to 9999, and so could not be read back.
    """
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise UsageError(f"{what}={moment!r} is not a time with a time zone: write datetime(..., tzinfo=UTC).")
    microseconds = as_microseconds(moment)
    if not FIRST <= microseconds <= LAST:
        raise UsageError(f"{what}={moment.isoformat()} is in UTC before the year 1 or after 9999: give a time between.")
    return microseconds


def free_json(free: Mapping[str, str]) -> bytes:
    """Metadata's free keys as JSON.

    Raises:
        InvalidEvent: a key or value is not text.
    """
    if not free:
        return b"{}"
    try:
        return msgspec.json.encode(msgspec.convert(free, dict[str, str]))
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise InvalidEvent(
            f"metadata {shortened(free)} cannot be stored ({error}): keys and values are text."
        ) from error
