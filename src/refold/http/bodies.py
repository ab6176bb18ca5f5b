"""Bodies of requests: read up to a limit, and as JSON that means one thing."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from refold.errors import shortened
from refold.http.problems import Declined

T = TypeVar("T")

JSON: Final = "application/json"


async def whole(request: Request, limit: int) -> bytes:
    """The body.

    Raises:
        Declined: 413, it has more bytes than `limit`; no more of them were read.
    """
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
    except ClientDisconnect as error:
        raise Declined(400, "bad-body", "the request ended before its body did.") from error
    return b"".join(parts)


def _too_large(limit: int) -> Declined:
    return Declined(
        413,
        "body-too-large",
        f"a body may have {limit:,} bytes here: send less at once.",
        headers={"Connection": "close"},
    )


def check_kind(request: Request, kinds: Sequence[str] = (JSON,)) -> str:
    """The media type of the body, one of these.

    That it must be told keeps pages of other origins from sending what a browser sends without asking first.

    Raises:
        Declined: 415, it is another one.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in kinds:
        raise Declined(
            415,
            "unsupported-media-type",
            f"the Content-Type is {shortened(kind)}: send {' or '.join(kinds)}.",
            headers={"Accept": ", ".join(kinds)},
        )
    return kind


def json_of(body: bytes, what: str = "the body", form: str = "") -> Any:  # noqa: ANN401 - JSON
    """The JSON value that a body is. What readers understand differently is refused: keys that stand twice, NaN, 1e999.

    Raises:
        Declined: 400; it says `form`, if there is one that it should have.
    """
    try:
        return _strict(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        wanted = f" Write {form}." if form else ""
        raise Declined(400, "bad-json", f"{what} is not JSON: {reason}.{wanted}") from error


def _strict(text: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(text, object_pairs_hook=_object, parse_constant=_no_number, parse_float=_number)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = sorted(key for key, _ in pairs)
        twice = next(key for key, after in pairwise(keys) if key == after)
        raise ValueError(f"key {shortened(twice)} stands twice in one object")
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _number(text: str) -> float:
    found = float(text)
    if math.isinf(found):
        raise ValueError(f"{shortened(text)} is too large a number")
    return found


def converted(value: object, cls: type[T], what: str = "the body", *, strict: bool = True, status: int = 422) -> T:
    """A value of JSON as one of a class.

    Raises:
        Declined: it does not fit.
    """
    try:
        return msgspec.convert(value, cls, strict=strict)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        raise Declined(status, "does-not-fit", f"{what} does not fit: {error}.") from error
