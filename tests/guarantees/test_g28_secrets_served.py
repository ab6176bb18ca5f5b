"""G28, of what is served: no token, link, session or key is in an answer, a log, a metric, a trace, an export or the file.

Those who have a secret use it rightly, and wrongly in every place that a request has. All that comes back but the one answer that
hands a secret over, and all that is written down meanwhile, is searched.
"""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.grpc.serving import METHODS, Served, raw, served
from tests.guarantees.canaries import Outputs, canary
from tests.guarantees.telling import tell
from tests.http.desk import app
from tests.http.serving import served as served_http
from tests.publishing.receivers import Answer, OrderPlaced, receiving
from tests.telemetry.watchers import Watcher

from refold import AsyncStore, DeliveryError, MessageRefused, Publication, RawEvent, Store, StoreClosed, UsageError
from refold.cloudevents import CloudEvent
from refold.http import Quotas, api
from refold.http.quotas import Guesses
from refold.http.tokens import TOKEN, IssueToken, RotateToken, TokenBearers, hashed, new_id, new_secret, written
from refold.integrations.webhooks import Webhook
from refold.mcp import Desk
from refold.mcp.serving import READING
from refold.mcp.tools import answer
from refold.studio import studio
from refold.studio.sessions import OneTime

pytestmark = pytest.mark.guarantee("G28")

PATHS = (
    "/head", "/streams", "/streams/stone-1", "/events", "/events/1", "/projections", "/processes", "/openapi.json", "/metrics",
    "/readyz", "/livez", "/nothing", "/streams/stone-1/state?at=x", "/follow?idle=0", "/events?category=$token",
    "/events?category=$audit",
)  # fmt: skip


async def issue(store: AsyncStore, *scopes: str) -> str:
    """A new token, which was rotated once."""
    id, secret = new_id(), new_secret()
    tokens = store.bind(TOKEN)
    await tokens.handle(id, IssueToken("till", hashed(new_secret()), scopes, None, None))
    await tokens.handle(id, RotateToken(hashed(secret), datetime.now(UTC)))
    return written(id, secret)


def take_files(out: Outputs, folder: Path) -> None:
    """Every byte of the store."""
    for each in folder.iterdir():
        out.take(each.name, each.read_bytes())


async def use(out: Outputs, client: httpx.AsyncClient, token: str, secret: str) -> int:
    """Ask for everything, with a token where it belongs and where it does not. What is asked comes back to nobody else."""
    wrong, asked = token[:-1] + ("A" if token[-1] != "A" else "B"), 0
    out.hush(wrong.split("_", 2)[2])
    for path in PATHS:
        glue = "&" if "?" in path else "?"
        for headers, where in (
            ({"Authorization": f"Bearer {token}"}, path), ({"Authorization": f"Bearer {wrong}"}, path),
            ({"Authorization": f"Basic {b64encode(f'ada:{secret}'.encode()).decode()}"}, path),
            ({"Authorization": token}, path), ({"Authorization": f"Bearer {secret}"}, path),
            ({"Cookie": f"session={secret}"}, path),
            ({}, f"{path}{glue}token={secret}"), ({"X-Api-Key": secret, "Authorization": f"Bearer {token}"}, path),
            ({"Content-Type": secret}, path),
        ):  # fmt: skip
            for method in ("GET", "POST"):
                given = await client.request(method, where, headers=headers, content=b"{" if method == "POST" else None)
                out.take(f"{method} {path}", f"{given.headers} {given.text}")
                asked += 1
    return asked


async def test_tokens_of_http_are_in_nothing_that_comes_of_them(tmp_path: Path) -> None:
    secret, file = canary(), tmp_path / "shop.db"
    with Outputs(secret, but="http").listening() as out:
        async with await AsyncStore.open(f"sqlite:///{file}", events=[RawEvent]) as store:
            token = await issue(store, "read", "append", "admin")
            out.hush(token.split("_", 2)[2])
            await store.append("stone-1", [RawEvent("stone", {"number": 1})])
            bearers = TokenBearers(store, guesses=Guesses(free=10**9))
            served_app = api(store, app=app, authorize=bearers, quotas=Quotas(rate=1e6, burst=10**6))
            async with served_http(served_app) as (client, _):
                asked = await use(out, client, token, secret)
                steered = {"Authorization": f"Bearer {token}"}
                for action in ("pause", "resume"):
                    done = await client.post(f"/projections/notes/{action}", headers=steered, json={"reason": "a test"})
                    out.take(action, done.text)
            out.take(
                "repr",
                [repr(each) for each in (bearers, served_app, await store.bind(TOKEN).state(token.split("_")[1]))],
            )
            found = [event async for event in store.read(journals=True)]
            out.take("events", found)
        take_files(out, tmp_path)
        for format in ("jsonl", "csv", "xes", "ocel.json", "parquet"):
            assert out.refold("export", str(tmp_path / f"out.{format}"), "--store", str(file)) == 0
            out.take(format, (tmp_path / f"out.{format}").read_bytes())
        assert out.refold("token", "list", "--store", str(file), "--output", "json") == 0
    tell("G28", "sqlite-http", requests=asked, outputs=out.count, bytes=out.bytes, leaks=len(out.leaks))
    assert (out.leaks, len(found) >= 3) == ([], True)


