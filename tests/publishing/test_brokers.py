"""Brokers by FastStream: a real NATS JetStream, and those of RabbitMQ, Kafka and Redis that FastStream gives for tests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import nats as nats_client
import pytest
from faststream.kafka import KafkaBroker, KafkaMessage, TestKafkaBroker
from faststream.nats import NatsBroker
from faststream.rabbit import RabbitBroker, RabbitMessage, TestRabbitBroker
from faststream.redis import RedisBroker, RedisStreamMessage, StreamSub, TestRedisBroker
from nats.js import JetStreamContext
from nats.js.api import StreamConfig
from tests.publishing.receivers import OrderPlaced

from refold import AsyncStore, CloudEvent, MessageRefused, Publication, ReceiverAway, Store, UsageError
from refold.external import Retry
from refold.integrations.faststream import faststream
from refold.testing.nats import nats_server

LONG = 30.0
numbers = count(1)
AT_ONCE = Retry(3, timedelta(milliseconds=1), timedelta(milliseconds=2))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[AsyncStore]:
    async with await AsyncStore.open(f"sqlite:///{tmp_path}/shop.db") as store:
        await store.append("order-7", [OrderPlaced("7", 5), OrderPlaced("7", 6)])
        await store.append("order-8", [OrderPlaced("8", 7)])
        yield store


def orders(to: Any) -> Publication:
    return Publication("orders-out", OrderPlaced, to=to, source="/shop", retry=AT_ONCE)


def told(messages: list[CloudEvent]) -> list[tuple[str, int]]:
    return [(message.attribute("partitionkey") or "", message.read(OrderPlaced).cents) for message in messages]


EXPECTED = [("order-7", 5), ("order-7", 6), ("order-8", 7)]

# NATS -------------------------------------------------------------------------------------


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG):
        while True:
            if holds():
                return
            await asyncio.sleep(0.01)


class Place:
    """A stream of JetStream with one subject."""

    def __init__(self, url: str, name: str, js: JetStreamContext) -> None:
        self.url, self.name, self.subject, self.js = url, name, f"{name}.orders", js

    async def messages(self) -> list[CloudEvent]:
        """All that is in the stream."""
        info = await self.js.stream_info(self.name)
        found = [await self.js.get_msg(self.name, number) for number in range(1, info.state.messages + 1)]
        return [CloudEvent.parse(each.headers or {}, each.data or b"") for each in found]


@pytest.fixture
async def place(nats: str) -> AsyncIterator[Place]:
    client = await nats_client.connect(nats)
    js, name = client.jetstream(), f"S{next(numbers)}"
    await js.add_stream(StreamConfig(name=name, subjects=[f"{name}.>"], max_msg_size=2_000))
    yield Place(nats, name, js)
    await js.delete_stream(name)
    await client.close()


async def test_events_stand_in_a_stream_of_nats_once_even_if_they_are_sent_again(
    store: AsyncStore, place: Place
) -> None:
    broker = NatsBroker(place.url)
    publication = orders(faststream(broker, place.subject, stream=place.name))
    async with store.run(publication):
        await store.wait_for("orders-out", 3, timeout=LONG)
    await store.model(publication).reset()
    await store.catch_up(publication)
    assert told(await place.messages()) == EXPECTED
    await broker.stop()


async def test_a_message_that_is_too_large_for_nats_is_parked(store: AsyncStore, place: Place) -> None:
    broker = NatsBroker(place.url)
    publication = orders(faststream(broker, place.subject, stream=place.name))
    await store.append("order-9", [OrderPlaced("9" * 5_000, 8)])
    await store.append("order-7", [OrderPlaced("7", 9)])
    async with store.run(publication):
        await store.wait_for("orders-out", 5, timeout=LONG)
    (letter,) = await store.model(publication).dead_letters()
    assert (letter.position, letter.error.partition(":")[0]) == (4, "MessageRefused")
    assert told(await place.messages()) == [*EXPECTED, ("order-7", 9)]
    await broker.stop()


async def test_while_nats_is_away_all_waits_and_then_goes_on(
    store: AsyncStore, caplog: pytest.LogCaptureFixture
) -> None:
    with nats_server() as gone:
        pass
    broker = NatsBroker(gone, max_reconnect_attempts=0, connect_timeout=1)
    publication = orders(faststream(broker, "s.orders", stream="S", timeout=1.0))
    with caplog.at_level(logging.WARNING):
        async with store.run(publication):
            await until(lambda: "projection 'orders-out' waits 0.2 s" in caplog.text)
            assert await store.model(publication).dead_letters() == ()
    assert (await store.model(publication).status()).position == 0
    assert "faststream(NatsBroker, 's.orders') did not acknowledge" in caplog.text


async def test_a_subject_that_no_stream_keeps_is_waited_for(store: AsyncStore, place: Place) -> None:
    broker = NatsBroker(place.url)
    publication = orders(faststream(broker, "elsewhere", stream=place.name))
    with pytest.raises(ReceiverAway, match="did not acknowledge"):
        await store.catch_up(publication)
    await broker.stop()


def test_nats_without_a_stream_is_refused() -> None:
    with pytest.raises(UsageError, match="NATS keeps them in a stream only"):
        faststream(NatsBroker(), "orders")


# The others -------------------------------------------------------------------------------


async def test_events_reach_a_queue_of_rabbitmq(store: AsyncStore) -> None:
    broker, came = RabbitBroker(), list[Any]()

    @broker.subscriber("orders")
    async def take(body: Any, message: RabbitMessage) -> None:
        came.append(message)

    await caught_up(store, TestRabbitBroker(broker), orders(faststream(broker, "orders")))
    parsed = [CloudEvent.parse({"content-type": each.content_type}, each.body) for each in came]
    assert told(parsed) == EXPECTED
    assert [each.message_id for each in came] == [each.id for each in parsed]


async def test_events_reach_a_topic_of_kafka_under_their_key(store: AsyncStore) -> None:
    broker, came = KafkaBroker(), list[Any]()

    @broker.subscriber("orders")
    async def take(body: Any, message: KafkaMessage) -> None:
        came.append(message)

    await caught_up(store, TestKafkaBroker(broker), orders(faststream(broker, "orders")))
    assert told([CloudEvent.parse(each.headers, each.body) for each in came]) == EXPECTED
    assert [each.raw_message.key for each in came] == [b"order-7", b"order-7", b"order-8"]


async def test_events_reach_a_stream_of_redis(store: AsyncStore) -> None:
    broker, came = RedisBroker(), list[Any]()

    @broker.subscriber(stream=StreamSub("orders"))
    async def take(body: Any, message: RedisStreamMessage) -> None:
        came.append(message)

    await caught_up(store, TestRedisBroker(broker), orders(faststream(broker, "orders")))
    assert told([CloudEvent.parse(each.headers, each.body) for each in came]) == EXPECTED


async def caught_up(store: AsyncStore, broker: Any, publication: Publication) -> None:
    async with broker:
        assert await store.catch_up(publication) == 3


# Any ---------------------------------------------------------------------------------------


class DeliveredMessage:
    """What RabbitMQ gives back when no queue is bound."""


class MaxPayloadError(Exception):
    """What a broker says to too much."""


class Stub(RabbitBroker):
    """A broker that answers what it is told to."""

    answer: Any = None
    options: Any = None

    async def connect(self) -> Any:
        """It is there."""

    async def publish(self, *args: Any, **options: Any) -> Any:
        self.options = options
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (DeliveredMessage(), ReceiverAway), (ConnectionError("x"), ReceiverAway), (RuntimeError("x"), ReceiverAway),
        (TimeoutError(), ReceiverAway), (MaxPayloadError("x"), MessageRefused),
    ],
)  # fmt: skip
async def test_what_a_broker_does_not_acknowledge_is_told(answer: Any, error: type[Exception]) -> None:
    broker = Stub()
    broker.answer = answer
    with pytest.raises(error):
        await faststream(broker, "orders").send(CloudEvent("1", "/", "t"))


async def test_what_rabbitmq_is_given_survives_its_restart() -> None:
    broker = Stub()
    await faststream(broker, "orders", exchange="shop").send(CloudEvent("1", "/", "t"))
    assert (broker.options["persist"], broker.options["exchange"], broker.options["routing_key"]) == (
        True,
        "shop",
        "orders",
    )


def test_what_is_no_broker_is_refused() -> None:
    with pytest.raises(UsageError, match="is no broker"):
        faststream(object(), "orders")


def test_blocking_code_is_told_that_a_broker_awaits(tmp_path: Path) -> None:
    publication = orders(faststream(RabbitBroker(), "orders"))
    with Store.open(f"sqlite:///{tmp_path}/shop.db") as store:
        for use in (store.run, store.catch_up):
            with pytest.raises(UsageError, match=r"sent by faststream\(RabbitBroker, 'orders'\), which awaits"):
                use(publication)
        with pytest.raises(UsageError, match="run it with AsyncStore"):
            store.model(publication).retry()


async def test_a_coroutine_function_is_awaited(store: AsyncStore) -> None:
    came: list[CloudEvent] = []

    async def take(message: CloudEvent) -> None:
        await asyncio.sleep(0)
        came.append(message)

    await store.catch_up(orders(take))
    assert told(came) == EXPECTED
