"""Who may do what over HTTP: every route refuses whom it must, and a token opens what it says and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from tests.http.conftest import Client, Serve, added, stone
from tests.http.desk import app
from tests.http.serving import served

from refold import AsyncStore, RawEvent, UsageError
from refold.http import Access, Grant, api
from refold.http.application import ROUTES
from refold.http.quotas import Guesses, Quotas, Rates, Slots
from refold.http.routes import Route
from refold.http.tokens import (
    TOKEN,
    IssueToken,
    RevokeToken,
    RotateToken,
    TokenBearers,
    hashed,
    new_id,
    new_secret,
    written,
)

GUARDED = [route for route in ROUTES if route.action is not None]
FILLED = {
    "{stream}": "cart-1", "{event}": "1", "{name}": "notes", "{position}": "1", "{process}": "reminders", "{id}": "1",
}  # fmt: skip


def path_of(route: Route) -> str:
    """The path of a route, with names in it that are there."""
    path = route.path.replace("/commands/{name}", "/commands/cart.add?id=c-1")
    for variable, value in FILLED.items():
        path = path.replace(variable, value)
    return path + ("?idle=0" if path == "/follow" else "")


async def ask(client: Client, route: Route) -> httpx.Response:
    if route.method == "POST":
        return await client.post(path_of(route), json={})
    return await client.get(path_of(route))


def granted(*scopes: str) -> Callable[[Request], Awaitable[Access | None]]:
    async def authorize(_: Request) -> Access:
        return Access("somebody", tuple(map(Grant.parse, scopes)))

    return authorize


def test_only_health_is_told_to_everybody() -> None:
    assert {route.path for route in ROUTES} - {route.path for route in GUARDED} == {"/livez", "/readyz"}


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: f"{route.method} {route.path}")
async def test_no_route_lets_in_who_has_no_scope_for_it(serve: Serve, route: Route) -> None:
    others = [scope for scope in ("read", "append", "admin") if scope != route.action]
    without_token = await ask(serve(authorize=None), route)
    told = [(await ask(serve(authorize=granted(*scopes)), route)).status_code for scopes in ((), others)]
    assert (without_token.status_code, without_token.headers["www-authenticate"], told) == (401, "Bearer", [403, 403])


@pytest.mark.parametrize(
    "route", [each for each in GUARDED if each.action == "read"], ids=lambda route: f"{route.method} {route.path}"
)
async def test_no_route_shows_other_categories_to_who_may_read_some(serve: Serve, client: Client, route: Route) -> None:
    await client.post("/streams/cart-1", json={"events": [added()]})
    told = await ask(serve(authorize=granted("read:stone")), route)
    assert told.status_code == (200 if route.path == "/openapi.json" else 403)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/streams/cart-1", 200), ("GET", "/streams/stone-1", 403), ("GET", "/streams/cartoon-1", 404),
        ("GET", "/streams/cart-1/state", 200), ("GET", "/streams/stone-1/state", 403),
        ("GET", "/events?category=cart", 200), ("GET", "/events?category=stone", 403), ("GET", "/events", 403),
        ("GET", "/events?type=cart.item-added", 403), ("GET", "/events/1", 200), ("GET", "/events/2", 403),
        ("GET", "/streams?prefix=cart-1", 200), ("GET", "/streams?prefix=cart", 200), ("GET", "/streams?prefix=car", 403),
        ("GET", "/streams", 403), ("GET", "/follow?idle=0&category=cart", 200), ("GET", "/follow?idle=0", 403),
        ("GET", "/follow?idle=0&stream=stone-1", 403), ("GET", "/streams/$token-1", 403), ("GET", "/events?category=$audit", 403),
        ("POST", "/streams/cart-1", 201), ("POST", "/streams/stone-1", 403), ("POST", "/commands/cart.add?id=c-1", 422),
    ],
)  # fmt: skip
async def test_a_scope_holds_for_categories_that_begin_so(
    serve: Serve, client: Client, method: str, path: str, status: int
) -> None:
    await client.post("/streams/cart-1", json={"events": [added()]})
    await client.post("/streams/stone-1", json={"events": [stone(1)]})
    some = serve(authorize=granted("read:cart", "append:cart"))
    body: dict[str, Any] = {"json": {"events": [added()]}} if method == "POST" else {}
    assert (await some.request(method, path, **body)).status_code == status


async def test_who_reads_everything_does_not_read_what_is_refolds_own(serve: Serve, client: Client) -> None:
    reader, admin = serve(authorize=granted("read")), serve(authorize=granted("read", "admin"))
    asked = "/events?category=$audit", "/events?type=$audit.asked", "/events?journals=true", "/streams?prefix=$"
    assert [(await reader.get(path)).status_code for path in asked] == [403] * 4
    assert [(await admin.get(path)).status_code for path in asked] == [200] * 4


async def test_a_condition_tells_of_what_may_not_be_read(serve: Serve) -> None:
    writer = serve(authorize=granted("append"))
    body = {"events": [stone(1)], "condition": {"query": {"items": []}}}
    assert (await writer.post("/streams/stone-1", json=body)).status_code == 403
    checked = {"writes": [{"stream": "stone-1", "events": [stone(1)]}]}
    check = {"kind": "stream", "stream": "cart-1", "expected": 0}
    assert (await writer.post("/appends", json={**checked, "checks": [check]})).status_code == 403
    assert (await writer.post("/appends", json=checked)).status_code == 201


class Clock:
    """The time, moved by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def bearer(serve: Serve, store: AsyncStore, clock: Clock) -> Client:
    return serve(authorize=TokenBearers(store, now=clock, guesses=Guesses(free=10**6)))


