"""Noted: what the reading of code has found, each with its place and the classes of the message for which it is so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from refold.architect.parts import Place
from refold.architect.values import When

Doing: TypeAlias = Literal[
    "makes", "sends", "calls", "sets", "cancels", "falls back", "ends", "looks outside", "changes", "cannot tell", "misses",
    "sql",
]  # fmt: skip


@dataclass(frozen=True)
class Noted:
    """What is done, with what, where."""

    doing: Doing
    what: Any
    when: When
    place: Place
