"""Read models and processes over HTTP: seen, paused, mended, and every such request kept for the audit."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from tests.http.conftest import Client, added
from tests.http.desk import carts, notes, reminders

from refold import AsyncStore
from refold.http.application import ROUTES
from refold.http.auditing import AUDIT

WHY = {"reason": "a test"}


async def asked(store: AsyncStore) -> list[tuple[str, str, str, str | None]]:
    """What the audit holds."""
    found = [event async for event in store.read(category=AUDIT)]
    return [(each.data.action, each.data.subject, each.data.reason, each.metadata.actor) for each in found]


@pytest.fixture
async def noted(client: Client, store: AsyncStore) -> Client:
    """Two carts: in the first one a note cannot be taken in, and one waits behind it."""
    for stream, note in (("cart-1", "a [gift]"), ("cart-1", "more"), ("cart-2", "else")):
        await client.post(f"/streams/{stream}", json={"events": [{"type": "cart.noted", "data": {"note": note}}]})
    async with store.run(notes), asyncio.timeout(30):
        while not [each for each in await store.projections() if each.position == 3]:  # noqa: ASYNC110 - a runner's work
            await asyncio.sleep(0.01)
    return client


async def test_a_read_model_is_seen(noted: Client) -> None:
    (build,) = (await noted.get("/projections")).json()["data"]
    (same,) = (await noted.get("/projections/notes")).json()["data"]
    assert {name: build[name] for name in ("name", "state", "position", "lag", "dead_letters", "parked_keys")} == {
        "name": "notes", "state": "running", "position": 3, "lag": 0, "dead_letters": 2, "parked_keys": 1,
    }  # fmt: skip
    assert same == build
    assert (await noted.get("/projections/other")).status_code == 404


async def test_a_read_model_is_paused_and_resumed_and_that_is_kept(noted: Client, store: AsyncStore) -> None:
    paused = await noted.post("/projections/notes/pause", json={"reason": "the disk"})
    resumed = await noted.post("/projections/notes/resume", json={"reason": "a new disk"})
    told = [(each.json()["data"][0]["state"], each.json()["data"][0]["reason"]) for each in (paused, resumed)]
    assert told == [("paused", "the disk"), ("running", "")]
    assert await asked(store) == [
        ("projections.pause", "notes", "the disk", "anyone"),
        ("projections.resume", "notes", "a new disk", "anyone"),
    ]


async def test_a_rebuild_is_begun(noted: Client) -> None:
    begun = await noted.post("/projections/notes/rebuild", json={**WHY, "parts": 2})
    roles = [each["role"] for each in (await noted.get("/projections/notes")).json()["data"]]
    assert (begun.status_code, begun.json(), roles) == (202, {"build": 2}, ["active", "building"])


async def test_dead_letters_are_listed_retried_and_skipped(noted: Client, store: AsyncStore) -> None:
    letters = (await noted.get("/projections/notes/dead-letters")).json()["data"]
    first = (await noted.get("/projections/notes/dead-letters?limit=1")).json()
    failed = (await noted.get("/projections/notes/dead-letters?state=failed")).json()["data"]
    retried = await noted.post("/projections/notes/dead-letters/retry", json={**WHY, "key": "cart-1"})
    skipped = await noted.post("/projections/notes/dead-letters/1/skip", json=WHY)
    wrong = await noted.post("/projections/notes/dead-letters/2/skip", json=WHY)
    assert [(each["position"], each["state"]) for each in letters] == [(1, "failed"), (2, "waiting")]
    assert (len(first["data"]), first["next"], [each["position"] for each in failed]) == (1, 1, [1])
    assert (retried.json(), skipped.json(), wrong.status_code) == ({"applied": 0}, {"applied": 1}, 400)
    assert [each[:2] for each in await asked(store)] == [
        ("dead-letters.retry", "notes"), ("dead-letters.skip", "notes #1"), ("dead-letters.skip", "notes #2"),
    ]  # fmt: skip


@pytest.fixture
async def reminded(client: Client, store: AsyncStore) -> Client:
    """Two carts, in one of which a note cannot be taken in by the process."""
    for stream in ("cart-1", "cart-2"):
        await client.post(f"/streams/{stream}", json={"events": [added()]})
    await client.post("/streams/cart-1", json={"events": [{"type": "cart.noted", "data": {"note": "unreadable"}}]})
    await store.process(reminders).catch_up(carts)
    return client


async def test_processes_and_their_instances_are_seen(reminded: Client) -> None:
    (process,) = (await reminded.get("/processes")).json()["data"]
    every = (await reminded.get("/processes/reminders")).json()["data"]
    first = (await reminded.get("/processes/reminders?limit=1")).json()
    stuck = (await reminded.get("/processes/reminders?stuck=true")).json()["data"]
    one = (await reminded.get("/processes/reminders/2")).json()
    assert (process["name"], [each["id"] for each in every], [each["id"] for each in stuck]) == (
        "reminders",
        ["1", "2"],
        ["1"],
    )
    assert (first["next"], one["status"], one["state"], len(one["timers"])) == ("1", "running", 1, 1)
    missing = [
        (await reminded.get(path)).status_code for path in ("/processes/x", "/processes/x/1", "/processes/reminders/9")
    ]
    assert missing == [404, 404, 404]


async def test_an_instance_is_retried_skipped_and_cancelled(reminded: Client, store: AsyncStore) -> None:
    retried = await reminded.post("/processes/reminders/1/retry", json=WHY)
    skipped = await reminded.post("/processes/reminders/1/skip", json=WHY)
    cancelled = await reminded.post("/processes/reminders/2/cancel", json={**WHY, "timeout": 0})
    assert (retried.json()["parked"], skipped.json()["parked"]) == (1, 0)
    assert (cancelled.status_code, bool(cancelled.json()["told"])) == (200, True)
    assert [each[:2] for each in await asked(store)] == [
        ("processes.retry", "reminders 1"), ("processes.skip", "reminders 1"), ("processes.cancel", "reminders 2"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/projections/notes/pause", {}, 422),
        ("/projections/notes/pause", {"reason": ""}, 422),
        ("/projections/other/pause", WHY, 404),
        ("/projections/other/rebuild", WHY, 404),
        ("/projections/notes/dead-letters/x/skip", WHY, 400),
        ("/processes/other/1/cancel", WHY, 404),
        ("/processes/reminders/9/cancel", WHY, 404),
        ("/processes/reminders/9/retry", WHY, 404),
    ],
)
async def test_what_cannot_be_steered_is_told_and_leaves_no_trace(
    noted: Client, store: AsyncStore, path: str, body: dict[str, object], status: int
) -> None:
    assert ((await noted.post(path, json=body)).status_code, await asked(store)) == (status, [])


def test_every_route_that_steers_is_kept_for_the_audit() -> None:
    steering = [route for route in ROUTES if route.action == "admin"]
    unheard = [route.path for route in steering if "await ask.audit(" not in inspect.getsource(route.handler)]
    assert (len(steering), unheard) == (8, [])
