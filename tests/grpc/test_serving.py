"""`refold serve --grpc`: a program that serves, by itself or beside HTTP, and stops when told to; health; every backend."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import reload
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from tests.grpc.serving import served, umadb
from tests.http.desk import ItemAdded, app

import refold.rpc
from refold import AsyncStore, MissingExtra, RawEvent, Store
from refold.cli.program import program
from refold.http.serving import Place
from refold.rpc import listening

REFOLD = [sys.executable, "-c", "from refold.cli import main; main()"]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/shop.db"


class Program:
    """`refold serve` at work."""

    def __init__(self, url: str, *args: str, lines: int = 1) -> None:
        command = [*REFOLD, "serve", "--store", url, *args]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8")
        assert self.process.stderr is not None
        self.told = [self.process.stderr.readline() for _ in range(lines)]

    def place(self, over: str) -> str:
        found = re.search(rf"{over} ?at (http://\S+?)\. Ctrl-C stops it\.", "".join(self.told))
        assert found is not None, self.told
        return found[1]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err


@pytest.fixture
def start(store: Store, url: str) -> Iterator[Any]:
    """Starts the program, which has ended at the end."""
    running: list[Program] = []

    def begin(*args: str, lines: int = 1) -> Program:
        running.append(Program(url, *args, lines=lines))
        return running[-1]

    yield begin
    for each in running:
        if each.process.poll() is None:
            each.process.kill()
            each.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop_and_lets_go_who_follows(start: Any, number: int) -> None:
    program = start("--grpc", "127.0.0.1:0")
    client = umadb.Client(program.place("over gRPC"))
    position = client.append([umadb.Event("stone", b"{}")])
    following = client.subscribe()
    first = next(following).position
    assert (position, first, program.stop(number), [*following]) == (1, 1, (0, ""), [])


def test_http_and_grpc_serve_one_store_side_by_side(start: Any) -> None:
    program = start("--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", lines=2)
    client, base = umadb.Client(program.place("over gRPC")), program.place(r"shop\.db")
    following = client.subscribe()
    body = {"events": [{"type": "stone", "data": {"number": 1}, "tags": ["hill:1"]}]}
    httpx.post(f"{base}/streams/heap-1", json=body)
    told = next(following)
    client.append([umadb.Event("stone", b"{}")], umadb.AppendCondition(umadb.Query(), told.position))
    heads = client.head(), httpx.get(f"{base}/head").json()["position"]
    assert (told.event.tags, told.event.data, heads, program.stop()) == (["hill:1"], b'{"number":1}', (2, 2), (0, ""))


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--grpc", "nowhere"), "is no address"),
        (("--grpc", "0.0.0.0:0"), "or take --grpc 127.0.0.1:50051"),
        (
            ("--grpc", "0.0.0.0:0", "--http", "127.0.0.1:0"),
            "nobody is served at '0.0.0.0' while the store has no token",
        ),
        (("--grpc", "127.0.0.1:0", "--http", "0.0.0.0:0"), "or take --http 127.0.0.1:8137"),
        (("--grpc", "127.0.0.1:0", "--key", __file__), "belong together"),
    ],
)
def test_what_cannot_be_is_told_with_the_way_out(store: Store, url: str, args: tuple[str, ...], says: str) -> None:
    done = CliRunner().invoke(program, ["serve", "--store", url, *args])
    assert (done.exit_code, says in done.stderr) == (2, True), done.stderr


def test_a_port_that_is_taken_is_told(store: Store, url: str) -> None:
    with served(url) as server:
        done = CliRunner().invoke(program, ["serve", "--store", url, "--grpc", server.url.removeprefix("http://")])
    assert (done.exit_code, "cannot be listened at" in done.stderr) == (2, True), done.stderr


def test_without_the_extra_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for package, module in (("grpcio", "grpc"), ("protobuf", "google.protobuf"), ("starlette", "starlette")):
        with monkeypatch.context() as patched:
            patched.setattr("importlib.util.find_spec", lambda name, missing=module: None if name == missing else name)
            with pytest.raises(MissingExtra, match=rf"needs the package '{package}': pip install 'refold\[grpc\]'"):
                reload(refold.rpc)
    reload(refold.rpc)


def test_health_is_told_to_everybody(store: Store, url: str) -> None:
    with served(url) as server:
        client = server.client()
        health = [client.check_health(each) for each in ("", "umadb.v1.DCB")]
        watching = client.watch_health()
        first = next(watching)
        with pytest.raises(Exception, match="there is no such service here"):
            client.check_health("shop")
        unknown = next(client.watch_health("shop"))
        server.stop()
        last = next(watching)
    serving, not_serving = umadb.ServingStatus.SERVING, umadb.ServingStatus.NOT_SERVING
    assert (health, first, unknown, last) == ([serving] * 2, serving, umadb.ServingStatus.SERVICE_UNKNOWN, not_serving)


def test_events_of_an_application_must_fit_its_classes(store: Store, url: str) -> None:
    with served(url, app=app) as server:
        client = server.client()
        in_cart = {"$stream": "cart-1"}
        client.append([umadb.Event("cart.item-added", b'{"sku": "b-1", "qty": 2}', ["sku:b-1"], metadata=in_cart)])
        for data in (b'{"sku":"b-1"}', b"\x00", b"{}"):
            with pytest.raises(ValueError, match=r"event 'cart\.item-added' (does not fit|has no)"):
                client.append([umadb.Event("cart.item-added", data)])
        with pytest.raises(ValueError, match="streams of 'cart' have no 'stone'"):
            client.append([umadb.Event("stone", b"{}", metadata=in_cart)])
    with Store.open(url, events=[ItemAdded]) as opened:
        assert [event.data for event in opened.read()] == [ItemAdded("b-1", 2)]


@pytest.mark.parametrize("backend", ["memory", "nats"])
async def test_a_store_is_served_wherever_it_lives(request: pytest.FixtureRequest, backend: str) -> None:
    url = "memory://" if backend == "memory" else f"{request.getfixturevalue('nats')}/grpc"
    told: list[str] = []

    def work() -> tuple[Any, ...]:
        client = umadb.Client(told[0])
        mine = umadb.AppendCondition(umadb.Query([umadb.QueryItem(tags=["hill:1"])]))
        events = [umadb.Event("stone", b"{}", ["hill:1"]), umadb.Event("noise", b"\x00")]
        following = client.subscribe()
        last = client.append(events, mine, umadb.TrackingInfo("hills", 7))
        with pytest.raises(umadb.IntegrityError):
            client.append(events, mine)
        with pytest.raises(umadb.IntegrityError):
            client.append(events, None, umadb.TrackingInfo("hills", 7))
        read = [(each.position, each.event.data) for each in client.read()]
        followed = [(each.position, each.event.data) for each in (next(following), next(following))]
        back = [each.position for each in client.read(backwards=True)]
        return last == client.head() == read[-1][0], read == followed, back == [read[1][0], read[0][0]], read[0][0] > 0

    async with (
        await AsyncStore.open(url, events=[RawEvent]) as store,
        listening(store, Place("127.0.0.1", 0), told=told.append),
    ):
        assert await asyncio.to_thread(work) == (True, True, True, True)


@pytest.mark.long
def test_a_connection_on_which_nothing_happens_stands(store: Store, url: str) -> None:
    with served(url) as server, ThreadPoolExecutor(1) as pool:
        client = server.client()
        following = client.subscribe()
        waiting = pool.submit(lambda: next(following).position)
        time.sleep(30)  # it asks every five seconds; the fourth time that is held for an attack, if it is not allowed
        server.client().append([umadb.Event("stone", b"{}")])
        assert waiting.result(10) == 1
