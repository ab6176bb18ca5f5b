"""Errors as answers of the API: problems, and those of HTTP's own."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from starlette.responses import Response

from refold import problems
from refold.errors import RefoldError
from refold.problems import FAULTS, PROBLEM, Problem, as_bytes, headers_of

_log: Final = logging.getLogger("refold.http")


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
    return error.status if isinstance(error, Declined) else problems.status_of(error)


def problem_of(error: Exception) -> Problem:
    """What an answer says of an error; of one that nobody foresaw, no more than that."""
    if isinstance(error, Declined):
        return problems.problem(error.kind, error.status, error.detail, failures=error.failures, error=error.error)
    return problems.problem_of(error)


def answer_to(error: Exception) -> Response:
    """The answer; what is the server's fault is also logged."""
    problem = problem_of(error)
    if problem.status in FAULTS:
        _log.error("%s", problem.title, exc_info=error)
    own = error.headers if isinstance(error, Declined) else {}
    return Response(as_bytes(problem), problem.status, {**headers_of(problem), **own}, media_type=PROBLEM)
