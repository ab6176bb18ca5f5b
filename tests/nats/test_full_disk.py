"""A stream that takes no more: every append is told so, in time, and goes on when there is space again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import nats as client_of
import pytest

from refold import NewEvent, Store
from refold.errors import StoreFull
from refold.messages import RawEvent
from refold.testing.clock import ManualClock

pytestmark = [pytest.mark.guarantee("G4"), pytest.mark.guarantee("G14")]


async def _changed(url: str, name: str, change: Callable[[dict[str, Any]], int]) -> None:
    connection = await client_of.connect(url)
    try:
        info = json.loads((await connection.request(f"$JS.API.STREAM.INFO.{name}", b"")).data)
        config = info["config"] | {"max_bytes": change(info), "discard": "new"}
        answer = await connection.request(f"$JS.API.STREAM.UPDATE.{name}", json.dumps(config).encode())
        assert "error" not in json.loads(answer.data)
    finally:
        await connection.close()


@pytest.mark.parametrize("later", [timedelta(), timedelta(minutes=1)], ids=["the event", "the time before it"])
def test_what_finds_no_space_is_told_so_and_written_when_there_is_some(nats: str, later: timedelta) -> None:
    name, clock = f"f{uuid4().hex}", ManualClock()
    with Store.open(f"{nats}/{name}?busy_timeout=3", events=[RawEvent], clock=clock) as store:
        store.append("a-1", [RawEvent("X", {})])
        asyncio.run(_changed(nats, name, lambda info: int(info["state"]["bytes"]) + 1))
        clock.move(later)
        new = [NewEvent(RawEvent("Y", {}), id=uuid4())]
        with pytest.raises(StoreFull, match="Nothing was written"):
            store.append("a-1", new)
        asyncio.run(_changed(nats, name, lambda _: -1))
        receipt = store.append("a-1", new)
        assert (receipt.version, receipt.repeated) == (2, False)
        assert [event.type for event in store.read()] == ["X", "Y"]
