"""Errors as answers: problems (RFC 9457), by the table that the HTTP API goes by."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, cast

from django.http import HttpResponse  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]

from refold.errors import RefoldError
from refold.frameworks.django.configured import refusals
from refold.problems import FAULTS, PROBLEM, Problem, as_bytes, headers_of, problem_of, refusal

_log: Final = logging.getLogger("refold.frameworks")


class Problems:
    """Middleware: what a view raises, of Refold's and of the `REFUSALS` of the settings, is answered."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self._get_response, self._refusals = get_response, refusals()

    def __call__(self, request: object) -> object:
        """What Django calls."""
        return self._get_response(request)

    def process_exception(self, _: object, error: Exception) -> object:
        """What Django calls when a view has raised."""
        if isinstance(error, self._refusals):
            return _response(refusal(error))
        if not isinstance(error, RefoldError):
            return None
        problem = problem_of(error)
        if problem.status in FAULTS:
            _log.error("%s", problem.title, exc_info=error)
        return _response(problem)


def _response(problem: Problem) -> object:
    make = cast("Callable[..., object]", HttpResponse)
    return make(as_bytes(problem), status=problem.status, headers=dict(headers_of(problem)), content_type=PROBLEM)
