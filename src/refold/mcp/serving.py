"""Serve: the tools of one store to one client, over stdin and stdout, until stdin is closed."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any, Final

from mcp.server import Server
from mcp.server.stdio import stdio_server
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams

from refold._version import __version__
from refold.aio import AsyncStore
from refold.app import App
from refold.mcp import commands, events, model, models, states
from refold.mcp.desk import Desk, Most
from refold.mcp.tools import NOTE, answer
from refold.messages import RawEvent

READING: Final = (*model.TOOLS, *events.TOOLS, *states.TOOLS, *models.TOOLS, commands.SIMULATE)
_INTERRUPTED: Final = 130
_ABOUT: Final = (
    "An event store: events are facts, in streams named category-id, and are never changed; states are folded from them. "
    f"Begin with describe_model. {NOTE}"
)


def server(desk: Desk, *, allow_commands: bool = False) -> Server[Any]:
    """The tools of a desk; `allow_commands`: also the one that writes."""
    tools = {tool.name: tool for tool in (*READING, *((commands.SEND,) if allow_commands else ()))}

    async def listed(_context: object, _asked: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[tool.listed for tool in tools.values()])

    async def called(_context: object, asked: CallToolRequestParams) -> CallToolResult:
        return await answer(desk, tools, asked.name, asked.arguments or {})

    return Server("refold", version=__version__, instructions=_ABOUT, on_list_tools=listed, on_call_tool=called)


async def serve(
    url: str, *, app: App | None = None, archive: str | None = None, most: Most | None = None, actor: str = "assistant",
    allow_commands: bool = False,
) -> None:  # fmt: skip
    """Serve a store until stdin is closed. Nothing else may be written to stdout meanwhile."""
    # The thread that waits for stdin cannot be woken, so Ctrl-C ends the process as a kill does: what is committed stays.
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, os._exit, _INTERRUPTED)
    async with await AsyncStore.open(url, events=[RawEvent], archive=archive) as store:
        served = server(Desk(store, app, actor, most or Most()), allow_commands=allow_commands)
        async with stdio_server() as (incoming, outgoing):
            await served.run(incoming, outgoing, served.create_initialization_options())
