"""Inbox: what tells a message from all others, and what it leads to from what other causes do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, cast
from uuid import UUID, uuid5

import msgspec

from refold.cloudevents import CloudEvent
from refold.errors import InvalidName
from refold.messages import NAME_LIMIT, Context, NewEvent, checked_name

_IDS: Final = UUID("5b0e0b1c-7c0f-5d6e-9a53-0f6d1d8f0c11")
"""The namespace of the ids of events that messages lead to, for ever."""


def inbox_key(consumer: str, message: CloudEvent) -> str:
    """The idempotency key of one message for one consumer: readable, where it is not too long.

    Raises:
        InvalidName: the consumer's.
    """
    told = [checked_name("consumer", consumer), message.source, message.id]
    key = "inbox:" + msgspec.json.encode(told).decode()
    try:
        return checked_name("key", key)
    except InvalidName:
        import hashlib  # noqa: PLC0415 - OpenSSL is loaded when it is needed

        digest = hashlib.blake2b(key.encode(), digest_size=32).hexdigest()
        return f"inbox:{digest}"


def context_of(context: Context, message: CloudEvent) -> Context:
    """The context of what a message leads to: its story goes on, and the message is the cause."""
    return replace(
        context, correlation_id=_story(message) or context.correlation_id, causation_id=message.id[:NAME_LIMIT]
    )


def _story(message: CloudEvent) -> str | None:
    """The correlation id, if it is one that a store would take."""
    try:
        return checked_name("correlation id", message.attribute("correlationid"))
    except InvalidName:
        return None


def with_ids(key: str, events: Iterable[object]) -> list[NewEvent[object]]:
    """The events with ids that are the same whenever the message comes."""
    return [_with_id(event, uuid5(_IDS, f"{key}#{number}")) for number, event in enumerate(events)]


def _with_id(event: object, id: UUID) -> NewEvent[object]:
    return replace(cast("NewEvent[object]", event), id=id) if isinstance(event, NewEvent) else NewEvent(event, id=id)
