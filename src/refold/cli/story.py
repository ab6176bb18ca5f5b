"""A story as trees: each event under the command that yielded it, each command under the event that caused it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from refold.eventlogs.recorded import EventRecord, record_of
from refold.messages import Recorded


class Node(msgspec.Struct):
    """An event, or a command of which only the name and the id are stored."""

    kind: Literal["event", "command"]
    id: str
    name: str
    event: EventRecord | None = None
    children: list[Node] = msgspec.field(default_factory=list["Node"])


def trees(events: Iterable[Recorded[Any]]) -> list[Node]:
    """The roots: what nothing in this story caused. An event can only be caused by what was recorded before it."""
    roots: list[Node] = []
    nodes: dict[str, Node] = {}
    for event in events:
        node = Node("event", str(event.id), event.type, record_of(event))
        _parent(event, nodes, roots).append(node)
        nodes[node.id] = node
    return roots


def _parent(event: Recorded[Any], nodes: dict[str, Node], roots: list[Node]) -> list[Node]:
    cause, free = event.metadata.causation_id or "", event.metadata.free
    if cause in nodes:
        return nodes[cause].children
    if "$command" not in free:
        return roots
    command = nodes[cause] = Node("command", cause, free["$command"])
    source = nodes.get(free.get("$cause", ""))
    (source.children if source else roots).append(command)
    return command.children