async def issue(
    store: AsyncStore, *scopes: str, expires: datetime | None = None, tenant: str | None = None, name: str = "till"
) -> str:
    id, secret = new_id(), new_secret()
    await store.bind(TOKEN).handle(id, IssueToken(name, hashed(secret), scopes, tenant, expires))
    return written(id, secret)


async def status(client: Client, token: str, scheme: str = "Bearer") -> int:
    return (await client.get("/head", headers={"Authorization": f"{scheme} {token}"})).status_code


async def test_a_token_opens_what_it_says_and_is_who_has_done_it(bearer: Client, store: AsyncStore) -> None:
    token = await issue(store, "read", "append")
    headers = {"Authorization": f"bearer {token}"}
    done = await bearer.post("/streams/stone-1", json={"events": [stone(1)]}, headers=headers)
    (event,) = [event async for event in store.read("stone-1")]
    assert (done.status_code, event.metadata.actor, await status(bearer, token)) == (201, "till", 200)
    assert (await bearer.post("/projections/x/pause", json={"reason": "x"}, headers=headers)).status_code == 403


@pytest.mark.parametrize("wrong", ["", "x", "refold_0_x", "refold_{id}_" + "x" * 43, "{token}x", " {token} {token}"])
async def test_what_is_no_token_opens_nothing(bearer: Client, store: AsyncStore, wrong: str) -> None:
    token = await issue(store, "read")
    given = wrong.replace("{token}", token).replace("{id}", token.split("_")[1])
    assert (await status(bearer, given), await status(bearer, token, "Basic")) == (401, 401)


async def test_each_token_has_keys_and_messages_of_its_own_whatever_it_is_called(
    bearer: Client, store: AsyncStore
) -> None:
    names = "till", "till", "a", "a:b"
    bearers = [{"Authorization": f"Bearer {await issue(store, 'append', name=name)}"} for name in names]
    keys = ["k", "k", "b:c", "c"]
    done = [
        await bearer.post(
            f"/streams/stone-{number}", json={"events": [stone(number)]}, headers={**each, "Idempotency-Key": key}
        )
        for number, (each, key) in enumerate(zip(bearers, keys, strict=True))
    ]
    commanded = [
        await bearer.post(
            f"/commands/cart.add?id=c-{number}", json={"sku": "b-1", "qty": 1}, headers={**each, "Idempotency-Key": key}
        )
        for number, (each, key) in enumerate(zip(bearers, keys, strict=True))
    ]
    message = {"specversion": "1.0", "id": "m-1", "source": "/till", "type": "stone", "data": {"number": 1}}
    kind = {"Content-Type": "application/cloudevents+json"}
    taken = [
        await bearer.post("/cloudevents", json={**message, "subject": f"stone-{number}"}, headers={**each, **kind})
        for number, each in enumerate(bearers)
        for _ in range(2)
    ]
    assert [each.status_code for each in (*done, *commanded)] == [201] * 8
    assert [each.status_code for each in taken] == [201, 200] * 4


