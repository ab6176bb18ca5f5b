"""Routes of the Studio: a method and a path, and who may ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from starlette.responses import Response

from refold.http.access import Action
from refold.http.problems import Declined

if TYPE_CHECKING:
    from refold.studio.asking import Ask
    from refold.studio.pages import Page

Handler: TypeAlias = "Callable[[Ask], Awaitable[Page | Response]]"


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path, such as `/streams/{stream}`. `writes`: only where the Studio is not for reading alone."""

    method: Literal["GET", "POST"]
    path: str
    handler: Handler
    action: Action = "read"
    writes: bool = False

    def match(self, segments: Sequence[str]) -> Mapping[str, str] | None:
        """The variables of the path, if it is this one."""
        own = self.path.strip("/").split("/")
        if len(own) != len(segments):
            return None
        pairs = list(zip(own, segments, strict=True))
        if any(mine != given for mine, given in pairs if not mine.startswith("{")):
            return None
        return {mine[1:-1]: given for mine, given in pairs if mine.startswith("{")}


def route_of(routes: Iterable[Route], method: str, segments: Sequence[str]) -> tuple[Route, Mapping[str, str]]:
    """The route that is meant, and the variables of its path.

    Raises:
        Declined: 404, 405.
    """
    at_path = [(route, found) for route in routes if (found := route.match(segments)) is not None]
    asked = "GET" if method == "HEAD" else method
    for route, found in at_path:
        if route.method == asked:
            return route, found
    if not at_path:
        raise Declined(404, "no-such-page", "there is no such page.")
    allowed = ", ".join(sorted({route.method for route, _ in at_path}))
    raise Declined(405, "method-not-allowed", f"this page takes {allowed}.", headers={"Allow": allowed})