def test_tokens_of_grpc_are_in_nothing_that_comes_of_them(tmp_path: Path) -> None:
    secret, url = canary(), f"sqlite:///{tmp_path}/shop.db"

    async def issued() -> str:
        async with await AsyncStore.open(url, events=[RawEvent]) as store:
            return await issue(store, "read", "append")

    token, statuses = asyncio.run(issued()), list[str]()
    with Outputs(secret, token.split("_", 2)[2]).listening() as out, served(url) as server, raw(server) as caller:
        for method in METHODS:
            for given in (f"Bearer {token}", f"Bearer {secret}", f"Basic {secret}", token, f"Bearer {token[:-1]}"):
                for body in (b"", b"\xff" + secret.encode()):
                    status, told = caller.call(method, body, [("authorization", given)], seconds=0.2)
                    out.take(method, told)
                    statuses.append(status)
        out.take("repr", repr(server.__dict__))
    take_files(out, tmp_path)
    tell("G28", "sqlite-grpc", calls=len(statuses), outputs=out.count, leaks=len(out.leaks))
    assert (out.leaks, {"UNAUTHENTICATED", "OK"} <= set(statuses)) == ([], True)


async def test_the_link_and_the_session_of_the_studio_are_told_to_one_browser_once() -> None:
    pages = (
        "/",
        "/events",
        "/streams",
        "/streams/stone-1",
        "/search?q=stone",
        "/audit",
        "/projections",
        "/nothing",
        "/statistics",
    )
    with Outputs(but="http").listening() as out:
        async with await AsyncStore.open("sqlite:///:memory:", events=[RawEvent]) as store:
            await store.append("stone-1", [RawEvent("stone", {"number": 1})])
            locked = OneTime(studio(store, app=app, hosts=["shop"], read_only=False), "cookie")
            link, wrong = locked.token, canary()
            out.hush(link, wrong)
            transport = httpx.ASGITransport(locked, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                for page in pages:
                    out.take(page, (await client.get(page, params={"token": wrong})).text)
                opened = await client.get(f"/?token={link}")
                session = client.cookies["cookie"]
                out.hush(session)
                out.take("the way in", [opened.text, opened.headers["location"], repr(locked)])
                for page in pages:
                    for params in ({}, {"token": link}, {"token": wrong}):
                        for accept in ("text/html", "application/json"):
                            given = await client.get(page, params=params, headers={"Accept": accept})
                            out.take(f"{page} {params}", f"{given.headers} {given.text}")
                out.take(
                    "again",
                    (await httpx.AsyncClient(transport=transport, base_url="http://shop").get(f"/?token={link}")).text,
                )
            out.take("events", [event async for event in store.read(journals=True)])
            await locked.close()
    tell("G28", "studio", outputs=out.count, bytes=out.bytes, leaks=len(out.leaks))
    assert (out.leaks, opened.status_code, out.count > 60) == ([], 303, True)


def delivered(hook: Webhook, out: Outputs) -> str:
    """What comes of one message."""
    message = CloudEvent("1", "/shop", "order.placed", b"{}")
    out.take("repr", f"{hook!r} {hook}")
    try:
        asyncio.run(hook.send(message))
    except DeliveryError as error:
        out.take_error("delivery", error)
        return type(error).__name__
    return "done"


def test_the_keys_of_webhooks_and_the_secrets_in_their_urls_are_told_to_their_receiver_alone(tmp_path: Path) -> None:
    key, query, header = b64encode(canary().encode()).decode(), canary(), canary()
    came = list[str]()
    with Outputs(key, query, header).listening() as out, receiving() as receiver:
        options: dict[str, Any] = {
            "secret": f"whsec_{key}",
            "headers": {"x-key": header},
            "allow_private": True,
            "timeout": 0.3,
        }
        hook = Webhook(f"{receiver.url}?sig={query}", **options)
        for each in (
            Answer(),
            Answer(500, body=b"no"),
            Answer(410),
            Answer(503),
            Answer(302, {"location": "/"}),
            Answer(after=0.6),
        ):
            receiver.answers[:] = [each]
            came.append(delivered(hook, out))
        came.append(delivered(Webhook(f"http://127.0.0.1:1/?sig={query}", **options), out))
        publication = Publication("orders", OrderPlaced, to=hook, source="/shop")
        receiver.answers[:] = [Answer(400)] * 9
        with Store.open(f"sqlite:///{tmp_path}/shop.db", events=[RawEvent]) as store:
            store.append("order-7", [OrderPlaced("7")])
            with pytest.raises(MessageRefused) as refusal:
                store.catch_up(publication)
            out.take_error("a step", refusal.value)
            out.take("dead letters", store.model(publication).dead_letters())
            out.take("status", [store.model(publication).status(), repr(publication)])
        for url in (
            f"ftp://u:{query}@h/?x={key}",
            f"http://a b/?x={query}",
            f"https://u:{query}@h/",
            f"https://h:99999/?x={query}",
        ):
            with pytest.raises(UsageError) as wrong:
                Webhook(url, secret=f"whsec_{key}")
            out.take_error("a wrong URL", wrong.value)
        for secret in (key, f"whsec_{key[:-1]}!", f"whsec_{key[:8]}", [f"whsec_{key}", f"x{key}"]):
            with pytest.raises(UsageError) as wrong:
                Webhook(receiver.url, secret=secret)
            out.take_error("a wrong key", wrong.value)
        with pytest.raises(UsageError) as wrong:
            Publication("orders", OrderPlaced, to=f"https://u:{query}@h/", source="/shop")  # type: ignore[arg-type]
        out.take_error("no receiver", wrong.value)
        assert header in str(receiver.came[0][0])
    tell("G28", "webhooks", outputs=out.count, bytes=out.bytes, leaks=len(out.leaks))
    refused = ["MessageRefused", "ReceiverGone", "ReceiverAway", "MessageRefused", "MessageRefused", "ReceiverAway"]
    assert (out.leaks, came) == ([], ["done", *refused])


async def test_spans_and_figures_hold_no_secret_of_the_store(postgres: Any) -> None:
    secret, watcher = canary(), Watcher()
    url = str(postgres.new_database()).replace("postgres@", f"postgres:{secret}@", 1)
    with Outputs(secret).listening() as out:
        store = await AsyncStore.open(url, events=[RawEvent])
        watched = watcher.instrument(store)
        await watched.append("stone-1", [RawEvent("stone", {"number": 1})])
        assert [event.version async for event in watched.read("stone-1")] == [1]
        await store.close()
        with pytest.raises(StoreClosed):
            await watched.append("stone-1", [RawEvent("stone", {"number": 2})])
        out.take("spans", [span.to_json() for span in watcher.finished])
        out.take("figures", watcher._figures.get_metrics_data())
    assert (out.leaks, len(watcher.finished) > 2) == ([], True)


async def test_an_assistant_is_told_no_secret(postgres: Any) -> None:
    secret, tools = canary(), {tool.name: tool for tool in READING}
    given: list[object] = [{}, {"stream": "cart-1"}, {"x": 1}, []]
    url = str(postgres.new_database()).replace("postgres@", f"postgres:{secret}@", 1)
    with Outputs(secret).listening() as out:
        store = await AsyncStore.open(url, events=[RawEvent])
        desk = Desk(store, app)
        for state in ("open", "closed"):
            for name in (*tools, "nothing"):
                for arguments in given:
                    out.take(f"{name} of a store that is {state}", await answer(desk, tools, name, arguments))
            await store.close()
        out.take("repr", repr(desk))
    assert (out.leaks, out.count > 60) == ([], True)


def test_a_client_that_logs_urls_would_be_heard(caplog: pytest.LogCaptureFixture) -> None:
    """That webhooks are sent by the transport alone has this reason."""
    secret = canary()
    with Outputs(secret).listening() as out, receiving() as receiver, caplog.at_level(logging.DEBUG):
        httpx.post(f"{receiver.url}?sig={secret}", content=b"{}")
    assert any("httpx" in leak for leak in out.leaks)


def test_a_server_that_told_what_it_was_given_would_be_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = canary()

    async def telling(bearers: TokenBearers, authorization: str, address: str) -> None:
        logging.getLogger("refold.http").info("refused %s", authorization)

    monkeypatch.setattr(TokenBearers, "admit", telling)
    with Outputs(secret).listening() as out:
        server = Served(f"sqlite:///{tmp_path}/shop.db")
        with raw(server) as caller:
            caller.call("Head", b"", [("authorization", f"Bearer {secret}")])
        server.stop()
    assert out.leaks != []
