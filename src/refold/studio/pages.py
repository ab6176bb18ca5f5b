"""Pages: what a handler gives, as HTML for people and as JSON for programs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final, cast

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from refold.architect.diagrams import STYLE
from refold.eventlogs.recorded import record_of
from refold.studio import figures, tokens
from refold.studio.statelines import plain

THEMES: Final = ("light", "dark")

_TURNING: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _seen(value: Any) -> Any:  # noqa: ANN401 - whatever a template shows
    """Text with nothing in it that changes what stands around it: the direction of a line, or a terminal that it is copied to."""
    if not isinstance(value, str) or not _TURNING.search(value):
        return value
    return type(value)(_TURNING.sub(lambda found: f"\\u{ord(found[0]):04x}", value))


ENVIRONMENT: Final = Environment(
    loader=PackageLoader("refold.studio", "templates"),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    finalize=_seen,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.filters |= {
    "count": figures.count, "size": figures.size, "clock": figures.clock, "stamp": figures.stamp, "span": figures.span,
    "about": figures.about, "compact": tokens.compact, "plain": plain, "as_json": msgspec.to_builtins,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its template, what that shows, and the same as data; `section` is its place in the navigation."""

    section: str
    title: str
    template: str
    shown: Mapping[str, Any]
    data: Mapping[str, Any]
    crumbs: tuple[tuple[str, str], ...] = ()
    part: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def render(template: str, **shown: object) -> str:
    """HTML, everything in it escaped."""
    return ENVIRONMENT.get_template(template).render(**shown)


def _static() -> Mapping[str, bytes]:
    return {each.name: each.read_bytes() for each in (files("refold.studio") / "static").iterdir() if each.is_file()}


STATIC: Final = {**_static(), "diagram.css": STYLE.encode()}
"""The files that pages ask for, by name: of our own, all of them."""
KINDS: Final[Mapping[str, str]] = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_globals: dict[str, Any] = cast("dict[str, Any]", ENVIRONMENT.globals)
_globals.update(counted=figures.counted, record_of=record_of, lanes_css=STATIC["lanes.css"].decode())
