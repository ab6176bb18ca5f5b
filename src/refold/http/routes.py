"""Routes: what can be asked, described well enough to be checked, told in OpenAPI, and refused to who may not."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import quote, unquote_to_bytes

from starlette.responses import Response
from starlette.types import Scope

from refold.http.access import Action
from refold.http.problems import Declined

if TYPE_CHECKING:
    from refold.http.asking import Ask

Handler: TypeAlias = "Callable[[Ask], Awaitable[Response]]"
Method: TypeAlias = Literal["GET", "POST"]


@dataclass(frozen=True, slots=True)
class Header:
    """A header of a request that a route heeds."""

    name: str
    means: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: what it means, and its shape by media type, a class or a schema; without any, it has no body."""

    means: str
    shapes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Route:
    """One method of one path. `action` is what its caller must be allowed somewhere; without one, anybody may ask."""

    method: Method
    path: str
    handler: Handler
    action: Action | None
    summary: str
    told: Mapping[int, Told]
    problems: tuple[int, ...] = ()
    query: type[Any] | None = None
    headers: tuple[Header, ...] = ()
    bodies: Mapping[str, Any] = field(default_factory=dict[str, Any])
    variables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    group: str = ""

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """The parts of the path."""
        return tuple(self.path.strip("/").split("/"))

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """The variables of the path, if it is this one."""
        if len(segments) != len(self.segments):
            return None
        found: dict[str, str] = {}
        for own, given in zip(self.segments, segments, strict=True):
            if own.startswith("{"):
                found[own[1:-1]] = given
            elif own != given:
                return None
        return found


NAME: Final[Mapping[str, Any]] = {"type": "string", "minLength": 1, "maxLength": 200}


def route_of(routes: Iterable[Route], method: str, segments: Sequence[str]) -> tuple[Route, dict[str, str]]:
    """The route that is meant, and the variables of its path.

    Raises:
        Declined: 404, there is no such path; 405, it has no such method.
    """
    at_path = [(route, found) for route in routes if (found := route.match(segments)) is not None]
    asked = "GET" if method == "HEAD" else method
    for route, found in at_path:
        if route.method == asked:
            return route, found
    if not at_path:
        raise Declined(404, "no-such-path", "there is nothing at this path: /openapi.json tells what there is.")
    allowed = sorted({route.method for route, _ in at_path} | {"HEAD" for route, _ in at_path if route.method == "GET"})
    raise Declined(
        405,
        "method-not-allowed",
        f"{method[:20]} does not work on this path: {', '.join(allowed)} does.",
        headers={"Allow": ", ".join(allowed)},
    )


def segments_of(scope: Scope) -> tuple[str, ...]:
    """The parts of the path below where this application is mounted, decoded one by one, so that a name may hold a slash.

    Raises:
        Declined: 400, a part is not UTF-8.
    """
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    parts = raw.partition(b"?")[0].strip(b"/").split(b"/")
    mounted = _below(scope)
    try:
        return tuple(unquote_to_bytes(part).decode("utf-8") for part in parts[mounted:])
    except UnicodeDecodeError as error:
        raise Declined(400, "bad-path", "the path is not UTF-8.") from error


def _below(scope: Scope) -> int:
    """How many parts of the path lead to this application."""
    parts = str(scope.get("root_path", "")).strip("/").split("/")
    for start in range(len(parts)):  # a proxy may have taken away the first ones
        root = "/".join(parts[start:])
        if root and re.match(re.escape(f"/{root}") + r"(/|$)", scope["path"]):
            return root.count("/") + 1
    return 0
