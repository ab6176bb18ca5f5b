"""Follow: events that are there and events that come, as server-sent events or line by line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
from starlette.responses import Response

from refold.eventlogs.recorded import record_of
from refold.forms import encode
from refold.http.access import category_of
from refold.http.asking import Ask
from refold.http.problems import Declined, problem_of
from refold.http.reading import NDJSON, source_of
from refold.http.routes import Header, Route, Told
from refold.http.sending import Ahead, Going
from refold.http.shapes import FollowQuery
from refold.messages import Recorded
from refold.subscription import AsyncSubscription

SSE: Final = "text/event-stream"
_CHUNK: Final = 1 << 16


async def follow(ask: Ask) -> Response:
    """What was appended after a place, and what will be."""
    asked = ask.query(FollowQuery)
    source = _source(ask, asked)
    wire = _SSE_OF_A_STREAM if asked.stream is not None else _SSE
    wire = _LINES if ask.preferred((SSE, NDJSON)) == NDJSON else wire
    place = ask.header("last-event-id")
    after = asked.after if place is None else _place(place)
    if ask.request.method == "HEAD":
        raise Declined(405, "method-not-allowed", "what never ends has no HEAD.", headers={"Allow": "GET"})
    slot = ask.api.open_slot(ask.access.key)
    try:
        subscription = ask.store.subscribe(**source, after=after, since=asked.since, idle=asked.idle)
    except BaseException:
        slot()
        raise
    body = _frames(ask, subscription, wire, slot)
    return Going(body, slot, headers={"X-Accel-Buffering": "no"}, media_type=wire.kind)


def _source(ask: Ask, asked: FollowQuery) -> dict[str, Any]:
    if asked.stream is None:
        return source_of(ask, asked)
    ask.access.check("read", [category_of(asked.stream)])
    given = asked.category, asked.correlation_id, asked.query, *asked.type, *asked.tag
    if any(each is not None for each in given):
        raise Declined(400, "bad-parameter", "give a stream, or what to select of all: one of the two.")
    return {"stream": asked.stream}


def _place(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= 18:  # noqa: PLR2004 - below 2**62
        return int(text)
    raise Declined(400, "bad-header", "Last-Event-ID is a number: the id of the last event that came.")


@dataclass(frozen=True, slots=True)
class _Wire:
    """How events, signs of life and the end by an error are written."""

    kind: str
    first: bytes
    event: Callable[[Recorded[Any]], bytes]
    beat: Callable[[int], bytes]
    failed: Callable[[Exception], bytes]


def _sse(event: Recorded[Any], place: int) -> bytes:
    data = encode(record_of(event))
    if event.part < event.parts:  # whoever goes on after it would miss the rest of it
        return b"data: %b\n\n" % data
    return b"id: %d\ndata: %b\n\n" % (place, data)


def _sse_of_a_stream(event: Recorded[Any]) -> bytes:
    return _sse(event, event.version)


_SSE: Final = _Wire(
    SSE,
    b"retry: 1000\n: following\n\n",
    lambda event: _sse(event, event.position),
    lambda place: b": beat\nid: %d\n\n" % place,  # which moves a client on, and tells it nothing
    lambda error: b"event: problem\ndata: %b\n\n" % msgspec.json.encode(problem_of(error)),
)
_SSE_OF_A_STREAM: Final = replace(_SSE, event=_sse_of_a_stream)
_LINES: Final = _Wire(
    NDJSON,
    b"\n",
    lambda event: encode(record_of(event)) + b"\n",
    lambda _: b"\n",
    lambda error: msgspec.json.encode({"problem": problem_of(error)}) + b"\n",
)


async def _frames(
    ask: Ask, subscription: AsyncSubscription, wire: _Wire, slot: Callable[[], None]
) -> AsyncIterator[bytes]:
    """One after another, as many at once as are there; a sign of life when nothing came for a while.

    As often, it is looked whether the client may still read.
    """
    api, looked = ask.api, time.monotonic()
    ready: Ahead[bytes | None] = Ahead()
    api.following.add(subscription)
    pump: asyncio.Future[None] | None = None
    try:
        # What is appended after the first byte is not missed, where it begins at the end.
        await subscription.__aenter__()
        pump = asyncio.ensure_future(_pump(subscription, wire, ready))
        yield wire.first
        while True:
            if time.monotonic() - looked >= api.heartbeat:
                if not await api.lets_in(ask.request):
                    return
                looked = time.monotonic()
            try:
                async with asyncio.timeout(api.heartbeat):
                    chunk: list[bytes | None] = [await ready.get()]
            except TimeoutError:
                if ready.is_empty:  # all up to there was sent
                    yield wire.beat(int(subscription.position))
                continue
            while not ready.is_empty and sum(len(each or b"") for each in chunk) < _CHUNK:
                chunk.append(ready.get_nowait())
            yield b"".join(each for each in chunk if each is not None)
            if chunk[-1] is None:
                return
    finally:
        api.following.discard(subscription)
        if pump is not None:
            pump.cancel()
        await subscription.close()
        slot()


async def _pump(subscription: AsyncSubscription, wire: _Wire, ready: Ahead[bytes | None]) -> None:
    try:
        async for event in subscription:
            told = wire.event(event)
            await ready.put(told, len(told))
    except Exception as error:  # noqa: BLE001 - told to the client, which has its status already
        await ready.put(wire.failed(error))
    await ready.put(None)


_FOLLOWED: Final = {
    "type": "object",
    "description": "Events as they come, each with its place as its id, and itself as its data, in JSON.",
    "properties": {"id": {"type": "string"}, "event": {"type": "string"}, "data": {"type": "string"}},
}
_LINE: Final = {"type": "string", "description": "An event as JSON on each line; empty lines are signs of life."}

ROUTES: Final = (
    Route("GET", "/follow", follow, "read", "Follow events: what is there, then what comes", {
        200: Told("A stream that ends with the connection, or after `idle` seconds.", {SSE: _FOLLOWED, NDJSON: _LINE}),
    }, (400, 406), query=FollowQuery, headers=(
        Header("Last-Event-ID", "Go on after this place: the id of the last event that came."),
    ), group="read"),
)  # fmt: skip
