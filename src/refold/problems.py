"""Problems: which error of ours is which status of HTTP, and how it is told, as RFC 9457 has it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

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

BROKEN: Final = 500
"""The status of what nobody foresaw."""
FAULTS: Final = (500, 502, 507)
"""What is the server's fault, and belongs in its log."""
_AGAIN: Final = 503
_WORDS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


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


def status_of(error: RefoldError) -> int:
    """The status that an error is answered with."""
    return next((status for cls, status in STATUSES if isinstance(error, cls)), BROKEN)


def problem_of(error: Exception) -> Problem:
    """What an answer says of an error; of one that nobody foresaw, no more than that."""
    if not isinstance(error, RefoldError):
        return problem("internal-error", BROKEN, "Something went wrong here; the log of the server says what.")
    kind = kind_of(error)
    if isinstance(error, Conflict):
        return problem(kind, status_of(error), told(error), failures=error.failures)
    return problem(kind, status_of(error), str(error))


def refusal(error: Exception) -> Problem:
    """What an answer says of what a decider raised: its words, and the name of its class in `error`."""
    return problem("command-refused", 422, str(error) or "the decider refuses it.", error=type(error).__name__)


def kind_of(error: Exception) -> str:
    """The name of an error's class, in words."""
    return _WORDS.sub("-", type(error).__name__).lower()


def told(error: Conflict) -> str:
    """What a conflict is, in the words of HTTP."""
    return f"{'; '.join(map(str, error.failures))}. Read what is there, and decide again."


def problem(kind: str, status: int, detail: str, *, failures: Sequence[object] = (), error: str = "") -> Problem:
    """A problem of a kind: several words, with hyphens between them."""
    title = kind.replace("-", " ").capitalize()
    return Problem(
        type=f"urn:refold:problem:{kind}",
        title=title,
        status=status,
        detail=detail,
        failures=[*map(_failure, failures)],
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


def headers_of(problem: Problem) -> Mapping[str, str]:
    """The headers that go with it: when to ask again, if that may help."""
    return {"Retry-After": "1"} if problem.status == _AGAIN else {}


def as_bytes(problem: Problem) -> bytes:
    """It as JSON."""
    try:
        return msgspec.json.encode(problem)
    except UnicodeEncodeError:  # it quotes text that came with lone surrogates
        told = problem.detail.encode("utf-8", "backslashreplace").decode()
        return msgspec.json.encode(msgspec.structs.replace(problem, detail=told))
