"""Events and streams: pages of them, and a story with what led to what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from msgspec import Meta, Struct, field, structs

from refold.flows.pages import Reads
from refold.http.problems import Declined
from refold.http.shapes import Moment, Name, Place
from refold.http.visible import ROWS, SIZE, reading
from refold.mcp.desk import Desk
from refold.mcp.tools import Tool
from refold.messages import OWN, Recorded
from refold.stories import Entry, story_of

MOST: Final = 1_000
"""Events of a story that are looked at."""

Stream = Annotated[str, Meta(min_length=1, max_length=200, description="The name of a stream: category-id.")]
After = Annotated[Place, Meta(description="A cursor: `next` of the page before.")]
Limit = Annotated[int, Meta(ge=1, description="At most so many; the server gives no more than its page.")]


class Streams(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Streams whose names begin with `prefix`; `after` is `next` of the page before."""

    prefix: Annotated[str, Meta(max_length=200)] = ""
    after: Annotated[str, Meta(max_length=200)] = ""
    limit: Limit | None = None


class Page(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which part: `since` and `until` are times of recording, inclusive."""

    after: After | None = None
    since: Moment | None = None
    until: Moment | None = None
    direction: Literal["forward", "backward"] = "forward"
    limit: Limit | None = None


class Events(Page, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Events of a category, of a story, of types and tags, or all."""

    category: Name | None = None
    correlation_id: Name | None = None
    type: list[Name] = field(default_factory=list[Name])
    tag: list[Name] = field(default_factory=list[Name])


class OfStream(Page, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Events of one stream; `after` is a version."""

    stream: Stream


class Story(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The story with this correlation id, or with the event of this id; `after` is a position."""

    story: Name
    after: After = 0
    limit: Limit | None = None


async def list_streams(desk: Desk, asked: Streams) -> object:
    """Streams by name."""
    return await desk.page("streams", **structs.asdict(asked))


async def read_events(desk: Desk, asked: Events) -> object:
    """A page of events."""
    return await desk.page("events", **_given(asked))


async def show_stream(desk: Desk, asked: OfStream) -> object:
    """A page of a stream's events."""
    given = _given(asked)
    return await desk.page("streams", given.pop("stream"), **given)


def _given(asked: Page) -> dict[str, Any]:
    """The parameters of the API, which have the same names."""
    given = structs.asdict(asked)
    return {**given, **{name: given[name] and given[name].isoformat() for name in ("since", "until")}}


async def trace(desk: Desk, asked: Story) -> object:
    """The events of a story, each with what led to it."""
    name, events = await _story(desk, asked.story)
    entries = [each for each in story_of(events[:MOST]).entries if not each.stream.startswith(OWN)]
    rest = [each for each in entries if each.position > asked.after]
    page = rest[: min(asked.limit or desk.most.page, desk.most.page)]
    further = page[-1].position if len(page) < len(rest) else None
    return {"story": name, "data": [*map(_entry, page)], "next": further, "cut": len(events) > MOST}


async def _story(desk: Desk, name: str) -> tuple[str, Sequence[Recorded[Any]]]:
    events = await _of(desk, name)
    if not events and (found := await desk.store.find(UUID(name)) if _is_uuid(name) else ()):
        name = found[0].metadata.correlation_id
        events = await _of(desk, name)
    if not events:
        raise Declined(
            404, "no-such-story", f"there is no story {name[:80]!r}: give a correlation id, or the id of an event."
        )
    return name, events


async def _of(desk: Desk, story: str) -> Sequence[Recorded[Any]]:
    """The events of a story, one more than is looked at; what processes have noted among them leads from one to another.

    The data of all others are let go: they can be large, and are not told.
    """
    found = reading(desk.store, Reads(rows=ROWS, size=SIZE)).read(correlation_id=story, limit=MOST + 1)
    return [
        event if event.stream.category.startswith(OWN) else structs.replace(event, data=None) async for event in found
    ]


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.key, "position": entry.position, "stream": entry.stream, "type": entry.type, "command": entry.command,
        "sent_by": entry.by, "cause": entry.cause or None, "hop": entry.hop, "seconds": entry.after.total_seconds(),
    }  # fmt: skip


TOOLS: Final = (
    Tool("list_streams", "List the streams of the store by name.", Streams, list_streams),
    Tool("read_events", "Read events by position, a page at a time.", Events, read_events),
    Tool("show_stream", "Read the events of one stream by version, a page at a time.", OfStream, show_stream),
    Tool(
        "trace", "Show a story: all events with one correlation id, each with the event that led to it, in `cause`, and the "
        "process in between, in `sent_by`. `read_events` with the correlation id gives their data.", Story, trace,
    ),
)  # fmt: skip
