"""That what a leader said is not from before an append began.

A leader that is cut off does not know it for some seconds, and answers as of then. But it can write nothing: so something that
was written since proves that what stands behind it is no older.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from refold.backends.nats.answering import Ack
from refold.backends.nats.stored import Found, Message
from refold.backends.nats.subjects import Subjects
from refold.backends.nats.wire import Wire

PROOFS: Final = 256
"""How many of the last writes are kept in mind: when each was sent, and where it came to stand."""


class Proofs:
    """What was written lately. One server alone needs none."""

    def __init__(self, wire: Wire, subjects: Subjects, *, replicated: bool) -> None:
        self._wire, self._note, self._replicated = wire, subjects.note, replicated
        self._writes: deque[tuple[float, int]] = deque(maxlen=PROOFS)

    async def write(self, messages: Sequence[Message]) -> Ack:
        """Write, and keep in mind that it was."""
        sent = time.monotonic()
        ack = await self._wire.write(messages)
        self._writes.append((sent, ack.sequence))
        return ack

    async def cover(self, newest: Found | None, began: float) -> bool:
        """Whether the newest message, as a leader knew it, is no older than that. If nothing was written since, a note is."""
        if not self._replicated:
            return True
        since = [sequence for sent, sequence in self._writes if sent >= began]
        if not since:
            await self.write([Message(self._note, b"{}", {})])
        return newest is not None and bool(since) and min(since) <= newest.sequence
