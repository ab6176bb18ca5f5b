"""CloudEvents in and out: events as messages, and messages as events of the stream that their subject names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from starlette.responses import Response

from refold.cloudevents import STRUCTURED, CloudEvent
from refold.errors import BadMessage, RefoldError, shortened
from refold.flows.append import Receipt
from refold.http.access import category_of
from refold.http.asking import Ask, answer
from refold.http.bodies import JSON, converted, json_of
from refold.http.problems import Declined, status_of
from refold.http.routes import Route, Told
from refold.http.shapes import AppendedAllOut, AppendedOut, EventIn
from refold.messages import NewEvent, RawEvent, Recorded
from refold.publication import Publication

BATCH: Final = "application/cloudevents-batch+json"


def as_message(ask: Ask, event: Recorded[Any]) -> CloudEvent:
    """An event as a message, as a publication would make it."""
    return Publication("http", RawEvent, to=_nobody, source=ask.api.source).message(event)


async def _nobody(_: CloudEvent) -> None: ...


async def take(ask: Ask) -> Response:
    """Append what a message says, or several one after another, each once."""
    messages = await _messages(ask)
    receipts: list[AppendedOut] = []
    for number, message in enumerate(messages, 1):
        try:
            stream = _stream(message)
            ask.access.check("append", [category_of(stream)])
            receipts.append(AppendedOut.of(stream, await _taken(ask, stream, message)))
        except RefoldError as error:
            if len(messages) == 1:
                raise
            raise Declined(
                status_of(error),
                "batch-not-taken",
                f"message {number} of {len(messages)}: {error} Those before it are appended. Sent again, they are known.",
            ) from error
    return answer(AppendedAllOut(receipts), 200 if all(each.repeated for each in receipts) else 201)


async def _messages(ask: Ask) -> Sequence[CloudEvent]:
    kind = (ask.header("content-type") or "").partition(";")[0].strip().lower()
    headers, body = dict(ask.request.headers), await ask.raw()
    if kind == BATCH:
        found: list[Any] = converted(json_of(body), list[dict[str, Any]])
        if not 1 <= len(found) <= ask.api.quotas.page:
            raise Declined(
                422, "does-not-fit", f"a batch has 1 to {ask.api.quotas.page:,} messages, this has {len(found):,}."
            )
        return [_parsed({"content-type": STRUCTURED}, _ascii(each)) for each in found]
    if kind == STRUCTURED:
        return [_parsed(headers, _ascii(converted(json_of(body), dict[str, Any])))]
    if "ce-specversion" not in headers:
        raise Declined(
            415,
            "unsupported-media-type",
            f"send {STRUCTURED} or {BATCH}, or the attributes in headers, as in ce-specversion.",
        )
    return [_parsed(headers, body)]


def _ascii(value: object) -> bytes:
    """JSON in which lone surrogates are escaped, as they came: they are refused where they stand."""
    return json.dumps(value).encode()


def _parsed(headers: dict[str, str], body: bytes) -> CloudEvent:
    try:
        return CloudEvent.parse(headers, body)
    except BadMessage:
        raise
    except (ValueError, TypeError, AttributeError) as error:
        raise BadMessage(f"it cannot be read: {error}") from error


def _stream(message: CloudEvent) -> str:
    if message.subject is None:
        raise BadMessage("it has no subject, which names the stream that it is for")
    return message.subject


async def _taken(ask: Ask, stream: str, message: CloudEvent) -> Receipt:
    if not message.is_json or message.data is None:
        raise BadMessage(f"its datacontenttype is {shortened(message.datacontenttype)}: events are JSON objects")
    version = message.extensions.get("schemaversion", 1)
    given = EventIn(
        type=message.type,
        data=converted(json_of(message.data), dict[str, Any], "its data"),
        schema_version=version if isinstance(version, int) and not isinstance(version, bool) and version > 0 else 1,
    )
    event = NewEvent(ask.api.classes.event(given, category_of(stream)), valid_at=message.time)
    return await ask.store.received(f"http:{ask.access.key}", message).append(stream, [event])


_MESSAGE: Final[dict[str, Any]] = {
    "type": "object",
    "description": "A CloudEvent 1.0. Its subject names the stream, its type the event; its data are a JSON object.",
    "required": ["specversion", "id", "source", "type", "subject", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1},
        "type": {"type": "string", "minLength": 1, "maxLength": 200},
        "subject": {"type": "string", "minLength": 3, "maxLength": 200},
        "time": {"type": "string", "format": "date-time"},
        "data": {"type": "object"},
    },
}

ROUTES: Final = (
    Route("POST", "/cloudevents", take, "append", "Append what CloudEvents say, each once", {
        201: Told("They were appended.", {JSON: AppendedAllOut}),
        200: Told("They had been appended before.", {JSON: AppendedAllOut}),
    }, (400, 409, 410, 413, 415, 422), bodies={
        STRUCTURED: _MESSAGE, BATCH: {"type": "array", "minItems": 1, "items": _MESSAGE},
    }, group="messages"),
)  # fmt: skip
