"""`refold mcp`, as a client starts it: over stdin and stdout, for reading, until stdin is closed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from click.testing import CliRunner
from mcp import Client, StdioServerParameters
from tests.cli.shop import build_shop

from refold import RawEvent, Store
from refold.cli.program import program
from refold.errors import StoreReadOnly

REFOLD = str(Path(sys.executable).parent / "refold")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A directory with a store, and an application that prints when it is imported."""
    build_shop(tmp_path)
    with (tmp_path / "shop.py").open("a", encoding="utf-8") as file:
        file.write('\nprint("hello from the shop")\n')
    return tmp_path


def command(directory: Path, *args: str) -> StdioServerParameters:
    given = ["mcp", "--store", "shop.db", "--app", "shop:app", *args]
    return StdioServerParameters(command=REFOLD, args=given, cwd=directory)


async def test_a_client_talks_with_the_command(shop: Path) -> None:
    async with Client(command(shop)) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        state = (await client.call_tool("state_at", {"stream": "cart-c-1", "at": "1"})).structured_content
        sent = await client.call_tool("send_command", {})
    assert ("state_at" in tools, "send_command" in tools, sent.is_error) == (True, False, True)
    assert state["stored"]["version"] == 1


@pytest.mark.parametrize("interrupted", [False, True])
def test_it_ends_when_stdin_is_closed_or_somebody_interrupts_it(shop: Path, *, interrupted: bool) -> None:
    asked = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
    }}  # fmt: skip
    given = [REFOLD, "mcp", "--store", "shop.db", "--app", "shop:app"]
    with subprocess.Popen(
        given, cwd=shop, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin
        assert server.stdout
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        answered = json.loads(server.stdout.readline())
        if interrupted:
            server.send_signal(signal.SIGINT)
            server.wait(60)
        out, err = server.communicate(timeout=60)
    assert answered["result"]["serverInfo"]["name"] == "refold"
    assert (server.returncode, out, err) == (130 if interrupted else 0, "", "hello from the shop\n")


def test_a_store_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    done = subprocess.run(
        [REFOLD, "mcp", "--store", "none.db"], cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=60, check=False, env={**os.environ},
    )  # fmt: skip
    assert (done.returncode, done.stdout, (tmp_path / "none.db").exists()) == (5, "", False)


@pytest.mark.parametrize("allowed", [False, True])
def test_the_store_is_opened_for_reading_unless_commands_are_allowed(
    shop: Path, monkeypatch: pytest.MonkeyPatch, *, allowed: bool
) -> None:
    opened: list[str] = []

    async def serve(url: str, **_: object) -> None:
        opened.append(url)

    monkeypatch.chdir(shop)
    monkeypatch.setattr("refold.mcp.serve", serve)
    done = CliRunner().invoke(program, ["mcp", "--store", "shop.db", *(["--allow-commands"] if allowed else [])])
    assert done.exit_code == 0, done.output
    with Store.open(opened[0], events=[RawEvent]) as store, nullcontext() if allowed else pytest.raises(StoreReadOnly):
        store.append("stone-1", [RawEvent("stone", {})])
