"""What was done to a store by those who can: `verify` finds it."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import nats as client
import pytest

from refold import Store
from refold.backends.nats.log import Log
from refold.backends.nats.stored import Found
from refold.errors import StoreError
from refold.messages import RawEvent
from refold.ports import Damage

pytestmark = [pytest.mark.guarantee("G8")]


async def asked(url: str, subject: str, body: object) -> dict[str, Any]:
    """Ask JetStream, with all rights."""
    connection = await client.connect(url)
    message = await connection.request(f"$JS.API.{subject}", json.dumps(body).encode(), timeout=5)
    await connection.close()
    said: dict[str, Any] = json.loads(message.data)
    return said


def found(url: str) -> list[Damage]:
    """All that is wrong."""
    with Store.open(url) as store:
        return [each for _, damages in store.verify() for each in damages]


def filled(url: str) -> tuple[int, ...]:
    """A store with three events; their positions."""
    with Store.open(url, events=[RawEvent]) as store:
        return tuple(map(int, store.append("a-1", [RawEvent("X", {"n": n}) for n in range(3)]).positions))


def test_what_others_write_meanwhile_is_not_missed(nats: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{nats}/d{uuid4().hex}"
    filled(url)
    stretch, pages = Log.stretch, list[int]()

    async def overtaken(log: Log, subject: str, low: int, high: int, limit: int) -> list[Found]:
        page = await stretch(log, subject, low, high, limit)
        pages.append(await asyncio.to_thread(lambda: int(other.append("b-1", [RawEvent("X", {})]).position)))
        return page

    with Store.open(url, events=[RawEvent]) as other:
        monkeypatch.setattr(Log, "stretch", overtaken)
        assert (found(url), len(pages)) == ([], 1)


def test_a_message_that_was_removed_is_missed_and_so_is_what_forbids_it(nats: str) -> None:
    name, other = f"d{uuid4().hex}", f"d{uuid4().hex}"
    filled(f"{nats}/{other}")
    config = asyncio.run(asked(nats, f"STREAM.INFO.{other}", {}))["config"]
    weak = config | {"name": name, "subjects": [f"refold.{name}.>"], "deny_delete": False}
    assert "error" not in asyncio.run(asked(nats, f"STREAM.CREATE.{name}", weak))
    _, second, third = filled(f"{nats}/{name}")

    assert asyncio.run(asked(nats, f"STREAM.MSG.DELETE.{name}", {"seq": second}))["success"]

    assert found(f"{nats}/{name}") == [
        Damage(None, "the stream has deny_delete False, not True: events could be deleted"),
        Damage(second, "the message that stood here is missing"),
        Damage(third, "version 3 of stream a-1 does not follow version 2"),
    ]


def test_a_stream_of_somebody_elses_is_no_store_and_is_left_alone(nats: str) -> None:
    name = f"d{uuid4().hex}"
    asyncio.run(asked(nats, f"STREAM.CREATE.{name}", {"name": name, "subjects": [f"{name}.>"], "storage": "file"}))
    before = asyncio.run(asked(nats, f"STREAM.INFO.{name}", {}))["config"]
    with pytest.raises(StoreError, match="is no store of Refold's"):
        Store.open(f"{nats}/{name}")
    assert asyncio.run(asked(nats, f"STREAM.INFO.{name}", {}))["config"] == before
