"""The URL of a store on JetStream, and what the store says of itself."""

from __future__ import annotations

from contextlib import nullcontext
from uuid import uuid4

import pytest

from refold import Store, StoreReadOnly, StoreUnreachable, Unsupported, UsageError
from refold.backends.nats import NatsLocation, connecting, foundation
from refold.backends.nats.answering import Json, Rejected
from refold.backends.nats.log import Log
from refold.backends.nats.securing import Tls
from refold.messages import RawEvent


def test_a_url_names_servers_a_store_and_settings() -> None:
    url = "nats://ada:s3cret@a,b:4223,c/orders?sync=always&busy_timeout=5&tls=yes"
    location = NatsLocation.parse(url)
    assert location == NatsLocation(
        ("tls://ada:s3cret@a", "tls://ada:s3cret@b:4223", "tls://ada:s3cret@c"),
        "orders",
        3,
        synced=True,
        busy_timeout=5.0,
        tls=Tls(),
    )
    assert "s3cret" not in location.shown
    assert NatsLocation.parse("nats://a/orders").replicas == 1


@pytest.mark.parametrize(
    "url",
    ["nats://a", "nats:///orders", "nats://a/or.ders", "nats://a/o__x", "nats://a/o?replicas=2", "nats://a/o?sync=no", "nats://a/o?x=1"],
)  # fmt: skip
def test_one_that_makes_no_sense_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError):
        Store.open(url)


def test_the_tenants_of_two_stores_are_never_the_same() -> None:
    names = [
        NatsLocation.parse(f"nats://x/{name}").tenant(tenant).name
        for name in ("a", "a_b")
        for tenant in ("b", "b_b", "ü", "B")
    ]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("settings", "level"), [("", "best-effort"), ("?sync=always", "disk")])
def test_durability_is_what_the_operator_vouches_for(nats: str, settings: str, level: str) -> None:
    with Store.open(f"{nats}/o{uuid4().hex}{settings}") as store:
        assert store.durability == level


def test_a_server_alone_makes_no_replicas_and_says_so(nats: str) -> None:
    with pytest.raises(Unsupported, match="as many servers"):
        Store.open(f"{nats}/o{uuid4().hex}?replicas=3")


def test_where_nobody_answers_it_is_said_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "CONNECTING", 0.2)
    with pytest.raises(StoreUnreachable, match=r"127\.0\.0\.1:9") as caught:
        Store.open("nats://ada:s3cret@127.0.0.1:9/orders")
    assert "s3cret" not in str(caught.value)


def test_where_nobody_answers_it_is_said_even_if_the_cancellation_of_a_timeout_is_swallowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connecting, "CONNECTING", 0.2)
    monkeypatch.setattr("asyncio.timeout", lambda _: nullcontext())
    with pytest.raises(StoreUnreachable, match=r"127\.0\.0\.1:9"):
        Store.open("nats://127.0.0.1:9/orders")


def test_read_only_nothing_is_made_or_written(nats: str) -> None:
    url = f"{nats}/o{uuid4().hex}"
    with pytest.raises(StoreUnreachable, match="mode=ro makes none"):
        Store.open(f"{url}?mode=ro")
    Store.open(url).close()
    with Store.open(f"{url}?mode=ro", events=[RawEvent]) as store, pytest.raises(StoreReadOnly):
        store.append("a-1", [RawEvent("X", {})])


def test_a_cluster_that_does_not_know_all_its_servers_yet_is_given_a_moment(
    nats: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, refused = Log.api, list[str]()

    async def settling(log: Log, subject: str, body: dict[str, object]) -> Json:
        if subject.startswith("STREAM.CREATE.") and len(refused) < 3:
            refused.append(subject)
            raise Rejected(10005, "no suitable peers for placement")
        return await api(log, subject, body)

    monkeypatch.setattr(Log, "api", settling)
    with Store.open(f"{nats}/o{uuid4().hex}", events=[RawEvent]) as store:
        assert (int(store.head()), len(refused)) == (0, 3)
    refused[:] = []
    monkeypatch.setattr(foundation, "SETTLES", 0.0)
    with pytest.raises(Unsupported, match="no suitable peers"):
        Store.open(f"{nats}/o{uuid4().hex}")


def test_what_the_engine_cannot_give_is_refused_with_the_way_round(nats: str) -> None:
    url = f"{nats}/o{uuid4().hex}"
    with Store.open(url) as store, pytest.raises(Unsupported, match="another database"):
        store.query("select 1")
    with pytest.raises(Unsupported, match="no archive"):
        Store.open(url, archive="/nowhere")
