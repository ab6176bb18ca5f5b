"""The Studio: a store as a web page, to look at its history and, where that is allowed, to steer. `refold studio` runs it."""

from __future__ import annotations

from importlib.util import find_spec

from refold.errors import MissingExtra

if find_spec("starlette") is None or find_spec("jinja2") is None:
    raise MissingExtra("starlette" if find_spec("starlette") is None else "jinja2", "studio")

from refold.studio.application import Studio, studio

__all__ = ["Studio", "studio"]
