"""Brokers by FastStream: CloudEvents to NATS JetStream, RabbitMQ, Kafka and Redis Streams."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from refold.cloudevents import STRUCTURED, CloudEvent
from refold.errors import MessageRefused, MissingExtra, ReceiverAway, UsageError, shortened

try:
    import faststream as _faststream
except ImportError as error:
    raise MissingExtra("faststream", "faststream") from error

TIMEOUT: Final = 10.0
"""Seconds within which a broker acknowledges a message."""
_TOO_LARGE: Final = frozenset({"MaxPayloadError", "MessageSizeTooLargeError"})
_TOO_LARGE_FOR_STREAM: Final = 10_054
"""What JetStream answers to that."""


class BrokerSender:
    """A FastStream broker as a sender: each message whole as JSON, acknowledged by the broker. It awaits."""

    awaits = True

    def __init__(self, broker: Any, destination: str, timeout: float, options: Mapping[str, Any]) -> None:  # noqa: ANN401 - of any kind
        self._broker, self._destination, self._timeout, self._options = broker, destination, timeout, options
        self._kind = _kind(broker)
        if self._kind == "nats" and not options.get("stream"):
            raise UsageError(
                f"messages to {destination!r} would be lost while nobody listens: NATS keeps them in a stream only. Name the one "
                "that has this subject: faststream(broker, subject, stream=...)."
            )

    async def send(self, message: CloudEvent) -> None:
        """Publish it, and wait for the broker's acknowledgement.

        Raises:
            ReceiverAway: the broker did not acknowledge it, for whatever reason but its size.
            MessageRefused: it is too large for the broker.
        """
        try:
            async with asyncio.timeout(self._timeout):
                await self._broker.connect()
                answer = await self._broker.publish(message.structured(), **self._place(message), **self._options)
        except Exception as error:
            if type(error).__name__ in _TOO_LARGE or getattr(error, "err_code", None) == _TOO_LARGE_FOR_STREAM:
                raise MessageRefused(f"it is too large for the broker: {error}") from error
            raise ReceiverAway(f"{self!r} did not acknowledge: {type(error).__name__} {error}".rstrip()) from error
        if self._kind == "rabbit" and type(answer).__name__ == "DeliveredMessage":
            raise ReceiverAway(f"{self!r} gave the message back: no queue is bound for it")

    async def close(self) -> None:
        """Close the broker."""
        await self._broker.stop()

    def _place(self, message: CloudEvent) -> Mapping[str, Any]:
        """Where it goes, under which key and id, in the words of its broker."""
        headers = {"content-type": STRUCTURED}
        match self._kind:
            case "nats":
                return {"subject": self._destination, "headers": {**headers, "Nats-Msg-Id": message.id}}
            case "rabbit":
                known = {"message_id": message.id, "message_type": message.type, "content_type": STRUCTURED}
                return {"routing_key": self._destination, "persist": True, **known}
            case "redis":
                return {"stream": self._destination, "headers": headers}
            case _:
                key = message.attribute("partitionkey") or ""
                return {"topic": self._destination, "key": key.encode(), "headers": headers}

    def __repr__(self) -> str:
        return f"faststream({type(self._broker).__name__}, {self._destination!r})"


def faststream(broker: Any, destination: str, *, timeout: float = TIMEOUT, **options: Any) -> BrokerSender:  # noqa: ANN401 - of any kind
    """A broker to publish to: a subject of NATS, a routing key of RabbitMQ, a topic of Kafka, a stream of Redis.

    `options` are those of the broker's `publish`: `stream=` is needed for NATS, `exchange=` may be for RabbitMQ. It awaits, so
    it takes `AsyncStore`, or `refold run`. The broker is connected when it is first needed; closing it is up to you.

    Raises:
        UsageError: it is no such broker, or none that acknowledges.
    """
    return BrokerSender(broker, destination, timeout, options)


def _kind(broker: object) -> str:
    modules = [cls.__module__.split(".") for cls in type(broker).__mro__]
    kinds = {parts[1] for parts in modules if parts[0] == _faststream.__name__ and len(parts) > 1}
    for kind in ("nats", "rabbit", "kafka", "confluent", "redis"):
        if kind in kinds:
            return kind
    raise UsageError(
        f"{shortened(broker)} is no broker that messages can be published to: give faststream's NatsBroker, RabbitBroker, "
        "KafkaBroker or RedisBroker."
    )
