"""`refold serve` and `refold token`: a program that serves, stops when told to, and keeps out who has no token."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from tests.http.serving import served

from refold import RawEvent, Store
from refold.cli.program import program

REFOLD = [sys.executable, "-c", "from refold.cli import main; main()"]


@pytest.fixture
def shop(tmp_path: Path) -> str:
    """A store with one event."""
    url = f"sqlite:///{tmp_path}/shop.db"
    with Store.open(url, events=[RawEvent]) as store:
        store.append("stone-1", [RawEvent("stone", {"number": 1})])
    return url


def refold(*args: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(program, args)
    return done.exit_code, done.stdout, done.stderr


class Server:
    """The program at work."""

    def __init__(self, *args: str) -> None:
        self.process = subprocess.Popen([*REFOLD, "serve", *args], stderr=subprocess.PIPE, encoding="utf-8")
        assert self.process.stderr is not None
        self.told = self.process.stderr.readline()
        found = re.search(r"at (http://\S+?)\. Ctrl-C stops it\.", self.told)
        assert found is not None, self.told
        self.url = found[1]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err


@pytest.fixture
def server(shop: str) -> Iterator[Server]:
    started = Server("--store", shop, "--http", "127.0.0.1:0")
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop_and_lets_go_who_follows(server: Server, number: int) -> None:
    head = httpx.get(f"{server.url}/head").json()
    with httpx.stream("GET", f"{server.url}/follow", timeout=60) as response:
        lines = response.iter_lines()
        first = [next(lines) for _ in range(5)]
        stopped = server.stop(number)
        rest = [*lines]
    assert (head, first[3], stopped) == ({"position": 1}, "id: 1", (0, ""))
    assert "data:" not in "".join(rest)


def test_a_token_closes_the_door_of_a_server_that_runs(server: Server, shop: str) -> None:
    before = httpx.get(f"{server.url}/head").status_code
    code, out, _ = refold("token", "create", "till", "--scope", "read:stone", "--expires", "30d", "--store", shop)
    token = out.strip()
    headers = {"Authorization": f"Bearer {token}"}
    asked: Sequence[tuple[str, dict[str, str]]] = ("/head", {}), ("/streams/stone-1", headers), ("/head", headers)
    after = [httpx.get(server.url + path, headers=each).status_code for path, each in asked]
    id = token.split("_")[1]
    rotated = refold("token", "rotate", id, "--grace", "0s", "--store", shop)[1].strip()
    new = httpx.get(f"{server.url}/streams/stone-1", headers={"Authorization": f"Bearer {rotated}"}).status_code
    old = httpx.get(f"{server.url}/streams/stone-1", headers=headers).status_code
    revoked = refold("token", "revoke", id, "--reason", "it was in a log", "--store", shop)
    gone = httpx.get(f"{server.url}/streams/stone-1", headers={"Authorization": f"Bearer {rotated}"}).status_code
    assert (code, before, after, new, old, gone) == (0, 200, [401, 200, 403], 200, 401, 401)
    assert revoked == (0, f"token {id} is revoked.\n", "")
    code, err = server.stop()
    assert (code, token in err or rotated in err) == (0, False)


@pytest.mark.parametrize(("named", "told"), [(None, "127.0.0.1"), ("127.0.0.1", "192.0.2.7")], ids=["nobody", "proxy"])
async def test_where_somebody_comes_from_is_believed_of_proxies_alone_that_are_named(
    monkeypatch: pytest.MonkeyPatch, named: str | None, told: str
) -> None:
    async def address(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(scope["client"][0])(scope, receive, send)

    if named is None:
        monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    else:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", named)
    async with served(address) as (client, _):
        answer = await client.get("/", headers={"X-Forwarded-For": "192.0.2.7"})
    assert answer.text == told


def test_tokens_are_listed_without_their_secrets(shop: str) -> None:
    token = refold(
        "token", "create", "till", "--scope", "read", "--scope", "append:cart", "--tenant", "t", "--store", shop
    )[1]
    refold("token", "revoke", token.split("_")[1], "--store", shop)
    _, out, _ = refold("token", "list", "--store", shop, "--output", "json")
    assert json.loads(out)["data"] == [
        {
            "id": token.split("_")[1],
            "name": "till",
            "scopes": ["read", "append:cart"],
            "tenant": "t",
            "expires_at": None,
            "state": "revoked",
            "revoked": "by hand",
        }
    ]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("token", "create", "till", "--scope", "write"), "'write' is no scope"),
        (("token", "create", "", "--scope", "read"), "it is empty"),
        (("token", "revoke", "0123456789abcdef"), "there is no such token"),
        (("token", "rotate", "0123456789abcdef"), "there is no such token"),
        (("serve", "--http", "nowhere"), "is no address"),
        (("serve", "--http", "0.0.0.0:0"), "nobody is served at '0.0.0.0' while the store has no token"),
        (("serve", "--certificate", __file__), "belong together"),
    ],
)
def test_what_cannot_be_is_told_with_the_way_out(shop: str, args: tuple[str, ...], says: str) -> None:
    code, _, err = refold(*args, "--store", shop)
    assert (code, says in err) == (2, True), err


def test_a_mistyped_path_makes_no_store(tmp_path: Path) -> None:
    assert refold("serve", "--store", f"{tmp_path}/no.db", "--http", "127.0.0.1:0")[0] == 5
    assert [*tmp_path.iterdir()] == []


def test_a_port_that_is_taken_is_told(server: Server, shop: str) -> None:
    code, _, err = refold("serve", "--store", shop, "--http", server.url.removeprefix("http://"))
    assert (code, "cannot be listened at: Address already in use. Take another." in err) == (2, True), err
