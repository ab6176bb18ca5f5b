"""A backend that counts its calls, and lets others in between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from refold.backends.memory import MemoryBackend
from refold.clock import SystemClock
from refold.codec import Codec
from refold.flows.prepare import Runtime
from refold.ports import Append, AppendResult

Meanwhile = Callable[["CountingBackend"], Coroutine[Any, Any, object]]


class CountingBackend(MemoryBackend):
    """`meanwhile` runs before each of the first appends, as another writer would."""

    def __init__(self, *meanwhile: Meanwhile) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.meanwhile = list(meanwhile)
        self._others_write = False

    def __getattribute__(self, name: str) -> Any:
        if name in {"payloads", "read", "version", "head", "request", "find", "append"}:
            super().__getattribute__("calls")[name] += 1
        return super().__getattribute__(name)

    async def append(self, append: Append) -> AppendResult:
        if self.meanwhile and not self._others_write:
            self._others_write = True
            await self.meanwhile.pop(0)(self)
            self._others_write = False
        return await super().append(append)


def runtime(*events: type[Any]) -> Runtime:
    """What flows run with."""
    return Runtime(Codec(events), SystemClock())
