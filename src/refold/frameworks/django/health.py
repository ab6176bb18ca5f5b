"""A health check: whether the store answers, and read models get on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, cast

from django.http import HttpResponse  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]

from refold.errors import RefoldError, Unsupported
from refold.flows.projections.status import ProjectionStatus
from refold.forms import encode
from refold.frameworks.django.configured import configured
from refold.frameworks.django.opened import store
from refold.integrations.django import DjangoTarget

_JSON: Final = "application/json"


def ready(_: object) -> object:
    """A view: 200, or 503 if the store does not answer, or a read model or process is stuck: `path("readyz", ready)`."""
    try:
        store().head()
        stuck = sorted({each.name for each in _builds() if each.is_stuck and each.role == "active"})
    except RefoldError as error:
        return _answer(503, "away", str(error))
    return _answer(503 if stuck else 200, "stuck" if stuck else "ok", ", ".join(stuck))


def _builds() -> Iterator[ProjectionStatus]:
    with suppress(Unsupported):  # of a store without SQL
        yield from store().projections()
    models = configured().models
    if models is not None:
        yield from store().projections(into=DjangoTarget(models))


def _answer(status: int, word: str, what: str) -> object:
    make = cast("Callable[..., object]", HttpResponse)
    return make(encode({"status": word, "what": what}), status=status, content_type=_JSON)
