"""Health and figures: it knows what is stuck, and says so to who may know."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from tests.http.conftest import Client, Serve, added
from tests.http.desk import app, carts, notes, reminders
from tests.http.test_access import granted

from refold import AsyncStore, RawEvent
from refold.http import anyone, api
from refold.testing import ManualClock


async def test_it_lives_and_is_ready(client: Client) -> None:
    for path in ("/livez", "/readyz"):
        assert ((await client.get(path)).status_code, (await client.get(path)).json()) == (
            200,
            {"status": "ok", "stuck": []},
        )


async def test_a_read_model_that_nobody_works_on_makes_it_unready_and_is_named_to_who_may_read(
    tmp_path: Path,
) -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    async with await AsyncStore.open(f"sqlite:///{tmp_path}/shop.db", events=[RawEvent], clock=clock) as store:
        await store.append("cart-1", [RawEvent("cart.noted", {"note": "x"})])
        await store.catch_up(notes)
        await store.append("cart-1", [RawEvent("cart.noted", {"note": "y"})])
        clock.move(timedelta(minutes=1))
        answers: list[httpx.Response] = []
        transport = httpx.ASGITransport(api(store, app=app, authorize=anyone))
        for each in (httpx.ASGITransport(api(store, app=app, authorize=granted("append"))), transport):
            async with httpx.AsyncClient(transport=each, base_url="http://x") as client:
                answers += [await client.get("/readyz"), await client.get("/livez")]
        stuck = {"kind": "projection", "name": "notes", "state": "running", "reason": "", "lag": 1}
        told = [(each.status_code, each.json()["stuck"]) for each in answers]
        assert told == [(503, []), (200, []), (503, [stuck]), (200, [])]
        await store.model(notes).catch_up()
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            assert (await client.get("/readyz")).status_code == 200


async def test_a_process_that_stands_still_makes_it_unready(client: Client, store: AsyncStore) -> None:
    await client.post("/streams/cart-1", json={"events": [added()]})
    await store.process(reminders).catch_up(carts)
    from refold import Projection  # noqa: PLC0415
    from refold.flows.processes.consuming import consumer_name  # noqa: PLC0415

    await store.model(Projection(consumer_name("reminders"))).pause("by hand")
    await client.post("/streams/cart-1", json={"events": [added()]})
    told = await client.get("/readyz")
    assert (told.status_code, told.json()["stuck"]) == (
        503, [{"kind": "process", "name": "reminders", "state": "paused", "reason": "by hand", "lag": 1}],
    )  # fmt: skip


async def test_an_instance_that_waits_for_a_person_is_listed_and_takes_no_server_out_of_service(
    client: Client, store: AsyncStore
) -> None:
    for sent in (added(), {"type": "cart.noted", "data": {"note": "unreadable"}}):
        await client.post("/streams/cart-1", json={"events": [sent]})
    await store.process(reminders).catch_up(carts)
    ready, listed = await client.get("/readyz"), await client.get("/processes/reminders?stuck=true")
    assert (ready.status_code, [each["id"] for each in listed.json()["data"]]) == (200, ["1"])


async def test_a_store_that_does_not_answer_is_not_ready(serve: Serve, store: AsyncStore) -> None:
    client = serve()
    await store.close()
    told = [(await client.get("/readyz")).status_code, (await client.get("/livez")).status_code]
    assert told == [503, 200]


async def test_figures_are_as_prometheus_reads_them(client: Client, store: AsyncStore) -> None:
    await client.post("/streams/cart-1", json={"events": [{"type": "cart.noted", "data": {"note": "x"}}]})
    await store.catch_up(notes)
    await client.get("/nothing/here")
    text = (await client.get("/metrics")).text
    line = re.compile(r'(# (HELP|TYPE) \w+ .+|\w+\{(\w+="([^"\\]|\\.)*",?)*\} [0-9.e+-]+)')
    assert [each for each in text.splitlines() if not line.fullmatch(each)] == []
    labels = '{name="notes",version="1",role="active",build="1"}'
    for expected in (
        f"refold_projection_position{labels} 1",
        f"refold_projection_lag{labels} 0",
        f"refold_projection_oldest_waiting_seconds{labels} 0",
        f"refold_projection_stuck{labels} 0",
        "refold_store_position{} 1",
        "refold_http_subscriptions{} 0",
        'refold_http_requests_total{method="POST",route="/streams/{stream}",status="201"} 1',
        'refold_http_requests_total{method="-",route="-",status="404"} 1',
    ):
        assert expected in text.splitlines()


@pytest.mark.parametrize("path", ["/projections", "/processes", "/readyz", "/metrics"])
async def test_a_store_without_sql_has_no_read_models(path: str) -> None:
    async with await AsyncStore.open("memory://", events=[RawEvent]) as store:
        transport = httpx.ASGITransport(api(store, authorize=anyone))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            assert (await client.get(path)).status_code == 200