async def test_a_token_that_is_rotated_keeps_its_keys(bearer: Client, store: AsyncStore, clock: Clock) -> None:
    old = await issue(store, "append")
    id, secret = old.split("_")[1], new_secret()
    await store.bind(TOKEN).handle(id, RotateToken(hashed(secret), clock.now + timedelta(hours=1)))
    done = [
        await bearer.post(
            "/streams/stone-1", json={"events": [stone(1)]},
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "k"},
        )
        for token in (old, written(id, secret))
    ]  # fmt: skip
    assert [each.status_code for each in done] == [201, 200]


async def test_a_token_ends_when_it_expires(bearer: Client, store: AsyncStore, clock: Clock) -> None:
    token = await issue(store, "read", expires=clock.now + timedelta(hours=1))
    before = await status(bearer, token)
    clock.now += timedelta(hours=1)
    assert (before, await status(bearer, token)) == (200, 401)


async def test_a_token_that_is_revoked_is_refused_at_once(bearer: Client, store: AsyncStore) -> None:
    token = await issue(store, "read")
    before = await status(bearer, token)
    await store.bind(TOKEN).handle(token.split("_")[1], RevokeToken("it was in a log"))
    assert (before, await status(bearer, token)) == (200, 401)
    with pytest.raises(UsageError, match="revoked"):
        await store.bind(TOKEN).handle(token.split("_")[1], RotateToken("x", datetime.now(UTC)))


async def test_who_follows_is_let_go_when_the_token_is_revoked(store: AsyncStore) -> None:
    token = await issue(store, "read")
    async with asyncio.timeout(60), served(api(store, heartbeat=0.02)) as (client, _):
        headers = {"Authorization": f"Bearer {token}"}
        async with client.stream("GET", "/follow", headers=headers) as response:
            lines = response.aiter_lines()
            first = [await anext(lines) for _ in range(2)]
            await store.bind(TOKEN).handle(token.split("_")[1], RevokeToken("it was in a log"))
            rest = [line async for line in lines]
    assert (response.status_code, first) == (200, ["retry: 1000", ": following"])
    assert [line for line in rest if line.startswith("data")] == []


async def test_a_rotated_token_has_two_secrets_for_a_while(bearer: Client, store: AsyncStore, clock: Clock) -> None:
    old = await issue(store, "read")
    id, secret = old.split("_")[1], new_secret()
    await store.bind(TOKEN).handle(id, RotateToken(hashed(secret), clock.now + timedelta(hours=1)))
    both = [await status(bearer, old), await status(bearer, written(id, secret))]
    clock.now += timedelta(hours=1)
    assert (both, await status(bearer, old), await status(bearer, written(id, secret))) == ([200, 200], 401, 200)


async def test_the_store_knows_no_secret(store: AsyncStore) -> None:
    token = await issue(store, "read")
    (event,) = [event async for event in store.read(category="$token")]
    assert token.split("_", 2)[2] not in repr(event)


async def test_a_token_of_a_tenant_sees_that_tenant_alone(tmp_path: Path) -> None:
    async with await AsyncStore.open(f"sqlite:///{tmp_path}/shop.db", events=[RawEvent]) as store:
        ours, theirs = (
            await issue(store, "read", "append", tenant="one"),
            await issue(store, "read", "append", tenant="two"),
        )
        transport = httpx.ASGITransport(api(store, app=app))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            headers = [{"Authorization": f"Bearer {token}"} for token in (ours, theirs)]
            await client.post("/streams/stone-1", json={"events": [stone(1)]}, headers=headers[0])
            heads = [(await client.get("/head", headers=each)).json()["position"] for each in headers]
        assert heads == [1, 0]
        assert [event async for event in store.read("stone-1")] == []


async def test_without_a_token_everybody_on_this_machine_is_let_in_until_there_is_one(
    serve: Serve, store: AsyncStore
) -> None:
    client = serve(authorize=TokenBearers(store, open_without=True), hosts=("shop",))
    before = (await client.get("/head")).status_code
    token = await issue(store, "read")
    assert (before, (await client.get("/head")).status_code, await status(client, token)) == (200, 401, 200)


