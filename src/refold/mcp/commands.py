"""Commands: tried out, or, where that is allowed, sent."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from refold.http.auditing import AskFor, audit
from refold.http.shapes import Name, Reason
from refold.mcp.desk import Desk
from refold.mcp.tools import Tool

Key = Annotated[
    str, Meta(pattern="^[!-~][ -~]{0,149}$", description="With the same key, a command is sent once, however often asked for.")
]  # fmt: skip


class Simulate(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A command by its wire name, the `id` of what it is for, and its fields in `data`; `category` where several take it."""

    command: Name
    id: Name
    data: dict[str, Any]
    category: Name | None = None


class Send(Simulate, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same, and why: the reason is kept in the audit."""

    reason: Reason
    idempotency_key: Key | None = None


async def simulate(desk: Desk, asked: Simulate) -> object:
    """What would come of it."""
    given = {"id": asked.id, "category": asked.category, "dry_run": "true"}
    return await desk.decided(asked.command, asked.data, {}, **given)


async def send(desk: Desk, asked: Send) -> object:
    """What came of it, after it was recorded who wanted it, and why."""
    desk.classes.command(asked.command, asked.data)
    await audit(desk.store, desk.actor, AskFor("commands.handle", f"{asked.command} {asked.id}", asked.reason, None))
    headers = {} if asked.idempotency_key is None else {"idempotency-key": asked.idempotency_key}
    done = await desk.decided(asked.command, asked.data, headers, id=asked.id, category=asked.category)
    return {**done, "correlation_id": await _correlation(desk, done)}


async def _correlation(desk: Desk, done: dict[str, Any]) -> str | None:
    """The story that its events belong to."""
    if not done["events"]:
        return None
    found = await desk.told("events", str(done["position"]))
    return str(found["metadata"]["correlation_id"])


SIMULATE: Final = Tool(
    "simulate_command", "Let a decider decide upon a command, and tell the events and the state that would follow, or why it "
    "refuses. Nothing is written. `describe_model` with the name of a command tells its fields.", Simulate, simulate,
)  # fmt: skip
SEND: Final = Tool(
    "send_command", "Send a command: its events are appended, and cannot be taken back. Simulate it first, and let a person "
    "agree.", Send, send, writes=True,
)  # fmt: skip
