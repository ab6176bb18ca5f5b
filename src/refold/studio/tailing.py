"""Tailing: events that come while a page is open, as rows, over server-sent events.

The page says up to which position it was rendered, and a browser that connects again says what came last: so nothing is lost
between the two, nor told twice. Rows are gathered for a quarter of a second, so that a busy store does not flood the page.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from starlette.responses import Response, StreamingResponse

from refold.http.problems import Declined, problem_of
from refold.messages import Recorded
from refold.studio.asking import Ask
from refold.studio.filters import filters_of
from refold.studio.routing import Route
from refold.studio.rows import Row, html_of, row_of
from refold.subscription import AsyncSubscription

SSE: Final = "text/event-stream"
EVERY: Final = 0.25
_AHEAD: Final = 1_000
"""Rows that are made ready for a page: each shows little of its event, so these are few bytes."""
_MOST: Final = 64
"""Pages that follow at once."""


class Passed(NamedTuple):
    """An event that came, by its position, and its row, if it is meant."""

    position: int
    row: Row | None


Came: TypeAlias = "Passed | Exception | None"


async def tail(ask: Ask) -> Response:
    """Rows, as they come."""
    asked, after = filters_of(ask), _place(ask)
    if ask.request.method == "HEAD":
        raise Declined(405, "method-not-allowed", "what never ends has no HEAD.", headers={"Allow": "GET"})
    if len(ask.studio.following) >= _MOST:
        raise Declined(503, "too-many", f"{_MOST} pages follow this store already.")
    # A position, whatever is selected: of one stream, too, so all is looked through for it.
    source: Mapping[str, Any] = {} if asked.stream and not asked.stream.startswith("$") else asked.source
    subscription = ask.stored.subscribe(**source, after=None if "stream" in source else after)
    body = _frames(ask, subscription, asked.matches, after)
    return StreamingResponse(body, headers={"X-Accel-Buffering": "no"}, media_type=SSE)


def _place(ask: Ask) -> int:
    last = ask.request.headers.get("last-event-id", "")
    if last.isascii() and last.isdecimal() and len(last) <= 18:  # noqa: PLR2004 - below 2**62
        return int(last)
    return ask.number("after") or 0


async def _frames(
    ask: Ask, subscription: AsyncSubscription, matches: Callable[[Recorded[Any]], bool], after: int
) -> AsyncIterator[bytes]:
    """What came in each quarter of a second; a sign of life when nothing did."""
    studio, looked = ask.studio, time.monotonic()
    ready: asyncio.Queue[Came] = asyncio.Queue(_AHEAD)
    studio.following.add(subscription)
    pump = asyncio.ensure_future(_pump(subscription, matches, ready))
    names = {"url": ask.url, "hue": studio.hues.of}
    try:
        yield b"retry: 1000\n: following\n\n"
        while True:
            if time.monotonic() - looked >= studio.heartbeat:
                if not await studio.lets_in(ask.request):
                    return
                looked = time.monotonic()
            came = await _gathered(ready, studio.heartbeat)
            passed = [each for each in came if isinstance(each, Passed) and each.position > after]
            if passed:
                rows = [each.row for each in reversed(passed) if each.row is not None]
                yield frame("rows", html_of(rows, names, "fresh"), passed[-1].position)
            elif not came:
                yield b": beat\n\n"
            for each in came:
                if isinstance(each, Exception):
                    yield frame("problem", problem_of(each).detail)
                if not isinstance(each, Passed):
                    return
    finally:
        studio.following.discard(subscription)
        pump.cancel()
        await subscription.close()


async def _gathered(ready: asyncio.Queue[Came], patience: float) -> Sequence[Came]:
    """What comes within a moment of the first, which is waited for as long as patience lasts."""
    came: list[Came] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience):
            came.append(await ready.get())
        async with asyncio.timeout(EVERY):
            while len(came) < _AHEAD and came[-1] is not None:
                came.append(await ready.get())
    return came


async def _pump(
    subscription: AsyncSubscription, matches: Callable[[Recorded[Any]], bool], ready: asyncio.Queue[Came]
) -> None:
    """Put what comes into the queue: what passed, at last an error or nothing."""
    try:
        async for event in subscription:
            await ready.put(Passed(int(event.position), row_of(event) if matches(event) else None))
    except Exception as error:  # noqa: BLE001 - told to the page, which has its status already
        await ready.put(error)
    await ready.put(None)


def frame(event: str, data: str, place: int | None = None) -> bytes:
    """A message of server-sent events."""
    lines = [f"event: {event}", *(f"data: {line}" for line in data.splitlines())]
    lines += [f"id: {place}"] if place is not None else []
    return ("\n".join(lines) + "\n" + ("" if data else "data:\n") + "\n").encode()


ROUTES: Final = (Route("GET", "/events/live", tail),)
