"""Ask: a request that was let in, as the pages see it: its parameters, who asks, and where links lead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, urlencode

from starlette.requests import Request

from refold.aio import AsyncStore
from refold.eventlogs.times import moment
from refold.http.access import Access
from refold.http.auditing import AskFor, audit
from refold.http.bodies import check_kind, json_of, whole
from refold.http.problems import Declined
from refold.http.visible import visible
from refold.messages import StreamName

if TYPE_CHECKING:
    from refold.studio.application import Studio

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_BODY: Final = 1 << 20
_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, the variables of its path, who asks, and the store in their name."""

    studio: Studio
    request: Request
    path: Mapping[str, str]
    access: Access
    store: AsyncStore

    @property
    def stored(self) -> AsyncStore:
        """The store, for what only shows events: those that the caller may see."""
        return visible(self.studio.stored, self.access)

    def param(self, name: str) -> str:
        """A parameter; empty if it is not given."""
        return self.request.query_params.get(name, "")

    def number(self, name: str) -> int | None:
        """A parameter that is a position or a version.

        Raises:
            Declined: 400, it is none.
        """
        text = self.param(name)
        if not text:
            return None
        if not (text.isascii() and _NUMBER.fullmatch(text)):
            raise Declined(400, "bad-parameter", f"{name}={text[:60]!r} is no number.")
        return int(text)

    def moment(self, name: str) -> datetime | None:
        """A parameter that is a time; without a zone it is UTC.

        Raises:
            Declined: 400, it is none.
        """
        text = self.param(name)
        try:
            return moment(text) if text else None
        except ValueError as error:
            raise Declined(400, "bad-parameter", f"{name}={text[:60]!r} is no time: write 2025-03-03T12:00.") from error

    def stream(self) -> StreamName:
        """The stream that the path names, which the caller may read.

        Raises:
            InvalidName: it is none.
            Declined: 403.
        """
        name = StreamName.parse(self.path["stream"])
        self.access.check("read", [name.category])
        return name

    @property
    def wants_json(self) -> bool:
        """Whether the answer is for a program."""
        if self.param("format") == "json":
            return True
        kinds = [each.partition(";")[0].strip().lower() for each in self.request.headers.get("accept", "").split(",")]
        return JSON in kinds and "text/html" not in kinds[: kinds.index(JSON)]

    @property
    def root(self) -> str:
        """The path that the Studio is mounted at, without a slash at its end."""
        return quote(str(self.request.scope.get("root_path", "")).rstrip("/"))

    def url(self, *path: str, **query: object) -> str:
        """Where a page is; parameters that are None or empty are left out."""
        given = [(name, str(value)) for name, value in query.items() if value not in {None, ""}]
        text = f"{self.root}/{'/'.join(quote(part, safe='') for part in path)}"
        return f"{text}?{urlencode(given)}" if given else text

    def with_(self, **query: object) -> str:
        """This page with other parameters."""
        kept = {name: value for name, value in self.request.query_params.items() if name not in {"format", "token"}}
        return self.url(*self.path_parts, **{**kept, **query})

    @property
    def path_parts(self) -> tuple[str, ...]:
        """The path of this page."""
        return self.studio.segments(self.request.scope)

    async def given(self) -> Mapping[str, object]:
        """The fields of a form, or of a JSON object.

        Raises:
            Declined: 413, 415, 400.
        """
        kind = check_kind(self.request, (FORM, JSON))
        body = await whole(self.request, _BODY)
        if kind == JSON:
            return _object(json_of(body))
        try:
            return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=1_000))
        except (ValueError, UnicodeDecodeError) as error:
            raise Declined(400, "bad-body", "the form cannot be read.") from error

    async def audit(self, action: str, subject: str, reason: str) -> None:
        """Record what is about to be done."""
        await audit(self.studio.store, self.access.name, AskFor(action, subject, reason, self.access.tenant))


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Declined(400, "bad-body", "the body is no JSON object.")
    return {str(key): each for key, each in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON


def confirmed(given: Mapping[str, object]) -> str:
    """Why something is done, by who means it.

    Raises:
        Declined: 422, it is not told, or too long; or nobody has confirmed it.
    """
    if str(given.get("confirm", "")) not in {"yes", "True"}:
        raise Declined(422, "not-confirmed", "confirm it: tick the box, or send confirm=yes.")
    reason = str(given.get("reason") or "").strip()
    if not 1 <= len(reason) <= _REASON:
        raise Declined(422, "reason-missing", f"say why, in 1 to {_REASON} characters: it is kept in the audit.")
    return reason
