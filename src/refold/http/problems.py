"""Errors as answers: RFC 9457, and which error of Refold's is which status."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec
from starlette.responses import Response

from refold.errors import (
    Archived,
    BadMessage,
    BadSignature,
    CannotUndo,
    Conflict,
    DeliveryError,
    IdReused,
    InvalidName,
    MissingExtra,
    NoSuchInstance,
    NoSuchProjection,
    NoSuchVersion,
    NotACopy,
    NotAStore,
    NotCaughtUp,
    OutcomeUnknown,
    ProjectionChanged,
    ProjectionStopped,
    ReceiverAway,
    RefoldError,
    Refused,
    StoreBusy,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnreachable,
    TooLarge,
    Unsupported,
    UpcasterError,
    UsageError,
)
from refold.ports import QueryMatched, StreamMoved
from refold.query import Expected

PROBLEM: Final = "application/problem+json"

STATUSES: Final[Sequence[tuple[type[RefoldError], int]]] = (
    (InvalidName, 400),
    (TooLarge, 413),
    (Conflict, 409),
    (IdReused, 409),
    (CannotUndo, 409),
    (Refused, 422),
    (OutcomeUnknown, 503),
    (StoreReadOnly, 403),
    (StoreFull, 507),
    (StoreCorrupt, 500),
    (NotAStore, 500),
    (Archived, 410),
    (StoreBusy, 503),
    (StoreUnreachable, 503),
    (StoreClosed, 503),
    (StoreError, 500),
    (NotACopy, 409),
    (ProjectionChanged, 409),
    (ProjectionStopped, 409),
    (NotCaughtUp, 503),
    (NoSuchProjection, 404),
    (NoSuchInstance, 404),
    (NoSuchVersion, 404),
    (ReceiverAway, 503),
    (DeliveryError, 502),
    (BadSignature, 401),
    (BadMessage, 400),
    (MissingExtra, 501),
    (Unsupported, 501),
    (UpcasterError, 500),
    (UsageError, 400),
)
"""The first that fits counts, so a class stands above those that it is one of."""

_AGAIN: Final = 503
_BROKEN: Final = 500
_FAULTS: Final = (500, 502, 507)
_WORDS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_log = logging.getLogger("refold.http")


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong, as RFC 9457 has it: `type` is for programs, `title` and `detail` for people.

    `failures`, of a conflict: each expectation that did not hold, and what is there instead. `error`, of a refusal: the class
    of what the decider raised.
    """

    type: str
    title: str
    status: int
    detail: str
    failures: list[dict[str, Any]] = []
    error: str = ""


class Declined(RefoldError):
    """A request that is answered with a problem of HTTP's own, such as a route that is not there."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        error: str = "",
        failures: Sequence[object] = (),
    ) -> None:
        self.status, self.kind, self.detail, self.error = status, kind, detail, error
        self.headers, self.failures = dict(headers or {}), failures
        super().__init__(detail)


def status_of(error: RefoldError) -> int:
    """The status that an error is answered with."""
    if isinstance(error, Declined):
        return error.status
    return next((status for cls, status in STATUSES if isinstance(error, cls)), _BROKEN)


def problem_of(error: Exception) -> Problem:
    """What an answer says of an error; of one that nobody foresaw, no more than that."""
    if isinstance(error, Declined):
        failed = [*map(_failure, error.failures)]
        return _problem(error.kind, error.status, error.detail, failures=failed, error=error.error)
    if not isinstance(error, RefoldError):
        return _problem("internal-error", _BROKEN, "Something went wrong here; the log of the server says what.")
    kind = _WORDS.sub("-", type(error).__name__).lower()
    if isinstance(error, Conflict):
        return _problem(kind, status_of(error), told(error), failures=[*map(_failure, error.failures)])
    return _problem(kind, status_of(error), str(error))


def told(error: Conflict) -> str:
    """What a conflict is, in the words of HTTP."""
    return f"{'; '.join(map(str, error.failures))}. Read what is there, and decide again."


def _problem(
    kind: str, status: int, detail: str, *, failures: Sequence[dict[str, Any]] = (), error: str = ""
) -> Problem:
    title = kind.replace("-", " ").capitalize()
    return Problem(
        type=f"urn:refold:problem:{kind}",
        title=title,
        status=status,
        detail=detail,
        failures=[*failures],
        error=error,
    )


def _failure(failure: object) -> dict[str, Any]:
    match failure:
        case StreamMoved(stream, expected, actual):
            wanted = expected.value if isinstance(expected, Expected) else expected
            return {"stream": stream, "expected": wanted, "actual": actual}
        case QueryMatched(condition, actual):
            return {"query": str(condition.query), "after": condition.after, "actual": actual}
        case _:
            return {"actual": cast("Any", failure).actual}


def answer_to(error: Exception) -> Response:
    """The answer; what is the server's fault is also logged."""
    problem = problem_of(error)
    if problem.status in _FAULTS:
        _log.error("%s", problem.title, exc_info=error)
    headers = error.headers if isinstance(error, Declined) else {}
    if problem.status == _AGAIN:
        headers = {"Retry-After": "1", **headers}
    return Response(_encode(problem), problem.status, headers, media_type=PROBLEM)


def _encode(problem: Problem) -> bytes:
    try:
        return msgspec.json.encode(problem)
    except UnicodeEncodeError:  # it quotes text that came with lone surrogates
        told = problem.detail.encode("utf-8", "backslashreplace").decode()
        return msgspec.json.encode(msgspec.structs.replace(problem, detail=told))
