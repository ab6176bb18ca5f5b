"""Processes: instances that are streams, what they wait for, and what they have sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def entries() -> Sequence[type[Any]]:
    """The classes of what stands in journals, for whoever reads events of all types."""
    from refold.flows.processes.journal import ENTRIES, TimedOut  # noqa: PLC0415 - a store is often opened for less

    return (*ENTRIES, TimedOut)
