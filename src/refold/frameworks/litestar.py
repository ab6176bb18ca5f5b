"""Litestar: a plugin that opens the store, hands it to whoever takes it, and answers errors with problems."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, TypeAlias

from refold.aio import AsyncStore
from refold.errors import MissingExtra, RefoldError
from refold.frameworks.headers import CORRELATION, KEY, LONGEST, PRINTABLE
from refold.problems import FAULTS, PROBLEM, Problem, as_bytes, headers_of, problem_of, refusal

try:
    from litestar import Litestar, Request, Response
    from litestar.config.app import AppConfig
    from litestar.datastructures import State
    from litestar.di import NamedDependency, Provide
    from litestar.params import HeaderParameter
    from litestar.plugins import InitPlugin
except ImportError as error:
    raise MissingExtra("litestar", "litestar") from error

_log: Final = logging.getLogger("refold.frameworks")
_STATE: Final = "refold"

IdempotencyKey: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name=KEY, pattern=PRINTABLE, description="A repeat with the same key gives the first outcome, for ever."
    ),
]
"""What the client calls its request, for `handle(..., idempotency_key=...)`."""
CorrelationId: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name=CORRELATION, min_length=1, max_length=LONGEST, description="The story that what follows belongs to."
    ),
]
"""The story that the client says its request belongs to, for `context(correlation_id=...)`."""
RequestStore: TypeAlias = NamedDependency[AsyncStore]
"""A parameter `store` of a handler, that is given the store."""


async def store_of(state: State, correlation_id: CorrelationId = None) -> AsyncStore:
    """The store that the plugin opened, for appends in the story that the request names."""
    store: AsyncStore = state[_STATE]
    return store.context(correlation_id=correlation_id)


class RefoldPlugin(InitPlugin):
    """The store of an application, opened and closed with it: handlers take it as `store: RequestStore`.

    Errors are answered with problems (RFC 9457): those of Refold by its table, and `refusals`, what deciders raise, with 422.
    """

    def __init__(self, opened: Callable[[], Awaitable[AsyncStore]], *refusals: type[Exception]) -> None:
        self._opened, self._refusals = opened, refusals

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """What Litestar calls. The store is opened before what the application begins by itself, and closed after that."""
        config: Any = app_config  # whose types are partly open
        config.lifespan.insert(0, self._lifespan)
        config.dependencies.setdefault("store", Provide(store_of))
        config.exception_handlers.setdefault(RefoldError, _failed)
        for each in self._refusals:
            config.exception_handlers.setdefault(each, _refused)
        return app_config

    @asynccontextmanager
    async def _lifespan(self, app: Litestar) -> AsyncGenerator[None]:
        async with await self._opened() as store:
            app.state[_STATE] = store
            yield


def _refused(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    return _response(refusal(error))


def _failed(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    problem = problem_of(error)
    if problem.status in FAULTS:
        _log.error("%s", problem.title, exc_info=error)
    return _response(problem)


def _response(problem: Problem) -> Response[bytes]:
    headers = dict(headers_of(problem))
    return Response(as_bytes(problem), status_code=problem.status, headers=headers, media_type=PROBLEM)
