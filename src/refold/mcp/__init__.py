"""MCP: the store as tools of an assistant, over the Model Context Protocol. `refold mcp` serves it."""

from __future__ import annotations

from importlib.util import find_spec

from refold.errors import MissingExtra

if find_spec("mcp") is None:
    raise MissingExtra("mcp", "mcp")

from refold.mcp.desk import Desk, Most
from refold.mcp.serving import serve, server

__all__ = ["Desk", "Most", "serve", "server"]
