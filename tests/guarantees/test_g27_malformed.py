"""G27: malformed requests get a proper answer: no 5xx, no hang, no traceback.

Requests of HTTP are broken byte by byte and thrown over connections that are half closed; calls of gRPC are nonsense, broken, or
no messages at all; and every operation is asked all that its description allows and forbids, each answer held against it.
Meanwhile nothing may be written that was not acknowledged, nothing be lost, nothing be logged as an error; the server goes on.
"""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest
from tests.grpc.hostile import FINE, attack
from tests.grpc.serving import raw
from tests.grpc.serving import served as served_calls
from tests.guarantees.seeding import seeded
from tests.guarantees.telling import tell
from tests.http.describing import OPERATIONS, Served, try_out
from tests.http.mangling import mangled, throw
from tests.http.serving import served

from refold import AsyncStore, RawEvent, Store
from refold.http import Quotas, anyone, api

pytestmark = pytest.mark.guarantee("G27")

AT_ONCE = 20


def many(short: int, long: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("count", [short, pytest.param(long, marks=pytest.mark.long)], ids=["short", "long"])


@many(200, 10_000)
async def test_mangled_requests_of_http_crash_nothing_and_lose_nothing(
    count: int, caplog: pytest.LogCaptureFixture
) -> None:
    seed, began, seen = seeded(), time.monotonic(), dict[str, int]()
    chance = random.Random(seed)  # noqa: S311 - no secret
    async with await AsyncStore.open("sqlite:///:memory:", events=[RawEvent]) as store:
        await store.append("stone-0", [RawEvent("stone", {"number": 0})])
        async with served(api(store, authorize=anyone, quotas=Quotas(rate=1e6, burst=10**6))) as (client, _):
            assert client.base_url.port is not None
            for _ in range(count // AT_ONCE):
                thrown = [throw("127.0.0.1", client.base_url.port, mangled(chance)) for _ in range(AT_ONCE)]
                for line in await asyncio.gather(*thrown):
                    status = line[9:12].decode("latin-1")
                    seen[status] = seen.get(status, 0) + 1
            head = (await client.get("/head")).json()["position"]
        stored = [event async for event in store.read()]
    told = {status or "closed": each for status, each in sorted(seen.items())}
    tell(
        "G27",
        "http",
        requests=count,
        answers=told,
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
    )
    assert ("400" in seen, [status for status in seen if status.startswith("5")]) == (True, [])
    assert (len(stored), stored[0].data.data) == (head, {"number": 0})
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@many(400, 10_000)
def test_hostile_calls_of_grpc_crash_nothing_and_lose_nothing(
    tmp_path: Path, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    seed, began, url = seeded(), time.monotonic(), f"sqlite:///{tmp_path}/shop.db"
    with Store.open(url, events=[RawEvent]) as store, served_calls(url) as server, raw(server) as caller:
        store.append("heap-1", [RawEvent("stone", {"number": 1})])
        told = attack(caller, seed, count)
        assert [event.data for event in store.read("heap-1", limit=1)] == [RawEvent("stone", {"number": 1})]
        assert caller.call("Head")[0] == "OK"
    tell(
        "G27",
        "grpc",
        calls=count,
        statuses=dict(sorted(told.items())),
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
    )
    assert ({*told} - FINE, told["INVALID_ARGUMENT"] > count / 8) == (set(), True), told
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@many(4 * 2 * OPERATIONS, 10_000)
def test_whatever_the_description_allows_is_taken_and_whatever_it_forbids_refused(
    tmp_path: Path, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    seed, began = seeded(), time.monotonic()
    with Served(tmp_path) as server:
        asked = try_out(server, -(-count // (2 * OPERATIONS)), seed)
    tell("G27", "openapi", operations=OPERATIONS, requests=asked, seed=seed, seconds=round(time.monotonic() - began, 1))
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
