"""Append: events to one stream or several, with all that the writer expects, once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from starlette.responses import Response

from refold.errors import Conflict, IdReused
from refold.flows.append import Receipt
from refold.flows.inbox import with_ids
from refold.flows.together import StreamWrite
from refold.http.access import category_of
from refold.http.asking import Ask, answer, failed_match
from refold.http.bodies import JSON
from refold.http.problems import Declined
from refold.http.routes import NAME, Header, Route, Told
from refold.http.shapes import (
    AppendAllIn,
    AppendedAllOut,
    AppendedOut,
    AppendIn,
    EventIn,
    StreamCheckIn,
    expected_of,
)
from refold.messages import NewEvent
from refold.ports import Check, StreamCheck
from refold.query import ANY, EXISTS, AppendCondition, Expected, ExpectedVersion

_ETAG: Final = re.compile(r'"([0-9]{1,18})(-[0-9a-f]{32})?"')
_VERSION: Final = re.compile(r"[0-9]{1,18}")


async def append(ask: Ask) -> Response:
    """Append to one stream."""
    stream = ask.path["stream"]
    ask.access.check("append", [category_of(stream)])
    expected, by_etag = expectation(ask)
    body = await ask.body(AppendIn)
    condition = None if body.condition is None else _condition(ask, body.condition.condition())
    events = _identified(ask, [*_events(ask, category_of(stream), body.events)], "")
    try:
        receipt = await ask.store.append(stream, events, expected=expected, condition=condition)
    except Conflict as error:
        raise (failed_match(error) if by_etag else error) from error
    except IdReused as error:
        raise _reused(ask, error) from error
    return answer(AppendedOut.of(stream, receipt), _status([receipt]), {"ETag": f'"{receipt.version}"'})


async def append_all(ask: Ask) -> Response:
    """Append to several streams."""
    body = await ask.body(AppendAllIn)
    ask.access.check("append", [category_of(write.stream) for write in body.writes])
    writes = [
        StreamWrite(
            write.stream,
            _identified(ask, [*_events(ask, category_of(write.stream), write.events)], f"/{number}"),
            expected_of(write.expected),
        )
        for number, write in enumerate(body.writes)
    ]
    checks = [*_checks(ask, body)]
    try:
        receipts = await ask.store.append_all(writes, checks=checks)
    except IdReused as error:
        raise _reused(ask, error) from error
    told = [AppendedOut.of(str(write.stream), receipt) for write, receipt in zip(writes, receipts, strict=True)]
    return answer(AppendedAllOut(told), _status(receipts))


def expectation(ask: Ask) -> tuple[ExpectedVersion, bool]:
    """What the headers expect of the stream, and whether If-Match says so.

    Raises:
        Declined: 400, they cannot be read, or both are there.
    """
    match, told = ask.header("if-match"), ask.header("expected-version")
    if match is not None and told is not None:
        raise Declined(400, "bad-header", "send If-Match or Expected-Version, one of the two.")
    if match is not None:
        return _matching(match.strip()), True
    return (ANY if told is None else _version(told.strip())), False


def _matching(text: str) -> ExpectedVersion:
    if text == "*":
        return EXISTS
    if found := _ETAG.fullmatch(text):
        return int(found[1])
    raise Declined(400, "bad-header", 'If-Match is the ETag of a stream, as in "7", or * for any that exists.')


def _version(text: str) -> ExpectedVersion:
    if _VERSION.fullmatch(text):
        return int(text)
    try:
        return Expected(text)
    except ValueError as error:
        raise Declined(
            400, "bad-header", "Expected-Version is a version, as in 7, or any, or no stream, or exists."
        ) from error


def _events(ask: Ask, category: str, given: Iterable[EventIn]) -> Iterator[NewEvent[object]]:
    for event in given:
        if own := next((key for key in event.metadata if key.startswith("$")), None):
            raise Declined(422, "does-not-fit", f"metadata key {own!r}: keys that begin with '$' are Refold's own.")
        yield event.new(ask.api.classes.event(event, category), ask.access.name)


def _identified(ask: Ask, events: Sequence[NewEvent[object]], part: str) -> Sequence[NewEvent[object]]:
    """With ids that follow from the idempotency key, if there is one, so that a repeat is known as one."""
    key = ask.idempotency_key
    if key is None:
        return events
    if any(event.id is not None for event in events):
        raise Declined(400, "bad-header", "give the events ids, or the request an Idempotency-Key: one of the two.")
    return with_ids(key + part, events)


def _condition(ask: Ask, condition: AppendCondition) -> AppendCondition:
    """A condition tells whether something is there: it takes the right to read everywhere."""
    ask.access.check("read", [None])
    return condition


def _checks(ask: Ask, body: AppendAllIn) -> Iterator[Check]:
    for check in body.checks:
        if isinstance(check, StreamCheckIn):
            ask.access.check("read", [category_of(check.stream)])
            yield StreamCheck(check.stream, expected_of(check.expected))
        else:
            yield _condition(ask, AppendCondition(check.query.query(), check.after))


def _status(receipts: Sequence[Receipt]) -> int:
    return 200 if all(receipt.repeated for receipt in receipts) else 201


def _reused(ask: Ask, error: IdReused) -> Exception:
    return error if ask.idempotency_key is None else reused("append")


def reused(kind: str) -> Declined:
    """The refusal of a key that was used before, which tells nothing of what it was used for."""
    return Declined(
        422,
        "key-reused",
        f"this Idempotency-Key was used for another {kind}: one key names one request. Take a new key for a new request.",
    )


KEY: Final = Header("Idempotency-Key", "A repeat with the same key gives the first outcome, and does nothing.", {
    "type": "string", "minLength": 1, "maxLength": 150, "pattern": r"^[\x21-\x7e][\x20-\x7e]{0,149}$",
})  # fmt: skip
_STREAM: Final[dict[str, Any]] = {"stream": {**NAME, "description": "`category-id`, percent-encoded."}}
_REFUSALS: Final = (400, 409, 410, 412, 413, 415, 422)

ROUTES: Final = (
    Route(
        "POST", "/streams/{stream}", append, "append", "Append events to a stream, all or none",
        {
            201: Told("They were appended.", {JSON: AppendedOut}, {"ETag": "The version of the stream."}),
            200: Told("They had been appended before.", {JSON: AppendedOut}, {"ETag": "The version of the stream."}),
        },
        _REFUSALS,
        headers=(
            Header("If-Match", "The ETag that the stream must have, or *; 412 if it has not."),
            Header("Expected-Version", "A version, or any, or no stream, or exists; 409 if that is not so."),
            KEY,
        ),
        bodies={JSON: AppendIn},
        variables=_STREAM,
        group="append",
    ),
    Route(
        "POST", "/appends", append_all, "append", "Append events to several streams, all or none",
        {
            201: Told("They were appended.", {JSON: AppendedAllOut}),
            200: Told("They had been appended before.", {JSON: AppendedAllOut}),
        },
        _REFUSALS,
        headers=(KEY,),
        bodies={JSON: AppendAllIn},
        group="append",
    ),
)  # fmt: skip
