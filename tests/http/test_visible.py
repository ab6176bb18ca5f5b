"""What is Refold's own is seen by who may steer, by nobody else, however it is asked for; and little is read at once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from tests.http.conftest import Serve
from tests.http.test_access import granted, issue

from refold import AsyncStore, RawEvent, command, event
from refold.flows.pages import Reads
from refold.fold import OwnDecider
from refold.http.access import Access, Grant
from refold.http.visible import reading, visible

STORY = "order-17"


@event("stone.late")
@dataclass(frozen=True)
class Late:
    """A timeout, whose type is the application's, in the journal of a process."""

    number: int


@command("stone.note-late")
@dataclass(frozen=True)
class NoteLate:
    """What puts it there."""

    number: int


def _decide(noted: NoteLate, _: None) -> Iterable[Late]:
    yield Late(noted.number)


def _evolve(_: None, __: Late) -> None: ...


JOURNAL = OwnDecider("$process.haulage", initial=lambda: None, evolve=_evolve, decide=_decide)


@pytest.fixture
async def filled(store: AsyncStore) -> AsyncStore:
    """A token, a journal, and stones between them, all of one story."""
    told = store.context(correlation_id=STORY)
    for number in range(3):
        await issue(told, "read")
        await told.bind(JOURNAL).handle(f"s-{number}", NoteLate(number))
        await told.append(f"stone-{number}", [_stone(number)])
    return store


def _stone(number: int, size: int = 0) -> RawEvent:
    return RawEvent("stone", {"number": number, "text": "x" * size})


ASKED = {
    "story": f"/events?correlation_id={STORY}",
    "backward": f"/events?correlation_id={STORY}&direction=backward",
    "pages": f"/events?correlation_id={STORY}&limit=1",
    "type": "/events?type=stone.late&type=stone",
    "follow": f"/follow?correlation_id={STORY}&idle=0",
    "follow type": "/follow?type=stone.late&type=stone&idle=0",
}


async def told(serve: Serve, path: str, kind: str, *scopes: str) -> list[str]:
    """The streams of all events, page after page."""
    client, found, after = serve(authorize=granted(*scopes)), list[str](), ""
    while True:
        answer = await client.get(path + after, headers={"Accept": kind})
        if kind != "application/json":
            return [json.loads(line)["stream"].partition("-")[0] for line in answer.text.splitlines() if line]
        page = answer.json()
        found += [each["stream"].partition("-")[0] for each in page["data"]]
        if page["next"] is None:
            return found
        after = f"&after={page['next']}"


@pytest.mark.parametrize(("asked", "kind"), [
    *((each, "application/json") for each in ("story", "backward", "pages", "type")),
    *((each, "application/x-ndjson") for each in ("story", "backward", "type", "follow", "follow type")),
], ids=str)  # fmt: skip
async def test_who_may_not_steer_sees_nothing_that_is_refolds_own(
    serve: Serve, filled: AsyncStore, asked: str, kind: str
) -> None:
    assert await told(serve, ASKED[asked], kind, "read") == ["stone"] * 3
    assert len(await told(serve, ASKED[asked], kind, "read", "admin")) == (6 if "type" in asked else 9)


async def test_an_event_that_is_refolds_own_is_there_for_who_may_steer_alone(serve: Serve, filled: AsyncStore) -> None:
    (own, *_) = [event async for event in filled.read(category="$token")]
    clients = serve(authorize=granted("read")), serve(authorize=granted("read", "admin"))
    paths = f"/events/{own.position}", f"/events/{own.id}"
    assert [(await client.get(path)).status_code for client in clients for path in paths] == [404, 404, 200, 200]


async def test_what_is_read_for_one_caller_is_bounded_by_its_bytes(store: AsyncStore) -> None:
    sizes = [10, 5_000, 5_000, 10, 10, 10, 5_000, 10]
    for number, size in enumerate(sizes):
        await store.append("stone-1", [_stone(number, size)])
    small = reading(store, Reads(rows=4, size=4_000))
    everything = [event.version async for event in small.read()]
    some = [event.version async for event in small.read("stone-1", direction="backward", limit=5)]
    async with small.subscribe("stone-1", idle=0) as versions, small.subscribe(idle=0) as positions:
        followed = [event.version async for event in versions], [event.version async for event in positions]
        held = small.subscribe(idle=0)
        most = 0
        async for _ in held:
            most = max(most, sum(len(row.data) for row in held._follower._rows))
    assert (everything, some) == ([*range(1, 9)], [8, 7, 6, 5, 4])
    assert followed == (everything, everything)
    assert most < 4_000 + 5_100


def test_little_is_read_at_once_for_a_caller(store: AsyncStore) -> None:
    reads = [
        visible(store, Access("x", grants))._runtime.reads
        for grants in ((Grant("read"),), (Grant("read"), Grant("admin")))
    ]
    assert reads == [Reads(own=False, rows=64, size=1 << 20), Reads(own=True, rows=64, size=1 << 20)]
