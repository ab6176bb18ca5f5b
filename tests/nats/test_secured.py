"""The servers of the page on production: who may do what there, and what is said when a right is missing."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from typing import Any

import nats as client
import pytest
from click.testing import CliRunner
from nats.aio.client import Client
from tests.nats.secured import PAGE, PASSWORDS, Node, Production, know_the_passwords, paid, production

from refold import (
    NO_STREAM,
    AsyncStore,
    Store,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnreachable,
    Unsupported,
)
from refold.backends.nats import backend
from refold.cli.program import program
from refold.messages import RawEvent

pytestmark = [pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Production]:
    with pytest.MonkeyPatch.context() as patch:
        know_the_passwords(patch)
        with production(tmp_path_factory.mktemp("servers")) as found:
            Store.open(found.url("owner")).close()
            yield found


@pytest.fixture
def writer(servers: Production) -> Generator[Store]:
    with Store.open(servers.url("writer"), events=[RawEvent]) as store:
        yield store


@pytest.fixture
def reader(servers: Production) -> Generator[Store]:
    with Store.open(servers.url("reader", "&mode=ro"), events=[RawEvent]) as store:
        yield store


# What each may do ---------------------------------------------------------------------


def test_the_store_is_as_durable_as_the_page_says(writer: Store, reader: Store) -> None:
    assert (writer.durability, reader.durability) == ("quorum-disk", "quorum-disk")


def test_a_writer_appends_all_that_an_append_may_be_and_a_reader_reads_it(writer: Store, reader: Store) -> None:
    began = reader.head()
    writer.append("sale-1", paid(1), expected=NO_STREAM)
    writer.append("sale-1", paid(*range(2, 700)), expected=1)
    assert [event.version for event in reader.read("sale-1")] == [*range(1, 700)]
    assert [event.version for event in reader.read("sale-1", direction="backward", limit=2)] == [699, 698]
    assert len([*reader.read(after=began)]) == 699
    assert reader.stats().categories["sale"] == 699
    assert [damages for _, damages in reader.verify() if damages] == []


async def test_a_reader_hears_at_once_of_what_a_writer_appends(
    servers: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "POLL", 60.0)
    reading = await backend.opened_awaiting(servers.url("reader", "&mode=ro"))
    looked, head, began = asyncio.Event(), reading.head, await reading.head()

    async def seen() -> int:
        found = await head()
        looked.set()
        return found

    monkeypatch.setattr(reading, "head", seen)
    waiting = asyncio.create_task(reading.wait(began, 60))
    await looked.wait()
    async with await AsyncStore.open(servers.url("writer"), events=[RawEvent]) as store:
        receipt = await store.append("news-1", paid(1))
    assert await asyncio.wait_for(waiting, 20) == receipt.position
    await reading.close()


def test_a_copy_needs_no_more_than_the_rights_of_a_reader(servers: Production, writer: Store, tmp_path: Path) -> None:
    writer.append("copied-1", paid(1, 2, 3))
    said = _refold("copy", "--from", servers.url("reader", "&mode=ro"), "--to", str(tmp_path / "copy.db"))
    assert said[0] == 0, said
    with Store.open(f"sqlite:///{tmp_path}/copy.db", events=[RawEvent]) as copy:
        assert [event.data for event in copy.read("copied-1")] == paid(1, 2, 3)


def test_the_doctor_finds_nothing_with_the_rights_of_a_reader(servers: Production) -> None:
    code, said = _refold("doctor", "--store", servers.url("reader", "&mode=ro"), "--output", "json")
    assert (code, '"quorum-disk: what is acknowledged is kept"' in said) == (0, True), said


def _refold(*words: str) -> tuple[int, str]:
    ended = CliRunner().invoke(program, words)
    return ended.exit_code, ended.output


# What nobody may ---------------------------------------------------------------------


@pytest.mark.parametrize("user", ["reader", "writer", "owner"])
async def test_no_message_can_be_taken_out_and_no_reader_writes_one(servers: Production, user: str) -> None:
    """Not by asking, and not by having an answer sent to where something is asked or stored."""
    async with await AsyncStore.open(servers.url("writer"), events=[RawEvent]) as store:
        await store.append("kept-1", paid(1))
    before = await _state(servers)
    connection = await _connected(servers, user)
    if user != "owner":
        await connection.publish(
            "refold.orders.note", b""
        )  # for the writer: an empty message, as an order to delete is
        await connection.flush()
        last = (await _state(servers))["last_seq"]
        for to in ("refold.orders.note", *ORDERS):
            for ask, body in (
                ("STREAM.INFO.orders", {}),
                ("STREAM.MSG.GET.orders", {"seq": last}),
                ("DIRECT.GET.orders", {"seq": last}),
                ("DIRECT.GET.orders", {"seq": last, "no_hdr": True}),
            ):
                await connection.publish(f"orders.API.{ask}", json.dumps(body).encode(), reply=to)
                await connection.publish(f"$JS.API.{ask}", json.dumps(body).encode(), reply=to)
    for order in ORDERS[1 if user == "owner" else 0 :]:  # the owner may delete the whole
        for prefix in ("$JS.API", "orders.API"):
            await connection.publish(order.replace("$JS.API", prefix), b"{}", reply="_INBOX.nobody")
            await connection.publish(order.replace("$JS.API", prefix), b'{"seq": 1}', reply="_INBOX.nobody")
    await connection.flush()
    after = await _state(servers)
    await connection.close()
    written = 1 if user == "writer" else 0
    assert (after["last_seq"], after["messages"]) == (before["last_seq"] + written, before["messages"] + written)


ORDERS = tuple(
    f"$JS.API.{order}.orders" for order in ("STREAM.DELETE", "STREAM.PURGE", "STREAM.MSG.DELETE", "STREAM.UPDATE")
)


async def _connected(servers: Production, user: str) -> Client:
    port, context = servers.nodes[0].port, ssl.create_default_context(cafile=str(servers.ca))
    return await client.connect(
        f"tls://127.0.0.1:{port}",
        user=user,
        password=PASSWORDS.get(user, ""),
        tls=context,
        tls_handshake_first=True,
        error_cb=_unheard,
    )


async def _unheard(_: Exception) -> None:
    """What is refused is seen in the stream."""


async def _state(servers: Production) -> Any:
    connection = await _connected(servers, "owner")
    await connection.request("$JS.API.STREAM.INFO.orders", b"{}")  # what was asked before, by others, is done by then
    said = json.loads((await connection.request("$JS.API.STREAM.INFO.orders", b"{}")).data)
    await connection.close()
    return said.get("state") or said["error"]["description"]


async def test_in_the_account_of_the_stream_a_right_to_read_would_be_one_to_delete_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why nobody works there. If this fails, NATS looks at where answers go, and the page can do with fewer accounts."""
    know_the_passwords(monkeypatch)
    owner = "{ user: owner, password: $OWNER_PASSWORD }"
    rights = '["$JS.API.DIRECT.GET.orders", "refold.orders.>"]'
    near = f'{owner}, {{ user: near, password: "", permissions: {{ publish: {rights}, subscribe: ["_INBOX.>"] }} }}'
    with production(tmp_path, ["a"], {owner: near}) as servers:
        Store.open(servers.url("owner")).close()
        connection = await _connected(servers, "near")
        await connection.request("refold.orders.note", b"")
        await connection.publish("$JS.API.DIRECT.GET.orders", b'{"seq": 1}', reply="$JS.API.STREAM.DELETE.orders")
        await connection.flush()
        assert await _state(servers) == "stream not found"
        await connection.close()


