"""FastAPI: the store for whoever takes it, keys and stories from headers, and errors as problems."""

from __future__ import annotations

import logging
from typing import Annotated, Final, TypeAlias

from refold.aio import AsyncStore
from refold.errors import MissingExtra, RefoldError
from refold.frameworks.headers import CORRELATION, KEY, LONGEST, PRINTABLE
from refold.problems import FAULTS, PROBLEM, Problem, as_bytes, headers_of, problem_of, refusal

try:
    from fastapi import Depends, FastAPI, Header, Request, Response
except ImportError as error:
    raise MissingExtra("fastapi", "fastapi") from error

_log: Final = logging.getLogger("refold.frameworks")

IdempotencyKey: TypeAlias = Annotated[
    str | None,
    Header(alias=KEY, pattern=PRINTABLE, description="A repeat with the same key gives the first outcome, for ever."),
]
"""What the client calls its request, for `handle(..., idempotency_key=...)`."""
CorrelationId: TypeAlias = Annotated[
    str | None,
    Header(alias=CORRELATION, min_length=1, max_length=LONGEST, description="The story that what follows belongs to."),
]
"""The story that the client says its request belongs to, for `context(correlation_id=...)`."""


async def store_of(request: Request, correlation_id: CorrelationId = None) -> AsyncStore:
    """The store that the lifespan of the application yields as `refold`, for appends in the story that the request names.

    Raises:
        RuntimeError: it yields none: a fault of the server's, and not of whoever asks.
    """
    store: AsyncStore | None = getattr(request.state, "refold", None)
    if store is None:
        raise RuntimeError(
            "the application has no store: let its lifespan yield {'refold': store}, an open AsyncStore."
        )
    return store.context(correlation_id=correlation_id)


RequestStore: TypeAlias = Annotated[AsyncStore, Depends(store_of)]
"""A parameter of an endpoint that is given the store."""


def add_problems(app: FastAPI, *refusals: type[Exception]) -> None:
    """Answer with problems (RFC 9457): errors of Refold's by its table, and `refusals`, what deciders raise, with 422."""

    async def refuse(_: Request, error: Exception) -> Response:
        return _response(refusal(error))

    app.add_exception_handler(RefoldError, _failed)
    for each in refusals:
        app.add_exception_handler(each, refuse)


async def _failed(_: Request, error: Exception) -> Response:
    problem = problem_of(error)
    if problem.status in FAULTS:
        _log.error("%s", problem.title, exc_info=error)
    return _response(problem)


def _response(problem: Problem) -> Response:
    return Response(as_bytes(problem), problem.status, dict(headers_of(problem)), media_type=PROBLEM)