async def test_where_everybody_is_let_in_foreign_pages_are_not(serve: Serve) -> None:
    client = serve(hosts=("shop",))
    body = {"events": [stone(1)]}
    rebound = await client.get("/head", headers={"Host": "evil.example"})
    foreign = await client.post("/streams/stone-1", json=body, headers={"Origin": "https://evil.example"})
    own = await client.post("/streams/stone-1", json=body, headers={"Origin": "http://shop"})
    simple = await client.post("/streams/stone-1", content=b"{}", headers={"Content-Type": "text/plain"})
    friends = serve(hosts=("shop",), cors=("https://evil.example",))
    named = await friends.post("/streams/stone-1", json=body, headers={"Origin": "https://evil.example"})
    assert [each.status_code for each in (rebound, foreign, own, simple, named)] == [421, 403, 201, 415, 201]


@pytest.mark.parametrize(("headers", "status"), [({"Host": "["}, 421), ({"Origin": "http://["}, 403)])
async def test_a_host_or_an_origin_that_is_none_is_not_ours(serve: Serve, headers: dict[str, str], status: int) -> None:
    assert (await serve(hosts=("shop",)).get("/head", headers=headers)).status_code == status


async def test_pages_of_other_origins_may_ask_only_if_they_are_named(serve: Serve) -> None:
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    off = await serve().options("/streams/stone-1", headers=asked)
    on = await serve_with_cors(serve).options("/streams/stone-1", headers=asked)
    other = await serve_with_cors(serve).options(
        "/streams/stone-1", headers={**asked, "Origin": "https://evil.example"}
    )
    allowed = [each.headers.get("access-control-allow-origin") for each in (off, on, other)]
    assert (off.status_code, allowed) == (405, [None, "https://shop.example", None])


def serve_with_cors(serve: Serve) -> Client:
    return serve(cors=("https://shop.example",))


@pytest.mark.parametrize("scope", ["write", "admin:cart", "", "read cart"])
def test_what_is_no_scope_is_refused(scope: str) -> None:
    with pytest.raises(UsageError, match="is no scope"):
        Grant.parse(scope)


class Ticks:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def allowed(rates: Rates, client: str, count: int) -> int:
    from refold.http.problems import Declined  # noqa: PLC0415

    done = 0
    for _ in range(count):
        try:
            rates.take(client)
        except Declined:
            continue
        done += 1
    return done


async def test_a_client_asks_so_often_and_others_are_not_held_up() -> None:
    ticks = Ticks()
    rates = Rates(Quotas(rate=2, burst=3), ticks)
    first = [await allowed(rates, "a", 5), await allowed(rates, "b", 5)]
    ticks.now += 1
    assert (first, await allowed(rates, "a", 5)) == ([3, 3], 2)


async def test_who_asks_too_often_is_told_when_to_come_back(serve: Serve) -> None:
    client = serve(quotas=Quotas(rate=0.1, burst=1))
    one, two = await client.get("/head"), await client.get("/head")
    assert (one.status_code, two.status_code, two.headers["retry-after"]) == (200, 429, "10")


def test_a_slot_is_given_back_once() -> None:
    slots = Slots(Quotas(subscriptions=2))
    first, _ = slots.take("a"), slots.take("a")
    first()
    first()
    assert slots.open == {"a": 1}


def test_guessing_is_slower_with_each_wrong_token_and_forgotten_after_a_minute() -> None:
    ticks = Ticks()
    guesses = Guesses(ticks)
    delays = [round(guesses.delay("a"), 1) for _ in range(12)]
    other = guesses.delay("b")
    ticks.now += 61
    assert (delays, other, guesses.delay("a")) == ([0, 0, 0, 0, 0, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0], 0, 0)


async def test_a_right_token_never_waits_for_wrong_ones(serve: Serve, store: AsyncStore) -> None:
    token = await issue(store, "read")
    client = serve(authorize=TokenBearers(store, guesses=Guesses(free=0, longest=0.05, waiting=2)))
    wrong = await asyncio.gather(*(status(client, "x") for _ in range(5)), status(client, token))
    assert (sorted(wrong[:5]), wrong[5]) == ([401, 401, 429, 429, 429], 200)
