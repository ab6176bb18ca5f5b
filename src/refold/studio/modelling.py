"""Event model: the application as slices, drawn; each card leads to what it stands for."""

from __future__ import annotations

from functools import cache
from typing import Final

from starlette.responses import Response

from refold.app import App
from refold.architect.diagrams import Board, Picture, board_of, laid_out, mermaid_of, names_of, svg_of
from refold.architect.model import derive
from refold.http.problems import Declined
from refold.studio.asking import Ask
from refold.studio.pages import Page
from refold.studio.routing import Route

LABEL: Final = "Event model"


@cache
def drawn(app: App) -> tuple[Board, Picture]:
    """The picture of an application, which stays as it is while it runs."""
    board = board_of(derive(app))
    return board, laid_out(board)


async def show(ask: Ask) -> Page | Response:
    """The event model of the application."""
    board, picture = drawn(ask.studio.app)
    match ask.param("format"):
        case "svg":
            return _file(svg_of(picture, label=LABEL), "image/svg+xml", "event-model.svg")
        case "mermaid":
            return _file(mermaid_of(board), "text/plain", "event-model.mmd")
        case "" | "json":
            pass
        case other:
            raise Declined(400, "bad-parameter", f"format={other[:60]!r}: svg, mermaid and json are known.")
    svg = svg_of(picture, label=LABEL, link=lambda kind, name: _there(ask, kind, name), alone=False)
    shown = {"svg": svg, "names": names_of(picture), "board": board}
    return Page("model", LABEL, "model.html", shown, {"data": board})


def _there(ask: Ask, kind: str, name: str) -> str:
    """Where a card leads; nowhere, where the store or the application has nothing to show of it."""
    match kind:
        case "event" | "timeout":
            return ask.url("catalogue", name)
        case "command" if name in ask.studio.classes.commands:
            return ask.url("commands", name)
        case _:
            return ""


def _file(text: str, kind: str, name: str) -> Response:
    return Response(text, headers={"Content-Disposition": f'attachment; filename="{name}"'}, media_type=kind)


ROUTES: Final = (Route("GET", "/model", show),)
