"""Blows to a cluster: a server that dies, or is cut off. Each gives what mends it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from tests.nats.partitions import Partitioned
from tests.nats.traffic import leader_of

from refold.testing.nats import NatsNode

Blow: TypeAlias = Callable[[], Callable[[], None]]

NAME = "orders"


def url_of(nodes: Sequence[NatsNode]) -> str:
    """Where their store is."""
    return f"nats://{','.join(f'127.0.0.1:{node.port}' for node in nodes)}/{NAME}"


def killing(nodes: Sequence[NatsNode], *, leads: bool) -> Blow:
    """Kills the server which leads, or one that does not; it is started again."""

    def blow() -> Callable[[], None]:
        leader = leader_of(nodes, NAME)
        victim = next(node for node in nodes if (node.name == leader) is leads)
        victim.kill()

        def mend() -> None:
            victim.start()
            victim.ready()

        return mend

    return blow


def cutting(parted: Partitioned) -> Blow:
    """Cuts off the server which leads from the others; clients still reach it."""

    def blow() -> Callable[[], None]:
        parted.cut_off(leader_of(parted.nodes, NAME))
        return parted.heal

    return blow
