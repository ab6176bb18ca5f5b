"""A small shop at the desk of an assistant, in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import pytest
from mcp import Client
from tests.http.desk import app

from refold import AsyncStore, RawEvent
from refold.mcp import Desk, Most, server

Call: TypeAlias = Callable[..., Awaitable[Any]]
STORED = "stored"


@pytest.fixture
async def store() -> AsyncIterator[AsyncStore]:
    async with await AsyncStore.open("sqlite:///:memory:", events=[RawEvent]) as opened:
        yield opened


async def asked(store: AsyncStore, tool: str, arguments: dict[str, Any], **options: Any) -> Any:
    """The answer of a tool: what is stored, or the problem. Its text says the same."""
    most, commands = options.pop("most", Most()), options.pop("allow_commands", False)
    desk = Desk(store, options.pop("app", app), options.pop("actor", "assistant"), most)
    async with Client(server(desk, allow_commands=commands)) as client:
        result = await client.call_tool(tool, arguments)
    told = result.structured_content
    assert isinstance(told, dict)
    assert list(told) == ["problem" if result.is_error else STORED]
    return told["problem"] if result.is_error else told[STORED]


@pytest.fixture
def call(store: AsyncStore) -> Call:
    """Calls a tool that only reads."""

    async def called(tool: str, **arguments: Any) -> Any:
        return await asked(store, tool, arguments)

    return called


@pytest.fixture
def command(store: AsyncStore) -> Call:
    """Sends a command to cart 1."""

    async def sent(name: str, id: str = "1", **data: Any) -> Any:
        arguments = {"command": name, "id": id, "data": data, "reason": "because"}
        return await asked(store, "send_command", arguments, allow_commands=True)

    return sent
