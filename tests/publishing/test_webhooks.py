"""Webhooks: whoever listens gets what is meant for it, signed; whatever it answers is heeded; and nobody else gets anything."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from tests.publishing.receivers import CERTIFICATE, SECRET, Answer, Hook, OrderPlaced, receiving

from refold import (
    AddressRefused,
    AsyncStore,
    BadSignature,
    CloudEvent,
    MessageRefused,
    Publication,
    ReceiverAway,
    ReceiverGone,
    Store,
    UsageError,
)
from refold._bridge.stepping import run_sync
from refold.external import Retry
from refold.integrations.addresses import addresses_of, kind_of
from refold.integrations.webhooks import Webhook

LONG = 30.0
MESSAGE = CloudEvent("m-1", "/shop", "order.placed", b'{"order":"7","cents":5}')


@pytest.fixture
def hook() -> Iterator[Hook]:
    with receiving() as hook:
        yield hook


def local(hook: Hook, **options: Any) -> Webhook:
    return Webhook(hook.url, secret=SECRET, allow_private=True, **options)


def send(webhook: Webhook, message: CloudEvent = MESSAGE) -> None:
    run_sync(webhook.send(message))


# What arrives ---------------------------------------------------------------------------


def test_a_message_arrives_whole_and_signed(hook: Hook) -> None:
    send(local(hook, headers={"Authorization": "Bearer x"}))
    ((headers, body),) = hook.came
    assert Webhook.verify(headers, body, SECRET) == MESSAGE
    assert json.loads(body) == {
        "specversion": "1.0", "id": "m-1", "source": "/shop", "type": "order.placed",
        "datacontenttype": "application/json", "data": {"order": "7", "cents": 5},
    }  # fmt: skip
    told = {name.lower(): value for name, value in headers.items()}
    assert told["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert (told["authorization"], told["webhook-id"]) == ("Bearer x", "m-1")
    with pytest.raises(BadSignature):
        Webhook.verify(headers, body + b" ", SECRET)


def test_a_store_publishes_to_a_webhook_and_another_store_receives_it(tmp_path: Path, hook: Hook) -> None:
    publication = Publication("orders-out", OrderPlaced, to=local(hook), source="/shop")
    with Store.open(f"sqlite:///{tmp_path}/shop.db") as shop, Store.open("memory://") as billing:
        shop.append("order-7", [OrderPlaced("7", 5), OrderPlaced("8", 6)])
        with shop.run(publication):
            shop.wait_for("orders-out", 2, timeout=LONG)
        for headers, body in hook.came * 2:
            message = Webhook.verify(headers, body, SECRET)
            billing.received("billing", message).append("bill-1", [message.read(OrderPlaced)])
        assert [event.data for event in billing.read(query=None)] == [OrderPlaced("7", 5), OrderPlaced("8", 6)]


# What is answered -----------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_acknowledges(hook: Hook, status: int) -> None:
    hook.answers = [Answer(status)]
    send(local(hook))
    assert len(hook.came) == 1


@pytest.mark.parametrize(
    ("answer", "error", "what"),
    [
        (Answer(500, body=b"no such table"), MessageRefused, "answered 500: 'no such table'"),
        (Answer(400, body=b"x" * 5_000), MessageRefused, f"answered 400: '{'x' * 200}'"),
        (Answer(404), MessageRefused, "answered 404: ''"),
        (Answer(302, {"location": "http://169.254.169.254/latest"}), MessageRefused, "redirects are not followed"),
        (Answer(307, {"location": "/elsewhere"}), MessageRefused, "redirects are not followed"),
        (Answer(410), ReceiverGone, "it takes no more messages"),
        (Answer(429), ReceiverAway, "answered 429"),
        (Answer(503), ReceiverAway, "answered 503"),
        (Answer(204, after=0.3), MessageRefused, "did not answer: ReadTimeout"),
    ],
)
def test_any_other_answer_is_told(hook: Hook, answer: Answer, error: type[Exception], what: str) -> None:
    hook.answers = [answer]
    with pytest.raises(error, match=re.escape(what)):
        send(local(hook, timeout=0.1))
    assert len(hook.came) == 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("retry_after", "low", "high"),
    [
        ("7", 7, 7), ("", 0, 0), ("soon", 0, 0), ("-3", 0, 0), ("999999999", 3_600, 3_600),
        ("in ten minutes", 500, 600),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0, 0), ("²", 0, 0), ("Thu, 01 Jan 1970 00:00:00 +9999999999999", 0, 0),
    ],
)  # fmt: skip
def test_who_asks_to_wait_is_believed_for_an_hour_at_most(
    hook: Hook, status: int, retry_after: str, low: float, high: float
) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    hook.answers = [Answer(status, {"retry-after": retry_after.replace("in ten minutes", moment)})]
    with pytest.raises(ReceiverAway) as caught:
        send(local(hook))
    assert low <= caught.value.retry_after <= high


def test_nobody_there_is_away(hook: Hook) -> None:
    with receiving() as gone:
        pass
    with pytest.raises(ReceiverAway, match="cannot be reached"):
        send(local(gone))


def test_a_message_over_the_limit_is_not_sent(hook: Hook) -> None:
    large = CloudEvent("m-1", "/shop", "t", json.dumps("x" * 2_000).encode())
    with pytest.raises(MessageRefused, match="1,000 are sent at most"):
        send(local(hook, limit=1_000), large)
    assert hook.came == []


def test_a_receiver_that_fails_in_every_way_gets_each_message_in_order(tmp_path: Path, hook: Hook) -> None:
    hook.answers = [
        Answer(500), Answer(429, {"retry-after": "0"}), Answer(204, after=0.3), Answer(), Answer(503), Answer(502), Answer(),
    ]  # fmt: skip
    retry = Retry(4, timedelta(milliseconds=1), timedelta(milliseconds=2))
    publication = Publication("orders-out", OrderPlaced, to=local(hook, timeout=0.1), source="/shop", retry=retry)
    with Store.open(f"sqlite:///{tmp_path}/shop.db") as shop:
        shop.append("order-7", [OrderPlaced(str(number)) for number in range(5)])
        with shop.run(publication):
            shop.wait_for("orders-out", 5, timeout=LONG)
        assert shop.model(publication).dead_letters() == ()
    arrived: list[str] = [message.read(OrderPlaced).order for message in hook.messages]
    assert [*dict.fromkeys(arrived)] == ["0", "1", "2", "3", "4"]
    assert len({message.id for message in hook.messages}) == 5


def test_a_receiver_that_asks_to_wait_is_left_alone_so_long(tmp_path: Path, hook: Hook) -> None:
    hook.answers = [Answer(429, {"retry-after": "1"})]
    publication = Publication("orders-out", OrderPlaced, to=local(hook), source="/shop")
    with Store.open(f"sqlite:///{tmp_path}/shop.db") as shop:
        shop.append("order-7", [OrderPlaced("1")])
        began = time.monotonic()
        with shop.run(publication):
            shop.wait_for("orders-out", 1, timeout=LONG)
        assert (len(hook.came), time.monotonic() - began >= 1.0) == (2, True)


async def test_a_webhook_that_blocks_does_not_hold_up_an_event_loop(tmp_path: Path, hook: Hook) -> None:
    hook.answers = [Answer(after=0.5)]
    publication = Publication("orders-out", OrderPlaced, to=local(hook), source="/shop")
    async with await AsyncStore.open(f"sqlite:///{tmp_path}/shop.db") as shop:
        await shop.append("order-7", [OrderPlaced("1")])
        longest = 0.0
        async with shop.run(publication):
            for _ in range(40):
                before = time.monotonic()
                await asyncio.sleep(0.01)
                longest = max(longest, time.monotonic() - before)
            await shop.wait_for("orders-out", 1, timeout=LONG)
    assert longest < 0.4


# Where nothing is sent --------------------------------------------------------------------

PRIVATE = [
    "127.0.0.1", "127.1.2.3", "[::1]", "0.0.0.0",  # noqa: S104
    "[::]", "10.0.0.1", "172.16.5.5", "192.168.1.1", "100.64.0.1", "169.254.169.254",
    "[fe80::1]", "[fd00:ec2::254]", "[fc00::1]", "[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]", "[::ffff:a00:1]",
    "[::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]", "[2002:a00:1::1]", "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "017700000001", "224.0.0.1", "[ff02::1]", "255.255.255.255", "240.0.0.1",
    "198.18.0.1", "192.0.2.1", "168.63.129.16", "localhost", "LOCALHOST", "localhost.",
]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE)
def test_no_address_of_a_private_network_is_posted_to(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Webhook, "_post", lambda *_: pytest.fail("it was posted"))
    with pytest.raises((AddressRefused, ReceiverAway, UsageError)) as caught:
        send(Webhook(f"http://{host}:9/hook", secret=SECRET))
    told = str(caught.value)
    assert isinstance(caught.value, AddressRefused) or "cannot be looked up" in told or "is no URL" in told


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_addresses_of_the_public_internet_are_not_refused(address: str) -> None:
    assert kind_of(address) is None


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: Sequence[str]) -> list[str]:
    """Lets `*.example` lead to these addresses, one answer after another; and says which names were looked up."""
    real, left, asked = socket.getaddrinfo, list(answers), list[str]()

    def getaddrinfo(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        if not str(host).endswith(".example"):
            return real(host, port, *args, **options)
        asked.append(host)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [info for address in found for info in real(address, port, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("addresses", [["10.1.2.3"], ["93.184.216.34", "127.0.0.1"], ["::1", "93.184.216.34"]])
def test_a_name_that_leads_to_a_private_address_is_refused(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, addresses)
    monkeypatch.setattr(Webhook, "_post", lambda *_: pytest.fail("it was posted"))
    with pytest.raises(AddressRefused, match=r"'receiver.example': its address .* is (private|of this machine)"):
        send(Webhook("https://receiver.example/hook", secret=SECRET))


def test_a_name_that_leads_elsewhere_a_moment_later_is_not_followed_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, posted = resolving(monkeypatch, ["93.184.216.34"], ["127.0.0.1"]), list[str]()
    monkeypatch.setattr(Webhook, "_post", lambda self, address, *_: posted.append(address))
    send(Webhook("https://receiver.example/hook", secret=SECRET))
    assert (asked, posted) == (["receiver.example"], ["93.184.216.34"])


def test_it_connects_to_the_address_that_was_judged_under_the_name_that_was_meant(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolving(monkeypatch, ["127.0.0.1"], ["93.184.216.34"])
    send(Webhook(hook.url.replace("127.0.0.1", "receiver.example"), secret=SECRET, allow_private=True))
    ((headers, _),) = hook.came
    told = {name.lower(): value for name, value in headers.items()}
    assert (told["host"].partition(":")[0], asked) == ("receiver.example", ["receiver.example"])


def test_the_certificate_must_be_that_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["127.0.0.1"])
    trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
    with receiving(tls=True) as hook:
        for name in ("receiver.example", "other.example"):
            webhook = Webhook(hook.url.replace("127.0.0.1", name), secret=SECRET, allow_private=True, ssl=trusting)
            if name == "receiver.example":
                send(webhook)
            else:
                with pytest.raises(ReceiverAway, match="certificate verify failed"):
                    send(webhook)
        with pytest.raises(ReceiverAway, match="certificate verify failed"):
            send(Webhook(hook.url.replace("127.0.0.1", "receiver.example"), secret=SECRET, allow_private=True))
        assert len(hook.came) == 1


def test_no_proxy_of_the_environment_is_used(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    send(local(hook))
    assert len(hook.came) == 1


def test_a_refused_address_stops_the_publication_and_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    publication = Publication("orders-out", OrderPlaced, to=Webhook("http://10.0.0.1/", secret=SECRET), source="/shop")
    with Store.open(f"sqlite:///{tmp_path}/shop.db") as shop, caplog.at_level(logging.ERROR):
        shop.append("order-7", [OrderPlaced("7")])
        with shop.run(publication):
            deadline = time.monotonic() + LONG
            while "allow_private=True" not in caplog.text:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        found = shop.model(publication).status()
        assert (found.state, shop.model(publication).dead_letters()) == ("failed", ())
        assert "10.0.0.1 is private" in found.reason


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("ftp://shop.example/", "write https://host/path"), ("shop.example/hook", "write https://host/path"),
        ("file:///etc/passwd", "write https://host/path"), ("https://", "write https://host/path"),
        ("http://a b/", "write https://host/path"), ("https://u:p@shop.example/", "holds a password"),
        ("http://h:99999/", "is no URL"),
    ],
)  # fmt: skip
def test_what_is_no_url_is_refused_at_once(url: str, what: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        Webhook(url, secret=SECRET)
    assert "u:p@" not in str(caught.value)


def test_a_name_that_nobody_knows_is_away() -> None:
    with pytest.raises(ReceiverAway, match="cannot be looked up"):
        addresses_of("receiver.invalid", 443, allow_private=False)


def test_neither_errors_nor_names_show_the_query(hook: Hook) -> None:
    hook.answers = [Answer(500)]
    with pytest.raises(MessageRefused) as caught:
        send(Webhook(f"{hook.url}?token=hidden", secret=SECRET, allow_private=True))
    assert "hidden" not in str(caught.value)
