"""The desk: what tools work with. Most of what they tell is asked of the HTTP API, in this process: its rules hold here, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from starlette.requests import Request
from starlette.types import ASGIApp, Message

from refold.aio import AsyncStore
from refold.app import App
from refold.http import Access, Grant, Quotas, api
from refold.http.bodies import JSON
from refold.http.classes import Classes
from refold.http.problems import Declined
from refold.problems import Problem

_ACCESS: Final = "refold.access"
_FAILED: Final = 400


@dataclass(frozen=True, slots=True)
class Most:
    """How much one result may hold: entries of a page, and bytes of JSON."""

    page: int = 100
    size: int = 100_000

    def check(self, told: bytes) -> None:
        """Whether a result is small enough.

        Raises:
            Declined: 413.
        """
        if len(told) > self.size:
            raise Declined(
                413, "result-too-large",
                f"the result has {len(told):,} bytes, and {self.size:,} are allowed: ask for less at once, or let a person "
                "look at it with the command line.",
            )  # fmt: skip


class Answered(Exception):
    """The API has answered with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


@dataclass(frozen=True)
class Desk:
    """A store, open with `RawEvent` among its events; the application, if there is one; and in whose name commands are sent."""

    store: AsyncStore
    app: App | None = None
    actor: str = "assistant"
    most: Most = field(default_factory=Most)

    @cached_property
    def classes(self) -> Classes:
        """What the application knows of names."""
        return Classes(self.app)

    @cached_property
    def _api(self) -> ASGIApp:
        return api(self.store, app=self.app, authorize=_let_in, quotas=Quotas(page=self.most.page))

    async def told(self, *path: str, **query: object) -> Any:  # noqa: ANN401 - JSON
        """What the API tells to who may read, and no more.

        Raises:
            Answered: it told a problem.
        """
        return msgspec.json.decode(await self._asked("GET", path, query, Access(self.actor, (Grant("read"),))))

    async def page(self, *path: str, limit: int | None = None, **query: object) -> Any:  # noqa: ANN401 - JSON
        """The same, of a route that tells in pages: fewer entries, if so many have too many bytes."""
        reader, wanted = Access(self.actor, (Grant("read"),)), min(limit or self.most.page, self.most.page)
        while True:
            found = await self._asked("GET", path, {**query, "limit": wanted}, reader)
            if len(found) <= self.most.size * 0.95 or wanted == 1:
                return msgspec.json.decode(found)
            wanted = max(1, wanted // 2)

    async def decided(self, name: str, data: object, headers: Mapping[str, str], **query: object) -> Any:  # noqa: ANN401 - JSON
        """What comes of a command.

        Raises:
            Answered: it told a problem.
        """
        decider = Access(self.actor, (Grant("read"), Grant("append")))
        body = msgspec.json.encode(data)
        found = await self._asked("POST", ("commands", name), query, decider, {"content-type": JSON, **headers}, body)
        return msgspec.json.decode(found)

    async def _asked(
        self, method: str, path: tuple[str, ...], query: Mapping[str, object], access: Access,
        headers: Mapping[str, str] | None = None, body: bytes = b"",
    ) -> bytes:  # fmt: skip
        """A request that never leaves this process."""
        given = {name: value for name, value in query.items() if value not in (None, [])}
        raw = "".join(f"/{quote(part, safe='', errors='surrogatepass')}" for part in path)
        scope = {
            "type": "http", "method": method, "path": raw, "raw_path": raw.encode(), "root_path": "", _ACCESS: access,
            "query_string": urlencode(given, doseq=True, errors="surrogatepass").encode(), "client": None,
            "headers": [(name.encode(), value.encode("latin-1", "replace")) for name, value in (headers or {}).items()],
        }  # fmt: skip
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await self._api(scope, receive, send)
        found = b"".join(message.get("body", b"") for message in sent)
        if sent[0]["status"] >= _FAILED:
            raise Answered(msgspec.json.decode(found, type=Problem))
        return found


async def _let_in(request: Request) -> Access:
    access: Access = request.scope[_ACCESS]
    return access
