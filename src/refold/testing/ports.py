"""Ports of this machine that nothing listens on."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from typing import Final

_RANGE: Final = range(20_000, 32_000)
"""Below those that the system gives to connections, so that none of them takes one between two starts of a server."""


def free_ports(count: int) -> list[int]:
    """So many different ports."""
    found: list[int] = []
    for port in random.sample(_RANGE, len(_RANGE)):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
        if len(found) == count:
            break
    return found