# What is said when a right is missing -------------------------------------------------


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        (lambda it: it.url("writer", password=""), StoreUnreachable, r"not let this user in \(Authorization Violation"),
        (lambda it: it.url("nobody"), StoreUnreachable, r"not let this user in \(Authorization Violation"),
        (lambda it: it.url("writer").replace("127.0.0.1", "localhost"), StoreUnreachable, r"no safe connection.*Hostname"),
        (lambda it: re.sub("&tlsca=[^&]*", "", it.url("writer")), StoreUnreachable, r"no safe connection.*local issuer"),
        (lambda it: re.sub("&api_prefix=.*", "", it.url("writer")), StoreUnreachable, r"ask at '.JS.API.STREAM.INFO.*api_prefix"),
        (lambda it: it.url("writer").replace("/orders?", "/others?"), StoreUnreachable, "ask at 'orders.API.STREAM.INFO.others'"),
        (lambda it: it.url("reader"), StoreReadOnly, r"publish to 'refold\.orders\.\S+'\. Nothing was written"),
    ],
    ids=["password", "user", "host", "CA", "prefix", "store", "writing"],
)  # fmt: skip
def test_a_right_that_is_missing_is_told_at_once(
    servers: Production, url: Callable[[Production], str], error: type[StoreError], said: str
) -> None:
    began = time.monotonic()
    with pytest.raises(error, match=said), Store.open(url(servers)) as store:
        store.append("account-7", paid(1))
    assert time.monotonic() - began < 4


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Generator[Production]:
    """One server, with users besides that lack one right each."""
    reads = ['"orders.API.STREAM.INFO.orders"', '"orders.API.STREAM.MSG.GET.orders"', '"orders.API.DIRECT.GET.orders"']
    hears = ['"_INBOX.>"', '"refold-news.orders"']
    users = [
        f'{{ user: {user}, password: "", permissions: {{ publish: [{", ".join(asks)}], subscribe: [{", ".join(told)}] }} }}'
        for user, asks, told in (("blind", reads[:2], hears), ("deaf", reads, hears[1:]), ("alone", reads, hears[:1]))
    ]
    first = "users: [{\n      user: reader"
    changes = {first: f"users: [{', '.join(users)}, {{\n      user: reader"}
    with pytest.MonkeyPatch.context() as patch:
        know_the_passwords(patch)
        with production(tmp_path_factory.mktemp("alone"), ["a"], changes) as found:
            yield found


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("blind", "not let this user ask at 'orders.API.DIRECT.GET.orders'"),
        ("deaf", r"hear nothing at '_INBOX\.\w+\.\*'"),
        ("alone", "hear nothing at 'refold-news.orders'"),
    ],
)
def test_a_right_to_read_or_to_hear_is_named(alone: Production, user: str, said: str) -> None:
    with Store.open(alone.url("owner"), events=[RawEvent]) as store:
        store.append("account-7", paid(1))
    began = time.monotonic()
    with (
        pytest.raises(StoreUnreachable, match=said),
        Store.open(alone.url(user, "&mode=ro"), events=[RawEvent]) as store,
    ):
        list(chain(store.read("account-7"), store.subscribe(after="end", idle=5)))
    assert time.monotonic() - began < 4


