"""The store as a whole: its streams, its head, how much it holds."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

from refold.http.asking import Ask, answer
from refold.http.bodies import JSON
from refold.http.routes import Route, Told
from refold.http.shapes import HeadOut, StatsOut, StreamsOut, StreamsQuery
from refold.messages import OWN
from refold.ports import StreamInfo


async def list_streams(ask: Ask) -> Response:
    """Streams by name."""
    asked = ask.query(StreamsQuery)
    ask.access.check("read", [asked.prefix.partition("-")[0] or None])
    limit = min(asked.limit or ask.api.quotas.page, ask.api.quotas.page)
    found: list[StreamInfo] = []
    async for info in ask.store.streams(asked.prefix, after=asked.after):
        if len(found) > limit:
            break
        if asked.prefix.startswith(OWN) or not info.stream.startswith(OWN):
            found.append(info)
    further = found[limit - 1].stream if len(found) > limit else None
    return answer(StreamsOut(1, found[:limit], further), headers=_next_stream(asked, further))


def _next_stream(asked: StreamsQuery, further: str | None) -> dict[str, str]:
    if further is None:
        return {}
    query = {"prefix": asked.prefix, "after": further, **({"limit": asked.limit} if asked.limit else {})}
    return {"Link": f'<?{urlencode(query)}>; rel="next"'}


async def read_head(ask: Ask) -> Response:
    """The position of the newest event."""
    ask.access.check("read", [None])
    return answer(HeadOut(int(await ask.store.head())))


async def read_stats(ask: Ask) -> Response:
    """How much there is."""
    ask.access.check("read", [None])
    stats = await ask.store.stats()
    return answer(StatsOut(**msgspec.structs.asdict(stats), durability=ask.store.durability))


ROUTES: Final = (
    Route("GET", "/streams", list_streams, "read", "List streams by name", {
        200: Told("A page.", {JSON: StreamsOut}, {"Link": "Where the next page is, if there is one."}),
    }, (400,), query=StreamsQuery, group="read"),
    Route("GET", "/head", read_head, "read", "The position of the newest event", {
        200: Told("The position.", {JSON: HeadOut}),
    }, group="read"),
    Route("GET", "/stats", read_stats, "read", "How much the store holds", {
        200: Told("The counts.", {JSON: StatsOut}),
    }, group="read"),
)  # fmt: skip
