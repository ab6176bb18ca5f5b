"""Read: pages of events, one event, the state of a stream, and what there is as a whole."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from starlette.responses import Response

from refold.cloudevents import STRUCTURED
from refold.errors import UsageError
from refold.eventlogs.recorded import EventRecord, record_of
from refold.eventlogs.times import moment
from refold.flows.load import AsOf
from refold.forms import encode
from refold.http.access import category_of
from refold.http.asking import Ask, answer
from refold.http.bodies import JSON, converted, json_of
from refold.http.messages import BATCH, as_message
from refold.http.problems import Declined
from refold.http.routes import NAME, Header, Route, Told
from refold.http.sending import Going
from refold.http.shapes import (
    QUERY,
    EventsOut,
    EventsQuery,
    PageQuery,
    QueryIn,
    SourceQuery,
    StateOut,
    StateQuery,
)
from refold.messages import OWN, Position, Recorded, StreamName
from refold.patching import presentable
from refold.query import Query

NDJSON: Final = "application/x-ndjson"
_CHUNK: Final = 1 << 18
_PAGE: Final = 4 << 20
"""Bytes of JSON: lines are sent when there are so many, a page ends with the event that it has so many by."""
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NUMBER: Final = re.compile(r"[0-9]{1,18}")


def source_of(ask: Ask, asked: SourceQuery) -> dict[str, Any]:
    """What `read` and `subscribe` are to be asked for, if the caller may read it.

    Raises:
        Declined: it may not; or types and tags are given beside a query.
    """
    query = _query(asked)
    ask.access.check("read", [asked.category])
    if asked.journals:
        ask.access.check("admin", [None])
    if query is not None and any(type.startswith(OWN) for item in query.items for type in item.types):
        ask.access.check("admin", [None])
    found = {"category": asked.category, "correlation_id": asked.correlation_id, "query": query}
    return {**{name: value for name, value in found.items() if value is not None}, "journals": asked.journals}


def _query(asked: SourceQuery) -> Query | None:
    simple = Query.of(types=asked.type, tags=asked.tag) if asked.type or asked.tag else None
    if asked.query is None:
        return simple
    if simple is not None:
        raise Declined(400, "bad-parameter", "give a query, or types and tags: one of the two.")
    given = json_of(asked.query.encode("utf-8", "surrogatepass"), "parameter 'query'", QUERY)
    return converted(given, QueryIn, "the query", status=400).query()


async def read_events(ask: Ask) -> Response:
    """Events of a category, a query, a story, or all."""
    asked = ask.query(EventsQuery)
    return await _pages(ask, asked.page, source_of(ask, asked))


async def read_stream(ask: Ask) -> Response:
    """Events of a stream."""
    asked, stream = ask.query(PageQuery), ask.path["stream"]
    ask.access.check("read", [category_of(stream)])
    return await _pages(ask, asked, {"stream": stream}, await version_of(ask, stream))


async def version_of(ask: Ask, stream: str) -> int:
    """The version that a stream is at.

    Raises:
        Declined: 404, it has no events.
    """
    async for event in ask.store.read(stream, direction="backward", limit=1):
        return event.version
    raise Declined(404, "no-such-stream", f"there is no stream {stream!r}.")


def _tagged(ask: Ask, told: bytes, kind: str, version: int | None, headers: dict[str, str] | None = None) -> Response:
    """What is told of a stream at this version, with a tag that nothing else has; 304 if the client has that already."""
    if version is None:
        return Response(told, headers=headers, media_type=kind)
    tag = f'"{version}-{hashlib.sha256(told).hexdigest()[:32]}"'
    wanted, headers = ask.header("if-none-match"), {**(headers or {}), "ETag": tag}
    if wanted is not None and (wanted.strip() == "*" or tag in {each.strip() for each in wanted.split(",")}):
        return Response(status_code=304, headers=headers)
    return Response(told, headers=headers, media_type=kind)


async def _pages(ask: Ask, asked: PageQuery, source: dict[str, Any], version: int | None = None) -> Response:
    """What was asked for, as a page, a batch of messages, or all of it line by line; `version`: of the stream that it is."""
    kind = ask.preferred((JSON, NDJSON, BATCH))
    between: dict[str, Any] = {
        "after": asked.after,
        "since": asked.since,
        "until": asked.until,
        "direction": asked.direction,
    }
    if kind == NDJSON:
        return _all(ask, ask.store.read(**source, **between, limit=asked.limit), version)
    by_version, limit = "stream" in source, min(asked.limit or ask.api.quotas.page, ask.api.quotas.page)
    head = 0 if by_version else int(await ask.store.head())  # first the bound, then what is there
    written = _as_message(ask) if kind == BATCH else _as_record
    page, more = await _page(ask.store.read(**source, **between, limit=limit + 1), written, limit)
    if more and not page:  # one stored event is read as more than that
        found = ask.store.read(**source, **between)
        page, more = await _page(found, written)
    places = [each.version if by_version else each.position for each in page]
    further = places[-1] if more else None
    if kind == BATCH:
        return _tagged(ask, b"[%b]" % b",".join(each.told for each in page), BATCH, version, _links(ask, further))
    follow = max(places) if places else max(head, asked.after or 0)
    records: Any = [msgspec.Raw(each.told) for each in page]
    return _tagged(ask, encode(EventsOut(1, records, further, follow)), JSON, version, _links(ask, further))


class _Entry(NamedTuple):
    """An event of a page, and its place."""

    told: bytes
    position: int
    version: int


_Written: TypeAlias = Callable[[Recorded[Any]], bytes]


def _as_record(event: Recorded[Any]) -> bytes:
    return encode(record_of(event))


def _as_message(ask: Ask) -> _Written:
    return lambda event: as_message(ask, event).structured()


async def _page(
    events: AsyncIterator[Recorded[Any]], written: _Written, limit: int | None = None
) -> tuple[Sequence[_Entry], bool]:
    """So many events, or fewer, and whether there are more: what is stored as one event is not parted.

    Without a limit, all that the first stored one is read as.
    """
    found: list[_Entry] = []
    size = 0
    async for event in events:
        is_next = bool(found) and found[-1].position != event.position
        if is_next and (limit is None or size >= _PAGE):
            return found, True
        if limit is not None and len(found) == limit:
            return [each for each in found if each.position != event.position], True
        found.append(_Entry(written(event), int(event.position), event.version))
        size += len(found[-1].told)
    return found, False


def _links(ask: Ask, further: int | None) -> dict[str, str]:
    if further is None:
        return {}
    kept = [(name, value) for name, value in ask.request.query_params.multi_items() if name != "after"]
    return {"Link": f'<?{urlencode([*kept, ("after", further)])}>; rel="next"'}


def _all(ask: Ask, events: AsyncIterator[Recorded[Any]], version: int | None) -> Response:
    """All of it, which goes on for as long as the client takes: no tag could tell what it will be, but that of the stream."""
    headers = {} if version is None else {"ETag": f'"{version}"'}
    if ask.request.method == "HEAD":
        return Response(headers=headers, media_type=NDJSON)
    return Going(_lines(events), ask.api.open_slot(ask.access.key), headers=headers, media_type=NDJSON)


async def _lines(events: AsyncIterator[Recorded[Any]]) -> AsyncIterator[bytes]:
    lines, size = list[bytes](), 0
    async for event in events:
        lines.append(_as_record(event) + b"\n")
        size += len(lines[-1])
        if size >= _CHUNK:
            yield b"".join(lines)
            lines, size = [], 0
    yield b"".join(lines)


async def read_event(ask: Ask) -> Response:
    """One event, by its position or its id."""
    event = await _one(ask, ask.path["event"])
    ask.access.check("read", [event.stream.category])
    if ask.preferred((JSON, STRUCTURED)) == STRUCTURED:
        return Response(as_message(ask, event).structured(), media_type=STRUCTURED)
    return answer(record_of(event))


async def _one(ask: Ask, text: str) -> Recorded[Any]:
    found: Sequence[Recorded[Any]] = ()
    if _NUMBER.fullmatch(text) and int(text):
        found = [event async for event in ask.store.read(after=int(text) - 1, limit=1, journals=True)]
        found = [event for event in found if event.position == int(text)]
    elif _UUID.fullmatch(text):
        found = await ask.store.find(UUID(text))
    if not found:
        raise Declined(404, "no-such-event", "there is no such event: name one by its position or by its id.")
    return found[0]


async def read_state(ask: Ask) -> Response:
    """The state of a stream, as of then."""
    asked, name = ask.query(StateQuery), StreamName.parse(ask.path["stream"])
    ask.access.check("read", [name.category])
    await version_of(ask, str(name))
    is_current = asked.at is None and asked.valid_at is None
    streams = ask.store.bind(ask.api.classes.fold(name.category))
    loaded = await streams.load(name.id, as_of=as_of(asked.at), valid_at=asked.valid_at)
    told = StateOut(str(name), loaded.version, int(loaded.position), _shown(loaded.state))
    return _tagged(ask, encode(told), JSON, loaded.version if is_current else None)


def _shown(state: object) -> Any:  # noqa: ANN401 - JSON of any shape
    try:
        return presentable(state)
    except UsageError as error:
        raise Declined(406, "not-acceptable", str(error)) from error


def as_of(text: str | None) -> AsOf | None:
    if text is None:
        return None
    if _NUMBER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text[1:]) and text[0] == "#":
        return Position(text[1:])
    try:
        return moment(text)
    except ValueError as error:
        raise Declined(
            400, "bad-parameter", f"at={text!r} is no version, no position such as #17, and no time."
        ) from error


_STREAM: Final[dict[str, Any]] = {"stream": {**NAME, "description": "`category-id`, percent-encoded."}}
_TAG: Final = {"ETag": "The version of the stream, and a digest of the answer; If-Match takes it with or without that."}
_LINK: Final = {"Link": "Where the next page is, if there is one."}
_IF_NONE_MATCH: Final = Header("If-None-Match", "An ETag; 304 if the answer would be the same.")
_LINES: Final = {"type": "string", "description": "An event as JSON on each line."}
_EVENTS: Final[dict[str, Any]] = {
    JSON: EventsOut,
    NDJSON: _LINES,
    BATCH: {"type": "array", "items": {"type": "object"}},
}

ROUTES: Final = (
    Route("GET", "/streams/{stream}", read_stream, "read", "Read the events of a stream", {
        200: Told("A page; as NDJSON, all.", _EVENTS, {**_TAG, **_LINK}), 304: Told("Nothing is new.", headers=_TAG),
    }, (400, 404, 406, 410), query=PageQuery, headers=(_IF_NONE_MATCH,), variables=_STREAM, group="read"),
    Route("GET", "/streams/{stream}/state", read_state, "read", "The state of a stream, now or as of then", {
        200: Told("The state.", {JSON: StateOut}, _TAG), 304: Told("Nothing is new.", headers=_TAG),
    }, (400, 404, 406, 410), query=StateQuery, headers=(_IF_NONE_MATCH,), variables=_STREAM, group="read"),
    Route("GET", "/events", read_events, "read", "Read events of a category, a query, a story, or all", {
        200: Told("A page; as NDJSON, all.", _EVENTS, _LINK),
    }, (400, 406, 410), query=EventsQuery, group="read"),
    Route("GET", "/events/{event}", read_event, "read", "Read one event, by its position or its id", {
        200: Told("The event.", {JSON: EventRecord, STRUCTURED: {"type": "object"}}),
    }, (400, 404, 406, 410), variables={"event": {"type": "string", "minLength": 1, "maxLength": 36}}, group="read"),
)  # fmt: skip