def test_a_store_that_is_not_there_only_its_owner_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    know_the_passwords(monkeypatch)
    with production(tmp_path, ["a"]) as servers:
        with pytest.raises(StoreReadOnly, match=r"no store 'orders' at .*, and this user may not make it"):
            Store.open(servers.url("writer"))
        Store.open(servers.url("owner")).close()
        Store.open(servers.url("writer")).close()


def test_one_server_with_a_wrong_certificate_is_not_in_the_way_of_the_others(alone: Production) -> None:
    Store.open(alone.url("owner")).close()
    right = f"127.0.0.1:{alone.nodes[0].port}"
    wrong = right.replace("127.0.0.1", "localhost")
    for _ in range(6):  # the client begins with any of them
        Store.open(alone.url("writer").replace(right, f"{wrong},{right}")).close()


def test_connections_over_tls_end_without_a_warning(alone: Production, caplog: pytest.LogCaptureFixture) -> None:
    Store.open(alone.url("owner")).close()
    assert [record.message for record in caplog.records] == []


def test_no_password_goes_to_a_server_without_tls(nats: str) -> None:
    host = nats.rpartition("/")[2]
    with pytest.raises(StoreUnreachable, match="the server has no TLS") as caught:
        Store.open(f"nats://ada:s3cret@{host}/orders?tls=yes")
    assert "s3cret" not in str(caught.value)


# The servers --------------------------------------------------------------------------


def test_each_url_that_the_page_watches_says_what_it_says(servers: Production) -> None:
    asked = [row[0].code[0] for row in PAGE.rows if row[0].code and row[0].code[0].startswith("/")]
    assert asked == ["/healthz?js-enabled-only=true", "/healthz", "/jsz?acc=ORDERS&streams=true", "/jsz", "/varz"]
    for node in servers.nodes:
        node.healthy()
        assert [node.asked(path)[0] for path in asked] == [HTTPStatus.OK] * len(asked)
        whole = node.asked("/jsz")[1]
        assert (whole["config"]["sync_always"], whole["config"]["max_storage"]) == (True, 300 << 30)
        assert 0 <= whole["storage"] < whole["config"]["max_storage"]
        assert node.asked("/varz")[1]["tags"] == [f"zone:{'abc'[servers.nodes.index(node)]}"]
        assert _cluster(node)["leader"] in {"n1", "n2", "n3"}
    leader = next(node for node in servers.nodes if _cluster(node)["leader"] == node.name)
    assert all("current" in replica for replica in _cluster(leader)["replicas"])


def _cluster(node: Node) -> Any:
    (account,) = node.asked("/jsz?acc=ORDERS&streams=true")[1]["account_details"]
    (stream,) = account["stream_detail"]
    return stream["cluster"]


def test_the_limit_of_an_account_counts_every_replica(servers: Production, writer: Store) -> None:
    writer.append("big-1", paid(*range(500)))
    size = len([*writer.read("big-1")]) * 100

    def counted() -> bool:
        (account,) = servers.nodes[0].asked("/jsz?acc=ORDERS&streams=true")[1]["account_details"]
        return bool(size < 2.5 * account["stream_detail"][0]["state"]["bytes"] < account["storage"])

    _until(counted)  # a server hears of the others' usage now and then


@pytest.mark.parametrize("count", [1, pytest.param(3, marks=pytest.mark.long)])
def test_writers_go_on_while_one_server_after_the_other_is_stopped_and_started(servers: Production, count: int) -> None:
    told, stop, stream = list[int](), threading.Event(), f"upgraded-{count}"
    led = [_cluster(node)["leader"] == node.name for node in servers.nodes]

    def write(store: Store) -> None:
        while not stop.is_set():
            told.append(store.append(stream, paid(len(told)), expected=len(told)).version)

    with Store.open(servers.url("writer"), events=[RawEvent]) as store, ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write, store)
        for node in [*servers.nodes[led.index(True) :], *servers.nodes][:count]:
            wanted = len(told) + 5
            node.stop()
            node.start()
            node.healthy()
            _until(partial(_has_come_to, told, wanted, writing))
        stop.set()
        writing.result(60)
        assert [event.version for event in store.read(stream)] == told == [*range(1, len(told) + 1)]


def _has_come_to(told: Sequence[int], wanted: int, writing: Future[None]) -> bool:
    return len(told) > wanted or writing.done()


def _until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_two_servers_in_one_zone_hold_no_store_of_three_replicas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know_the_passwords(monkeypatch)
    with (
        production(tmp_path, ["a", "b", "b"]) as servers,
        pytest.raises(Unsupported, match="server tag not unique"),
    ):
        Store.open(servers.url("owner"))


def test_a_full_account_is_told_as_such_and_is_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    know_the_passwords(monkeypatch)
    with production(tmp_path, ["a"], {"750GB": "1MB"}) as servers:
        Store.open(servers.url("owner")).close()
        with Store.open(servers.url("writer"), events=[RawEvent]) as store:
            big = RawEvent("Grown", {"by": "x" * 400_000})
            store.append("big-1", [big, big])
            with pytest.raises(StoreFull, match=r"resource limits exceeded for account.*Nothing was written"):
                store.append("big-1", [big])
            assert [event.data for event in store.read("big-1")] == [big, big]
